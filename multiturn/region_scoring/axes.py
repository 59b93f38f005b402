"""Axes along which regions are longest: how many of their numbers are worth 16 bits, 8 bits, or nothing."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from multiturn.region_scoring.layouts import Layout

_REGIONS = 1 << 15  # looked at
_NARROW, _LEFT_OUT = 0.2, 0.01  # root mean square length of what has 8 bits or nothing, and of what has nothing


@dataclass(frozen=True)
class Axes:
    """An orthogonal basis, and what a screen keeps of vectors in it.

    Features that a model has learned lie near a few axes. What a screen makes of the other numbers is small, and so is
    what it loses: the first numbers have 16 bits, those after them 8, and the last are left out.

    Attributes:
        basis: in columns; None where vectors stay as they are, and all numbers are wide.
        wide: how many numbers have 16 bits.
        narrow: how many have 8.
    """

    basis: Float64[Tensor, "dim dim"] | None
    wide: int
    narrow: int

    @classmethod
    def of(
        cls, vectors: Float32[Tensor, "candidate region dim"], mask: Bool[Tensor, "candidate region"], layout: Layout
    ) -> "Axes":
        """The axes of some regions at length 1; none, and all numbers in 16 bits, where that pays no more.

        Args:
            vectors: the regions, of any length but zero.
            mask: True where there is one.
            layout: of the numbers; it says what they cost.
        """
        candidates, regions, dim = vectors.shape
        stride = max(1, candidates * regions // _REGIONS)
        some = vectors[::stride][mask[::stride]].double()
        some /= some.norm(dim=1, keepdim=True)
        strengths, basis = torch.linalg.eigh(some.T @ some / len(some))  # ascending
        strengths, basis = strengths.clamp(min=0).flip(0), basis.flip(1)
        left = strengths.flip(0).cumsum(0).flip(0).sqrt()  # length of what lies along an axis and those after it
        wide, end = (
            min(dim, -(-int((left > most).sum()) // layout.axes) * layout.axes) for most in (_NARROW, _LEFT_OUT)
        )
        if layout.narrow_cost >= 1:
            wide = end
        if wide + layout.narrow_cost * (end - wide) > layout.worth_it * dim:
            return cls.none(dim)
        return cls(basis.contiguous(), wide, end - wide)

    @classmethod
    def none(cls, dim: int) -> "Axes":
        """Vectors as they are, all numbers in 16 bits."""
        return cls(None, dim, 0)

    def parts(
        self, units: Float64[Tensor, "row *region dim"]
    ) -> tuple[Float64[Tensor, "row *region wide"], Float64[Tensor, "row *region narrow"]]:
        """Vectors along the axes: numbers of 16 bits, and of 8 bits."""
        kept = units if self.basis is None else units @ self.basis[:, : self.wide + self.narrow]
        return kept[..., : self.wide], kept[..., self.wide :]

    def rest(self, units: Float64[Tensor, "row *region dim"]) -> Float64[Tensor, "row *region rest"]:
        """Vectors along the axes that are left out."""
        return units[..., :0] if self.basis is None else units @ self.basis[:, self.wide + self.narrow :]
