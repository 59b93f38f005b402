"""Scores of quantised regions, whose products are added up exactly, by simd_kernel.cpp or amx_kernel.cpp."""

import ctypes
import math

import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor
from torch.nn.functional import pad

from multiturn.compiled import in_threads
from multiturn.quantisation import INT8_LIMIT, aligned_zeros
from multiturn.region_scoring.axes import Axes
from multiturn.region_scoring.layouts import Layout
from multiturn.region_scoring.quantised_states import QuantisedStates, quantise
from multiturn.region_scoring.screened import GROUP, Reach, Screened, bits_of
from multiturn.structs import Struct, fields

_AT_ONCE = 8 * GROUP  # candidates
_ROUNDING = 2.0**-24  # of float32
_EXP, _LEAST = 3e-6, 2.0**-20  # relative error of exp in sums.h, and the sharpness there where it is less


class _Regions(Struct):
    _fields_ = fields(
        "int16 int8 int16_scale int8_scale real norms", "candidates regions int16_steps int8_steps", ctypes.c_int64
    )


class _States(Struct):
    _fields_ = fields("int16 int8 start int16_scale int8_scale terms beside", "count filled", ctypes.c_int64)


class _Formula(Struct):
    _fields_ = fields("", "sharpness scale floor growth", ctypes.c_float)


class _Found(Struct):
    _fields_ = fields("table reach squares", "", ctypes.c_int64)


