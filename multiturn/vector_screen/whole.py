"""Vectors in whole numbers of 8 or 16 bits, laid out for screen.cpp."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import pad

GROUP = 32  # candidates of which ranges are made, in screen.cpp
PART = 64  # numbers of 16 bits whose products are added up in 32 bits
_LONGEST = 46_000  # of so many whole numbers: a sum of products of two such parts stays below 2^31
_LARGEST, _NARROW, _STEEPEST = 32_767, 127, 1e30  # whole numbers of 16 and 8 bits; what a number is multiplied with
_ADDED = 128  # to narrow numbers of the gallery, which have no sign
_AT_ONCE = 1 << 10  # candidates rounded, so that their float64 stays in the processor's caches
_WIDEST = 1024  # numbers of a vector that are turned; beyond them the turning would take longer than it saves
_NEARER = 0.9  # as a share of their lengths, vectors are at most so far from their mean where it is taken off
_TINY = 1e-300


class WholeVectors:
    """A gallery's vectors less their mean, turned, each times a factor of its own and rounded to whole numbers.

    Neither step changes a product: that with the mean is the same for all candidates, and turning is orthogonal. Both
    make rounding take less. Vectors that are nearer to their mean than to nothing get shorter. And no number of a
    turned vector is much larger than the others, while a network's features may have some that are.

    Args:
        vectors: of the gallery.
        norms: their lengths.
        lanes: candidates of one register.
        narrow: whole numbers of 8 bits, not 16.
    Attributes:
        numbers: [tile, step, candidate, number of the step], where a tile has candidates of two registers, and a step
            two numbers, or four narrow ones, which are made positive.
        sessions: that the kernel multiplies with a tile at once.
        steps: of a vector.
        inverse: what the whole numbers are multiplied with to get the vectors; [candidate] filled up to whole groups.
        lengths: of the vectors less their mean.
        lost: length of what rounding took.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        lanes: int,
        narrow: bool = False,
    ) -> None:
        self.candidates, dim = vectors.shape
        self.narrow, self._added = narrow, _ADDED if narrow else 0
        self.sessions, tile, self._step = 12 if lanes == 16 else 6, 2 * lanes, 4 if narrow else 2
        self.steps, groups = -(-dim // self._step), -(-self.candidates // GROUP)
        self.mean = _mean(vectors, norms)
        self._basis = _basis(dim) if dim <= _WIDEST else None
        # Whole lines of the cache: the kernel reads 64 bytes at once.
        kind, count = (torch.uint8 if narrow else torch.int16), groups * GROUP * self.steps * self._step
        room = torch.empty(count + 64, dtype=kind)
        room = room[(-room.data_ptr() % 64) // room.itemsize :][:count]
        self.numbers = room.view(-1, self.steps, tile, self._step)
        self.inverse = torch.ones(groups * GROUP)
        self.lengths, self.lost = torch.zeros(2, groups * GROUP, dtype=torch.float64)
        for first, part in _parts(vectors):
            turned = self._turned(part - self.mean)
            whole, factor, lost = rounded(turned, narrow)
            filled = pad(whole, (0, -dim % self._step, 0, -len(whole) % GROUP)).add_(self._added).to(kind)
            tiles = filled.view(-1, tile, self.steps, self._step).transpose(1, 2)
            self.numbers[first // tile : first // tile + len(tiles)] = tiles
            own = slice(first, first + len(part))
            self.inverse[own], self.lengths[own], self.lost[own] = factor.reciprocal().float(), turned.norm(dim=1), lost

    def states(
        self, rows: Float64[Tensor, "session dim"]
    ) -> tuple[Tensor, Tensor, Float64[Tensor, " session"], Float64[Tensor, " session"]]:
        """Query vectors as the kernel reads them.

        Returns:
            the numbers; where sums of products with narrow ones begin; the factors; and what rounding took.
        """
        whole, factor, lost = rounded(self._turned(rows), self.narrow)
        filled = pad(whole, (0, -rows.shape[1] % self._step, 0, -len(rows) % self.sessions))
        tiles = filled.view(-1, self.sessions, self.steps, self._step).transpose(1, 2)
        numbers = tiles.to(torch.int8 if self.narrow else torch.int16).contiguous()
        return numbers, (-self._added * filled.sum(1)).to(torch.int32), factor, lost

    def _turned(self, rows: Float64[Tensor, "row dim"]) -> Float64[Tensor, "row dim"]:
        return rows if self._basis is None else rows @ self._basis


def rounded(
    rows: Float64[Tensor, "row dim"], narrow: bool = False
) -> tuple[Float64[Tensor, "row dim"], Float64[Tensor, " row"], Float64[Tensor, " row"]]:
    """Vectors in whole numbers: these, the factor that made them, and the length of what rounding took."""
    largest = rows.abs().amax(1)
    factor = (_NARROW if narrow else _LARGEST) / largest
    if not narrow:
        parts = pad(rows, (0, -rows.shape[1] % PART)).view(len(rows), -1, PART)
        factor = torch.minimum(factor, _LONGEST / parts.norm(dim=2).amax(1))
    factor = factor.clamp(max=_STEEPEST).float().double()  # as the kernel's scales are made of it
    most = _NARROW if narrow else _LARGEST
    scaled = rows * factor[:, None]
    whole = torch.round(scaled).clamp_(-most, most)
    lost = scaled.sub_(whole).norm(dim=1) / factor * 1.0001
    return whole, factor, lost


def _parts(vectors: Float[Tensor, "candidate dim"]) -> Iterator[tuple[int, Float64[Tensor, "part dim"]]]:
    """Where each part of the vectors begins, and the part."""
    for first in range(0, len(vectors), _AT_ONCE):
        yield first, vectors[first : first + _AT_ONCE].double()


def _mean(vectors: Float[Tensor, "candidate dim"], norms: Float64[Tensor, " candidate"]) -> Float64[Tensor, " dim"]:
    """Their mean, or zeros where most are no nearer to it."""
    mean = torch.stack([part.sum(0) for _, part in _parts(vectors)]).sum(0) / len(vectors)
    apart = torch.cat([(part - mean).norm(dim=1) for _, part in _parts(vectors)])
    return mean if float((apart / norms.clamp(min=_TINY)).mean()) <= _NEARER else torch.zeros_like(mean)


def _basis(dim: int) -> Float64[Tensor, "dim dim"]:
    """An orthogonal matrix, drawn."""
    drawn = torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.linalg.qr(drawn)[0]
