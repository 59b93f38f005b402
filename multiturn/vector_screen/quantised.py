"""Vectors quantised to int8 or int16, laid out for screen.cpp."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import pad

from multiturn.quantisation import INT8_LIMIT, INT16_LIMIT, PART, PART_NORM, ZERO_POINT, aligned_zeros

GROUP = 32  # candidates of which ranges are made, in screen.cpp
_LARGEST_FACTOR = 1e30
_AT_ONCE = 1 << 10  # candidates rounded, so that their float64 stays in the processor's caches
_WIDEST = 1024  # vectors of more numbers are not rotated, which would take longer than it saves
_NEARER = 0.9  # as a share of their lengths, vectors are at most so far from their mean where it is taken off
_TINY = 1e-300


class QuantisedVectors:
    """A gallery's vectors, centred and rotated, each times a factor of its own and rounded to integers.

    Neither step changes a product: that with the mean is the same for all candidates, and a rotation is orthogonal.
    Both make the rounding residual smaller: vectors that are nearer to their mean than to nothing get shorter, and no
    number of a rotated vector is much larger than the others, while a network's features may have some that are.

    Args:
        vectors: of the gallery.
        norms: their lengths.
        lanes: candidates of one register.
        int8: 8 bits, not 16.
    Attributes:
        numbers: [tile, step, candidate, number of the step], where a tile has candidates of two registers, and a step
            two int16 numbers, or four int8 ones plus the zero point.
        lanes: as given.
        sessions: that the kernel multiplies with a tile at once.
        steps: of a vector.
        inverse: the quantisation step of each vector; [candidate] filled up to whole groups.
        lengths: L2 norms of the centred vectors.
        residual: L2 norms of their rounding residuals.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        lanes: int,
        int8: bool = False,
    ) -> None:
        self.candidates, dim = vectors.shape
        self.int8, self._zero_point = int8, ZERO_POINT if int8 else 0
        self.lanes, self.sessions, tile, self._step = lanes, 12 if lanes == 16 else 6, 2 * lanes, 4 if int8 else 2
        self.steps, groups = -(-dim // self._step), -(-self.candidates // GROUP)
        self.mean = _mean(vectors, norms)
        self._basis = _basis(dim) if dim <= _WIDEST else None
        kind = torch.uint8 if int8 else torch.int16
        self.numbers = aligned_zeros((groups * GROUP // tile, self.steps, tile, self._step), kind)
        self.inverse = torch.ones(groups * GROUP)
        self.lengths, self.residual = torch.zeros(2, groups * GROUP, dtype=torch.float64)
        for first, part in _parts(vectors):
            rotated = self._rotated(part - self.mean)
            integers, factor, residual = quantise(rotated, int8)
            filled = pad(integers, (0, -dim % self._step, 0, -len(integers) % GROUP)).add_(self._zero_point).to(kind)
            tiles = filled.view(-1, tile, self.steps, self._step).transpose(1, 2)
            self.numbers[first // tile : first // tile + len(tiles)] = tiles
            own = slice(first, first + len(part))
            self.inverse[own] = factor.reciprocal().float()
            self.lengths[own], self.residual[own] = rotated.norm(dim=1), residual

    def states(
        self, rows: Float64[Tensor, "session dim"]
    ) -> tuple[Tensor, Tensor, Float64[Tensor, " session"], Float64[Tensor, " session"]]:
        """Query vectors as the kernel reads them.

        Returns:
            the integers; what sums of products start from, to make up for the zero point; the factors; and the L2 norms
            of the rounding residuals.
        """
        integers, factor, residual = quantise(self._rotated(rows), self.int8)
        filled = pad(integers, (0, -rows.shape[1] % self._step, 0, -len(rows) % self.sessions))
        tiles = filled.view(-1, self.sessions, self.steps, self._step).transpose(1, 2)
        numbers = tiles.to(torch.int8 if self.int8 else torch.int16).contiguous()
        return numbers, (-self._zero_point * filled.sum(1)).to(torch.int32), factor, residual

    def _rotated(self, rows: Float64[Tensor, "row dim"]) -> Float64[Tensor, "row dim"]:
        return rows if self._basis is None else rows @ self._basis


def quantise(
    rows: Float64[Tensor, "row dim"], int8: bool = False
) -> tuple[Float64[Tensor, "row dim"], Float64[Tensor, " row"], Float64[Tensor, " row"]]:
    """Round vectors to integers; returns these, the factors, and the L2 norms of the rounding residuals."""
    largest = rows.abs().amax(1)
    limit = INT8_LIMIT if int8 else INT16_LIMIT
    factor = limit / largest
    if not int8:
        parts = pad(rows, (0, -rows.shape[1] % PART)).view(len(rows), -1, PART)
        factor = torch.minimum(factor, PART_NORM / parts.norm(dim=2).amax(1))
    factor = factor.clamp(max=_LARGEST_FACTOR).float().double()  # as the kernel's scales are made of it
    scaled = rows * factor[:, None]
    integers = torch.round(scaled).clamp_(-limit, limit)
    residual = scaled.sub_(integers).norm(dim=1) / factor * 1.0001
    return integers, factor, residual


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
