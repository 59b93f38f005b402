"""Vectors in 16-bit whole numbers, laid out for screen.cpp."""

import torch
from jaxtyping import Float, Float32, Float64, Int16
from torch import Tensor
from torch.nn.functional import pad

GROUP = 32  # candidates of which ranges are made, in screen.cpp
PART = 64  # numbers whose products are added up in 32 bits
_LONGEST = 46_000  # of so many whole numbers: a sum of products of two such parts stays below 2^31
_LARGEST, _STEEPEST = 32_767, 1e30  # a whole number, and what a number is multiplied with
_AT_ONCE = 1 << 10  # candidates rounded, so that their float64 stays in the processor's caches


class WholeVectors:
    """A gallery's vectors, each times a factor of its own and rounded to whole numbers.

    Args:
        vectors: of the gallery.
        norms: their lengths.
        lanes: candidates of one register.
    Attributes:
        vectors: [tile, pair of numbers, candidate, one of the pair], where a tile has candidates of two registers.
        sessions: that the kernel multiplies with a tile at once.
        inverse: what the whole numbers are multiplied with to get the vectors.
        lost: length of the most that rounding takes from a vector.
        lost_share: the same, as a share of the vector's length.
    """

    def __init__(
        self, vectors: Float[Tensor, "candidate dim"], norms: Float64[Tensor, " candidate"], lanes: int
    ) -> None:
        self.candidates, dim = vectors.shape
        self.sessions, tile = 12 if lanes == 16 else 6, 2 * lanes
        self.steps, groups = -(-dim // 2), -(-self.candidates // GROUP)
        # Whole lines of the cache: the kernel reads 64 bytes at once.
        room = torch.empty(groups * self.steps * 2 * GROUP + 32, dtype=torch.int16)
        room = room[(-room.data_ptr() % 64) // 2 :][: groups * self.steps * 2 * GROUP]
        self.vectors = room.view(-1, self.steps, tile, 2)
        self.inverse = torch.ones(groups * GROUP)
        self.lost = self.lost_share = 0.0
        for first in range(0, self.candidates, _AT_ONCE):
            whole, factor, lost = rounded(vectors[first : first + _AT_ONCE].float())
            own = norms[first : first + _AT_ONCE]
            self.lost = max(self.lost, float(lost.max()))
            self.lost_share = max(self.lost_share, float((lost / own.clamp(min=1e-300)).nan_to_num().max()))
            filled = pad(whole, (0, -dim % 2, 0, -len(whole) % GROUP))
            pairs = filled.view(-1, tile, self.steps, 2).transpose(1, 2)
            self.vectors[first // tile : first // tile + len(pairs)] = pairs
            self.inverse[first : first + len(factor)] = factor.reciprocal()


def rounded(
    vectors: Float32[Tensor, "row dim"],
) -> tuple[Int16[Tensor, "row dim"], Float64[Tensor, " row"], Float64[Tensor, " row"]]:
    """Vectors in whole numbers: these, the factor that made them, and the length of what rounding took."""
    exact = vectors.double()
    parts = pad(exact, (0, -exact.shape[1] % PART)).view(len(exact), -1, PART)
    longest, largest = parts.norm(dim=2).amax(1), exact.abs().amax(1)
    factor = torch.minimum(_LARGEST / largest, _LONGEST / longest).clamp(max=_STEEPEST)
    factor = factor.float().double()  # as the kernel's scales are made of it
    whole = torch.round(exact * factor[:, None]).clamp(-_LARGEST, _LARGEST)
    lost = (exact - whole / factor[:, None]).norm(dim=1) * 1.0001
    return whole.to(torch.int16), factor, lost
