"""What compiled kernels say of one new state vector a session, and the layout that they share."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float32, Float64, Int, Int16
from torch import Tensor

HALF = 16  # candidates of one register
GROUP = 2 * HALF  # candidates at once


@dataclass(frozen=True)
class Pulls:
    """What errors of the cosines do to a similarity f of some cosines s_k, where more is known of them than their size.

    Attributes:
        table: sum of (df/ds_k)^2 of each cell.
        most: of a session.
        floor: to add to any of them.
        extra: to add to their roots.
        times: errors of the cosines, as a vector's length at most.
        beside: what else moves a similarity.
    """

    table: Float32[Tensor, "session candidate"]
    most: Float32[Tensor, " session"]
    floor: float
    extra: Float64[Tensor, " session"]
    times: Float64[Tensor, " session"]
    beside: float

    def of_sessions(self) -> Float64[Tensor, " session"]:
        """Bound on what moves any similarity of a session."""
        return self._moved(self.most, self.extra, self.times)

    def of_pairs(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """Bound on what moves single ones."""
        return self._moved(self.table[session, candidate], self.extra[session], self.times[session])

    def _moved(
        self, squares: Float32[Tensor, " pair"], extra: Float64[Tensor, " pair"], times: Float64[Tensor, " pair"]
    ) -> Float64[Tensor, " pair"]:
        return (1.001 * (squares.double().clamp(min=0) + self.floor).sqrt() + extra) * times + self.beside


@dataclass(frozen=True)
class Screened:
    """Similarities of one state vector a session with all candidates.

    Attributes:
        table: the similarities.
        squares: the largest mean square of the cosines of each session, weighted as they are.
        within: bound on the error of the cosines, of those of the state vectors with the regions at length 1 in
            float32.
        pulls: what is known of the error's effect beside `within`.
        weights: what the weights' relative error is more than that of exp in float32.
    """

    table: Float32[Tensor, "session candidate"]
    squares: Float32[Tensor, " session"]
    within: Float64[Tensor, " session"]
    pulls: Pulls | None = None
    weights: float = 0.0


@runtime_checkable
class Screen(Protocol):
    """Regions laid out for a compiled kernel."""

    @property
    def fine(self) -> bool:
        """Whether the similarities are as near as those of float32 products."""
        ...

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """Similarities of one state vector a session with all candidates.

        Args:
            units: of length 1.
            sharpness: of the softmax.
            steepest: the most that an error of all cosines, of at most 1, moves a similarity.
        """
        ...


def bits_of(mask: Bool[Tensor, "candidate region"]) -> Int16[Tensor, "group region half"]:
    """A bit for each of 16 candidates."""
    candidates, regions = mask.shape
    groups = -(-candidates // GROUP)
    rows = torch.nn.functional.pad(mask, (0, 0, 0, groups * GROUP - candidates))
    bits = rows.view(groups, 2, HALF, regions).long() << torch.arange(HALF)[:, None]
    return bits.sum(2).transpose(1, 2).to(torch.int32).to(torch.int16).contiguous()
