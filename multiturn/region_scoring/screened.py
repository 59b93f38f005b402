"""What compiled kernels say of one new state vector a session, and the layout that they share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import BFloat16, Bool, Float32, Float64, Int16
from torch import Tensor

HALF = 16  # candidates of one register
GROUP = 2 * HALF  # candidates at once


@dataclass(frozen=True)
class Reach:
    """How far similarities may be wrong, where more is known of single ones than of a session's.

    Attributes:
        table: of each, rounded up: few bits are read soon.
    """

    table: BFloat16[Tensor, "session candidate"]

    @cached_property
    def most(self) -> Float64[Tensor, " session"]:
        """Of a session; numbers that are not negative are in the order of their bits, which are compared sooner."""
        return self.table.view(torch.int16).amax(1).view(torch.bfloat16).double()


@dataclass(frozen=True)
class Bound:
    """A bound on the error of single similarities: `times` the lesser of `most` and the sum of `reach` and `more`."""

    reach: BFloat16[Tensor, "session candidate"]
    most: Float64[Tensor, " session"]
    more: Float64[Tensor, " session"]
    times: float


@dataclass(frozen=True)
class Screened:
    """Similarities of one state vector a session with all candidates.

    Attributes:
        table: the similarities.
        squares: the largest mean square of the cosines of each session, weighted as they are.
        within: bound on the error of the cosines, of those of the state vectors with the regions at length 1 in
            float32.
        reach: what is known of the error's effect beside `within`.
        weights: what the weights' relative error is more than that of exp in float32.
    """

    table: Float32[Tensor, "session candidate"]
    squares: Float32[Tensor, " session"]
    within: Float64[Tensor, " session"]
    reach: Reach | None = None
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
