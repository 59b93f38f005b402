"""Scoring by whole numbers, whose products are added up exactly: regions laid out for whole_numbers.cpp."""

import ctypes
import math

import torch
from jaxtyping import Bool, Float32, Float64, Int16
from torch import Tensor
from torch.nn.functional import pad

from multiturn.compiled import in_threads
from multiturn.region_scoring.axes import Axes
from multiturn.region_scoring.screened import GROUP, HALF, Reach, Screened, bits_of
from multiturn.region_scoring.structs import Struct, fields

_SESSIONS = 12  # at once, in whole_numbers.cpp
_LONGEST = 46_000  # of a row of whole numbers: a sum of products of two such rows stays below 2^31
_WIDE, _NARROW = 32_767, 127  # the largest whole numbers
_AT_ONCE = 8 * GROUP  # candidates
_ROUNDING = 2.0**-24  # of float32
_EXP = 3e-6  # relative error of exp in whole_numbers.cpp


class _Regions(Struct):
    _fields_ = fields(
        "wide narrow wide_scale narrow_scale real norms", "candidates regions wide_steps narrow_steps", ctypes.c_int64
    )


class _States(Struct):
    _fields_ = fields("wide narrow start wide_scale narrow_scale error terms beside", "count", ctypes.c_int64)


class _Formula(Struct):
    _fields_ = fields("", "sharpness floor growth rounding", ctypes.c_float)


class _Found(Struct):
    _fields_ = fields("table reach squares most error", "", ctypes.c_int64)


