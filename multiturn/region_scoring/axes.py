"""Principal axes of regions: along how many of them numbers are worth int16, int8, or nothing."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from multiturn.region_scoring.layouts import Layout

_REGIONS = 1 << 15  # looked at
_INT8, _LEFT_OUT = 0.2, 0.01  # root mean square length of what is int8 or left out, and of what is left out


@dataclass(frozen=True)
class Axes:
    """An orthogonal basis, and what a screen keeps of vectors in it.

    Features that a model has learned lie near a few axes. What a screen makes of the other numbers is small, and so is
    what it loses: the first numbers are int16, those after them int8, and the last are left out.

    Attributes:
        basis: in columns; None where vectors stay as they are, and all numbers are int16.
        int16: how many numbers are int16.
        int8: how many are int8.
    """

    basis: Float64[Tensor, "dim dim"] | None
    int16: int
    int8: int

    @classmethod
    def of(
        cls, vectors: Float32[Tensor, "candidate region dim"], mask: Bool[Tensor, "candidate region"], layout: Layout
    ) -> "Axes":
        """The axes of some regions at length 1; none, and all numbers int16, where that pays no more.

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
        int16, end = (
            min(dim, -(-int((left > most).sum()) // layout.axes) * layout.axes) for most in (_INT8, _LEFT_OUT)
        )
        if layout.int8_cost >= 1:
            int16 = end
        if int16 + layout.int8_cost * (end - int16) > layout.worth_it * dim:
            return cls.none(dim)
        return cls(basis.contiguous(), int16, end - int16)

    @classmethod
    def none(cls, dim: int) -> "Axes":
        """Vectors as they are, all numbers int16."""
        return cls(None, dim, 0)

    def parts(
        self, units: Float64[Tensor, "row *region dim"]
    ) -> tuple[Float64[Tensor, "row *region int16"], Float64[Tensor, "row *region int8"]]:
        """Vectors along the axes: what becomes int16, and what becomes int8."""
        kept = units if self.basis is None else units @ self.basis[:, : self.int16 + self.int8]
        return kept[..., : self.int16], kept[..., self.int16 :]

    def rest(self, units: Float64[Tensor, "row *region dim"]) -> Float64[Tensor, "row *region rest"]:
        """Vectors along the axes that are left out."""
        return units[..., :0] if self.basis is None else units @ self.basis[:, self.int16 + self.int8 :]