class QuantisedRegions:
    """Regions at length 1 along their `Axes`, each times a factor of its own and rounded to integers.

    Attributes:
        axes: which numbers are int16, which int8, and which are left out.
        layout: of the numbers, for a kernel.
        int16, int8: the integers.
        scales: their quantisation steps.
        real: a bit for each of 16 candidates, [candidate / 32, region, half].
        norms: largest singular value, or a little more, of each candidate's matrix of int16 numbers, of their rounding
            residuals, and of what of them the kernel does not multiply with the like of state vectors; of int8
            numbers, and of their rounding residuals; and of the rest.
    """

    fine = False

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
        library: ctypes.CDLL,
        layout: Layout,
        axes: Axes,
    ) -> None:
        self._library, self._kernel = library, getattr(library, layout.kernel)
        self.layout, self.axes = layout, axes
        self.candidates, self.regions, _ = vectors.shape
        groups = -(-self.candidates // GROUP)
        numbers = zip((axes.int16, axes.int8), layout.steps, strict=True)
        self.steps = [-(-count // step) for count, step in numbers]
        self.scales, self.real = torch.empty(2, groups, self.regions, GROUP), bits_of(mask)
        self.norms = torch.zeros(6, groups * GROUP)
        laid_out: list[Tensor] = []
        for first in range(0, self.candidates, _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            # Rounded to float32 first, as are the vectors of other ways to score.
            units = (vectors[part].double() / norms[part, :, None]).float().double()
            own = slice(first // GROUP, -(-(first + len(units)) // GROUP))
            some = self._lay_out(units, own, part)
            laid_out = laid_out or [aligned_zeros((groups, *numbers.shape[1:]), numbers.dtype) for numbers in some]
            for everyone, numbers in zip(laid_out, some, strict=True):
                everyone[own] = numbers
        self.int16, self.int8 = laid_out
        self._largest_norms = self.norms.amax(1, keepdim=True)

    def _lay_out(
        self, units: Float64[Tensor, "candidate region dim"], groups: slice, candidates: slice
    ) -> tuple[Tensor, Tensor]:
        (int16, int8), rest = self.axes.parts(units), self.axes.rest(units)
        numbers, factor, residual = quantise(int16, self.layout.int16_limit, self.layout.longest, self.layout.part)
        low = self.layout.low(numbers) / factor[..., None]
        fewer, int8_factor, int8_residual = quantise(int8, INT8_LIMIT, self.layout.longest)
        self.scales[0, groups], self.scales[1, groups] = _inverse(factor), _inverse(int8_factor)
        for norms, matrix in zip(self.norms, (int16, residual, low, int8, int8_residual, rest), strict=True):
            norms[candidates][: len(units)] = largest_singular_values(matrix) * 1.0001  # in float32
        return self.layout.regions(numbers, fewer)

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`.

        The bound `reach`: with f as in `multiturn.region_scoring.vectors.RegionFormula.steepness` and w_k = df/ds_k,
        the mean value theorem gives f(s) - f(s') = sum_k w_k e_k for errors e_k of the cosines and w at some point
        between. Let x and v_k be the vectors along the axes, in three parts: int16, int8 and rest. In the first two
        e_k = dx.v_k + x'.dv_k, where dx and dv_k are the residuals of rounding x = x' + dx and v_k; in the third it is
        x.v_k. So |e| <= |dx| norm(V) + |x'| norm(dV) for either of two, and |x| norm(V) for the third, by the
        matrices' largest singular values, and |sum_k w_k e_k| <= |w| |e|. If the kernel leaves out the products of low
        bytes, l and l_k, then |l| norm(L) is added. |w| is computed at the computed cosines; on the way, of length |e|
        at most in each s_k, no a_k grows by more than exp(2 b |e|), and no 1 + b (s_k - f) by more than
        b (1 + steepest) |e|. What rounds the sums and products themselves is a share of each part of a sum, of which
        there are as many as regions, of length norm(V) at most.
        """
        sessions, missing = len(units), -len(units) % self.layout.sessions
        int16, int8, rest = self._along_axes(units)
        many = QuantisedStates.of(int16, self._library, self.layout)
        few = QuantisedStates.of(int8, self._library, self.layout, int8=True)
        # Vectors along the axes are rounded to float32, and so are their residuals.
        length, away, residual, low = (
            one.double() + 2 * _ROUNDING for one in (int8.norm(dim=1), few.residual, many.residual, many.low)
        )
        # Of the products with the scales, of those themselves, and of the sums of their parts, which are below 1.
        rounding = (16 + self.axes.int16 // self.layout.part) * _ROUNDING
        terms = [residual + rounding, 1 + residual, low, away + rounding, length + away, rest]
        terms = 1.0001 * torch.stack(terms).float()
        weights = (3 * sharpness * (2 + rounding) + self.regions + 16) * _ROUNDING + _EXP
        spread = sharpness * (1 + steepest)
        scale = max(sharpness, _LEAST) / math.log(2)
        table = torch.empty(sessions, self.candidates)
        reach = torch.empty_like(table, dtype=torch.bfloat16)
        filled = {
            "start": pad(-self.layout.zero_point * few.total, (0, missing)),
            "int16_scale": pad(scale / many.factor, (0, missing)),
            "int8_scale": pad(scale / few.factor, (0, missing)),
            "terms": pad(terms, (0, missing)),
            "beside": torch.full((sessions + missing,), 4 * sharpness * weights + spread * rounding),
        }
        states = _States(int16=many.numbers, int8=few.numbers, **filled, count=sessions, filled=sessions + missing)
        regions = _Regions(
            int16=self.int16,
            int8=self.int8,
            int16_scale=self.scales[0],
            int8_scale=self.scales[1],
            real=self.real,
            norms=self.norms,
            candidates=self.candidates,
            regions=self.regions,
            int16_steps=self.steps[0],
            int8_steps=self.steps[1],
        )
        # Sums of squares are within 2^-18 of the terms that they are made of.
        floor = (1 + 2 * sharpness) ** 2 * 2.0**-18
        formula = _Formula(sharpness=sharpness, scale=scale, floor=floor, growth=spread)
        largest: list[Tensor] = []

        def some(first: int, last: int) -> None:
            squares = torch.zeros(sessions)
            found = _Found(table=table, reach=reach, squares=squares)
            told = (ctypes.byref(one) for one in (states, regions, formula, found))
            self._kernel(*told, ctypes.c_int64(first), ctypes.c_int64(last))
            largest.append(squares)

        products = (sessions + missing) * len(self.real) * GROUP * self.regions * (self.axes.int16 + self.axes.int8)
        in_threads(some, len(self.real), products)
        within = 1.0001 * (self._largest_norms * terms).sum(0).double()
        return Screened(table, torch.stack(largest).amax(0), within, Reach(reach), _EXP)

    def _along_axes(
        self, units: Float32[Tensor, "session dim"]
    ) -> tuple[Float32[Tensor, "session int16"], Float32[Tensor, "session int8"], Float64[Tensor, " session"]]:
        """Vectors along the axes: what becomes int16, what becomes int8, and the length of the rest."""
        if self.axes.basis is None:
            return units, units[:, :0], torch.zeros(len(units), dtype=torch.float64)
        exact = units.double()
        int16, int8 = self.axes.parts(exact)
        # By Pythagoras, in float64: within 1e-7.
        rest = (exact.square().sum(1) - int16.square().sum(1) - int8.square().sum(1)).clamp(min=0).sqrt() + 1e-7
        return int16.float(), int8.float(), rest


def largest_singular_values(rows: Float64[Tensor, "candidate region dim"]) -> Float64[Tensor, " candidate"]:
    """That of each candidate's matrix, or a little more: the root of order 64 of the trace of (A A^T)^32."""
    if rows.shape[2] == 0:
        return rows.new_zeros(len(rows))
    scale = rows.abs().amax((1, 2)).clamp(min=1e-300)
    power = torch.bmm(rows / scale[:, None, None], rows.transpose(1, 2) / scale[:, None, None])
    for _ in range(5):
        power = torch.bmm(power, power)
    return 1.0001 * scale * power.diagonal(dim1=1, dim2=2).sum(1) ** (1 / 64)


def _inverse(factor: Float64[Tensor, "candidate region"]) -> Float32[Tensor, "group region place"]:
    filled = pad(factor.reciprocal().float(), (0, 0, 0, -len(factor) % GROUP), value=1.0)
    return filled.view(-1, GROUP, factor.shape[1]).transpose(1, 2)