class WholeNumbers:
    """Regions at length 1 along their `Axes`, each times a factor of its own and rounded to whole numbers.

    Attributes:
        axes: which numbers have 16 bits, which 8, and which are left out.
        wide: [candidate / 32, region, pair of numbers, half, candidate, one of the pair].
        narrow: [candidate / 32, region, four of numbers, half, candidate, one of the four], each and 128.
        scales: what the whole numbers of both are divided by, inverted.
        real: a bit for each of 16 candidates, [candidate / 32, region, half].
        norm: largest singular value of a candidate's matrix of wide numbers, or a little more.
        norm_lost: the same of what rounding took from them.
        norms: the same of each candidate's narrow numbers, of what rounding took from them, and of the rest.
    """

    fine = False

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
        library: ctypes.CDLL,
        axes: Axes,
    ) -> None:
        self.library, self.axes = library, axes
        self.candidates, self.regions, _ = vectors.shape
        groups = -(-self.candidates // GROUP)
        self.steps = -(-self.axes.wide // 2), -(-self.axes.narrow // 4)
        self.wide = _aligned((groups, self.regions, self.steps[0], 2, HALF, 2), torch.int16)
        self.narrow = _aligned((groups, self.regions, self.steps[1], 2, HALF, 4), torch.uint8)
        self.scales, self.real = torch.empty(2, groups, self.regions, GROUP), bits_of(mask)
        self.norms, self.norm, self.norm_lost = torch.zeros(3, groups * GROUP), 0.0, 0.0
        for first in range(0, self.candidates, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            # Rounded to float32 first, as are the vectors of other ways to score.
            units = (vectors[part].double() / norms[part, :, None]).float().double()
            self._lay_out(first, units)

    def _lay_out(self, first: int, units: Float64[Tensor, "candidate region dim"]) -> None:
        count, (wide, narrow), rest = len(units), self.axes.parts(units), self.axes.rest(units)
        groups, own = slice(first // GROUP, -(-(first + count) // GROUP)), slice(first, first + count)
        numbers, factor, lost = rounded(wide)
        self.wide[groups] = _in_groups(numbers.to(torch.int16), 2)
        self.scales[0, groups] = _inverse(factor)
        self.norm = max(self.norm, float(largest_singular_values(wide).max()))
        self.norm_lost = max(self.norm_lost, float(largest_singular_values(lost).max()))
        numbers, factor, lost = rounded(narrow, _NARROW)
        self.narrow[groups] = _in_groups((numbers + 128).to(torch.uint8), 4)
        self.scales[1, groups] = _inverse(factor)
        for norms, matrix in zip(self.norms, (narrow, lost, rest), strict=True):
            norms[own] = largest_singular_values(matrix) * 1.0001  # in float32

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`.

        The bound `reach`: with f as in `multiturn.region_scoring.vectors.RegionFormula.steepness` and w_k = df/ds_k,
        the mean value theorem gives f(s) - f(s') = sum_k w_k e_k for errors e_k of the cosines and w at some point
        between. Let x and v_k be the vectors along the axes, in three parts: wide, narrow and rest. In the first two
        e_k = dx.v_k + x'.dv_k, where dx and dv_k are what rounding took of x = x' + dx and of v_k; in the third it is
        x.v_k. So |e| <= |dx| norm(V) + |x'| norm(dV) for either of two, and |x| norm(V) for the third, by the
        matrices' largest singular values, and |sum_k w_k e_k| <= |w| |e|. |w| is computed at the computed cosines; on
        the way, of length |e| at most in each s_k, no a_k grows by more than exp(2 b |e|), and no 1 + b (s_k - f) by
        more than b (1 + steepest) |e|. What rounds the sums and products themselves moves each cosine.
        """
        sessions, missing = len(units), -len(units) % _SESSIONS
        exact = units.double()
        wide, narrow = self.axes.parts(exact)
        numbers, factor, lost = rounded(wide)
        whole, narrow_factor, narrow_lost = rounded(narrow, _NARROW)
        length, away = narrow.norm(dim=1), narrow_lost.norm(dim=1)
        # By Pythagoras, in float64: within 1e-7.
        rest = (exact.square().sum(1) - wide.square().sum(1) - length.square()).clamp(min=0).sqrt() + 1e-7
        terms = torch.stack([away, length + away, rest])
        error = lost.norm(dim=1) * self.norm + (1 + lost.norm(dim=1)) * self.norm_lost
        rounding = 16 * _ROUNDING  # of the products with the scales, of those themselves, and of their sum
        weights = (3 * sharpness * (2 + rounding) + self.regions + 16) * _ROUNDING + _EXP
        spread = sharpness * (1 + steepest)
        table, reach = torch.empty(2, sessions, self.candidates)
        filled = {
            "wide": _in_twelves(numbers, 2),
            "narrow": _in_twelves(whole, 4),
            "start": pad(-128 * whole.sum(1).int(), (0, missing)),
            "wide_scale": pad(factor.reciprocal().float(), (0, missing)),
            "narrow_scale": pad(narrow_factor.reciprocal().float(), (0, missing)),
            "error": pad(error.float() * 1.0001, (0, missing)),
            "terms": pad(terms.float() * 1.0001, (0, missing)),
        }
        beside = torch.full((sessions + missing,), 4 * sharpness * weights + spread * rounding)
        states = _States(**filled, beside=beside, count=sessions)
        regions = _Regions(
            **{"wide": self.wide, "narrow": self.narrow, "wide_scale": self.scales[0], "narrow_scale": self.scales[1]},
            **{"real": self.real, "norms": self.norms, "candidates": self.candidates, "regions": self.regions},
            **{"wide_steps": self.steps[0], "narrow_steps": self.steps[1]},
        )
        # Sums of squares are within 2^-18 of the terms that they are made of.
        floor = (1 + 2 * sharpness) ** 2 * 2.0**-18
        formula = _Formula(sharpness=sharpness, floor=floor, growth=spread, rounding=steepest * rounding)
        largest: list[Tensor] = []

        def some(first: int, last: int) -> None:
            own = torch.zeros(3, sessions)
            found = _Found(table=table, reach=reach, squares=own[0], most=own[1], error=own[2])
            told = (ctypes.byref(one) for one in (states, regions, formula, found))
            self.library.score_whole_numbers(*told, ctypes.c_int64(first), ctypes.c_int64(last))
            largest.append(own)

        steps = 2 * self.steps[0] + 2 * self.steps[1]
        in_threads(some, len(self.real), (sessions + missing) * len(self.real) * GROUP * self.regions * steps)
        squares, most, errors = torch.stack(largest).amax(0)
        return Screened(table, squares, errors.double() + rounding, Reach(reach, most.double()), _EXP)


def rounded(
    units: Float64[Tensor, "row *region dim"], largest: int = _WIDE
) -> tuple[Float64[Tensor, "row *region dim"], Float64[Tensor, "row *region"], Float64[Tensor, "row *region dim"]]:
    """Vectors of length 1 at most, in whole numbers: these, the factor that made them, and what rounding took."""
    if units.shape[-1] == 0:
        return units, torch.ones_like(units.sum(-1)), units
    most = units.abs().amax(-1)
    factor = (largest / most.clamp(min=1e-3)).clamp(max=_LONGEST)
    whole = torch.round(units * factor[..., None])
    return whole, factor, units - whole / factor[..., None]


def largest_singular_values(rows: Float64[Tensor, "candidate region dim"]) -> Float64[Tensor, " candidate"]:
    """That of each candidate's matrix, or up to a quarter more: the root of order 16 of the trace of (A A^T)^8."""
    if rows.shape[2] == 0:
        return rows.new_zeros(len(rows))
    scale = rows.abs().amax((1, 2)).clamp(min=1e-300)
    power = torch.bmm(rows / scale[:, None, None], rows.transpose(1, 2) / scale[:, None, None])
    for _ in range(3):
        power = torch.bmm(power, power)
    return 1.0001 * scale * power.diagonal(dim1=1, dim2=2).sum(1) ** (1 / 16)


def _aligned(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros that begin at whole lines of the cache: the kernel reads 64 narrow at once."""
    size = math.prod(shape) * dtype.itemsize
    room = torch.zeros(size + 64, dtype=torch.uint8)
    return room[-room.data_ptr() % 64 :][:size].view(dtype).view(shape)


def _in_groups(
    whole: Int16[Tensor, "candidate region dim"] | Tensor, together: int
) -> Int16[Tensor, "group region step half place together"] | Tensor:
    count, regions, dim = whole.shape
    filled = pad(whole, (0, -dim % together, 0, 0, 0, -count % GROUP))
    steps = filled.shape[2] // together
    return filled.view(len(filled) // GROUP, 2, HALF, regions, steps, together).permute(0, 3, 4, 1, 2, 5)


def _in_twelves(whole: Float64[Tensor, "session dim"], together: int) -> Tensor:
    """The numbers of twelve sessions beside each other, in pairs of 16 bits or fours of 8."""
    sessions, dim = whole.shape
    filled = pad(whole, (0, -dim % together, 0, -sessions % _SESSIONS)).to({2: torch.int16, 4: torch.int8}[together])
    rows, steps = len(filled) // _SESSIONS, filled.shape[1] // together
    return filled.view(rows, _SESSIONS, steps, together).transpose(1, 2).contiguous()


def _inverse(factor: Float64[Tensor, "candidate region"]) -> Float32[Tensor, "group region place"]:
    filled = pad(factor.reciprocal().float(), (0, 0, 0, -len(factor) % GROUP), value=1.0)
    return filled.view(-1, GROUP, factor.shape[1]).transpose(1, 2)
