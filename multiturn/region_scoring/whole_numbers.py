"""Scoring by 16-bit whole numbers, whose products are added up exactly: regions laid out for whole_numbers.cpp."""

import ctypes
import math

import torch
from jaxtyping import Bool, Float32, Float64, Int16
from torch import Tensor
from torch.nn.functional import pad

from multiturn.compiled import at, in_threads
from multiturn.region_scoring.screened import GROUP, HALF, Pulls, Screened, bits_of

_SESSIONS = 12  # at once, in whole_numbers.cpp
_LONGEST = 46_000  # of a row of whole numbers: a sum of products of two such rows stays below 2^31
_LARGEST = 32_767
_AT_ONCE = 8 * GROUP  # candidates
_ROUNDING = 2.0**-24  # of float32
_TAYLOR = 2.5e-6  # relative error of exp in whole_numbers.cpp


class WholeNumbers:
    """Regions at length 1, each times a factor of its own and rounded to whole numbers.

    Attributes:
        vectors: [candidate / 32, region, pair of numbers, half, candidate, one of the pair].
        scales: what the whole numbers are divided by, inverted.
        real: a bit for each of 16 candidates, [candidate / 32, region, half].
        lost: length of the most that rounding takes from a region.
        norm: largest singular value of a candidate's matrix of regions, or a little more.
        norm_lost: the same of what rounding took.
    """

    fine = False

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
        library: ctypes.CDLL,
    ) -> None:
        self.library = library
        self.candidates, self.regions, dim = vectors.shape
        self.steps, self.real = -(-dim // 2), bits_of(mask)
        groups = -(-self.candidates // GROUP)
        # Whole lines of the cache: the kernel reads 64 bytes at once.
        room = torch.empty(groups * self.regions * self.steps * 2 * GROUP + 32, dtype=torch.int16)
        room = room[(-room.data_ptr() % 64) // 2 :][: groups * self.regions * self.steps * 2 * GROUP]
        self.vectors = room.view(groups, self.regions, self.steps, 2, HALF, 2)
        self.scales = torch.empty(groups, self.regions, GROUP)
        self.lost = self.norm = self.norm_lost = 0.0
        for number, (part, own) in enumerate(zip(vectors.split(_AT_ONCE), norms.split(_AT_ONCE), strict=True)):
            units = (part.double() / own[..., None]).float()
            whole, factor, rest = rounded(units)
            self.lost = max(self.lost, float(rest.norm(dim=2).max()) * 1.0001)
            self.norm = max(self.norm, largest_singular_value(units.double()))
            self.norm_lost = max(self.norm_lost, largest_singular_value(rest))
            some = slice(number * _AT_ONCE // GROUP, number * _AT_ONCE // GROUP - (-len(part) // GROUP))
            filled = pad(whole, (0, -dim % 2, 0, 0, 0, -len(part) % GROUP))
            pairs = filled.view(-1, 2, HALF, self.regions, self.steps, 2)
            self.vectors[some] = pairs.permute(0, 3, 4, 1, 2, 5)
            inverse = pad(factor.reciprocal().float(), (0, 0, 0, -len(part) % GROUP), value=1.0)
            self.scales[some] = inverse.view(-1, GROUP, self.regions).transpose(1, 2)

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`.

        The bound `pulls`: with f as in `multiturn.region_scoring.vectors.RegionFormula.steepness` and w_k = df/ds_k,
        the mean value theorem gives f(s) - f(s') = sum_k w_k e_k for errors e_k of the cosines and w at some point
        between. Here e_k = dx.v_k + x'.dv_k and a rounding: dx and dv_k are what rounding took of the state vector
        x = x' + dx and of the region v_k. So |sum_k w_k e_k| <= |w| (|dx| norm(V) + |x'| norm(dV)), by the matrices'
        largest singular values. |w| is computed at the computed cosines; on the way, of length e in each s_k, no a_k
        grows by more than exp(2 b e), and no 1 + b (s_k - f) by more than b (1 + steepest) e.
        """
        sessions = len(units)
        whole, factor, rest = rounded(units)
        inverse = pad(factor.reciprocal().float(), (0, -sessions % _SESSIONS), value=1.0)
        filled = pad(whole, (0, -units.shape[1] % 2, 0, -sessions % _SESSIONS))
        packed = filled.view(-1, _SESSIONS, self.steps, 2).transpose(1, 2).contiguous()
        table, pulls = torch.empty(2, sessions, self.candidates)
        most: list[Tensor] = []

        def some(first: int, last: int) -> None:
            largest = torch.zeros(2, sessions)
            self.library.score_whole_numbers(
                *(at(one) for one in (packed, inverse, self.vectors, self.scales, self.real)),
                *(ctypes.c_int64(number) for number in (sessions, self.candidates, self.regions, self.steps)),
                ctypes.c_float(sharpness),
                *(ctypes.c_int64(number) for number in (first, last)),
                *(at(one) for one in (table, pulls, largest[0], largest[1])),
            )
            most.append(largest)

        in_threads(some, len(self.real), len(inverse) * len(self.real) * GROUP * self.regions * self.steps * 2)
        squares, largest = torch.stack(most).amax(0)
        lost = rest.norm(dim=1) * 1.0001
        rounding = 8 * _ROUNDING  # of the products with the scales, and of those themselves
        within = lost + (1 + lost) * self.lost + rounding
        weights = (3 * sharpness * (1 + within) + self.regions + 16) * _ROUNDING + _TAYLOR
        growth = (2 * sharpness * within).exp()
        effect = Pulls(
            pulls,
            largest,
            (1 + 2 * sharpness) ** 2 * 2.0**-18,  # sums of squares are within 2^-18 of the terms that they are made of
            4 * sharpness * weights + sharpness * (1 + steepest) * within,
            growth * (lost * self.norm + (1 + lost) * self.norm_lost) * 1.001,
            steepest * rounding,
        )
        return Screened(table, squares, within, effect, _TAYLOR)


def rounded(
    units: Float32[Tensor, "row *region dim"],
) -> tuple[Int16[Tensor, "row *region dim"], Float64[Tensor, "row *region"], Float64[Tensor, "row *region dim"]]:
    """Vectors of length 1 at most, in whole numbers: these, the factor that made them, and what rounding took."""
    exact = units.double()
    largest = exact.abs().amax(-1)
    factor = (_LARGEST / largest.clamp(min=1e-3)).clamp(max=_LONGEST)
    whole = torch.round(exact * factor[..., None])
    return whole.to(torch.int16), factor, exact - whole / factor[..., None]


def largest_singular_value(rows: Float64[Tensor, "candidate region dim"]) -> float:
    """That of the candidates' matrices, or up to a quarter more: the root of order 16 of the trace of (A A^T)^8."""
    scale = float(rows.abs().max())
    if scale == 0:
        return 0.0
    power = torch.bmm(rows / scale, rows.transpose(1, 2) / scale)
    for _ in range(3):
        power = torch.bmm(power, power)
    trace = float(power.diagonal(dim1=1, dim2=2).sum(1).max())
    return 1.0001 * scale * math.pow(trace, 1 / 16)
