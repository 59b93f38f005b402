"""Quantisation: of vectors of any kind, and of state vectors turn after turn by the compiled kernel."""

import ctypes
import sys
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor
from torch.nn.functional import pad

from multiturn.compiled import at, in_threads
from multiturn.quantisation import INT8_LIMIT
from multiturn.region_scoring.layouts import Layout
from multiturn.structs import Struct, fields

_SHORTEST = 1e-3  # of a row; shorter ones are not made longer than it would be
_PRODUCTS = 32  # that take as long as to round a number


def quantise(
    units: Float[Tensor, "row *region dim"], largest: int, longest: int, part: int = sys.maxsize
) -> tuple[Float[Tensor, "row *region dim"], Float[Tensor, "row *region"], Float[Tensor, "row *region dim"]]:
    """Round vectors of length 1 at most to integers; returns these, the factors, and the rounding residuals.

    Residuals are themselves rounded, by a unit in the last place of the vectors.

    Args:
        units: the vectors.
        largest: of the integers.
        longest: L2 norm of the rows of integers, or of parts of them.
        part: so many numbers.
    """
    if units.shape[-1] == 0:
        return units, torch.ones_like(units.sum(-1)), units
    most = units.abs().amax(-1)
    length = torch.ones_like(most)
    if part < units.shape[-1]:
        squares = pad(units.square(), (0, -units.shape[-1] % part))
        length = squares.unflatten(-1, (-1, part)).sum(-1).amax(-1).sqrt_()
    factor = torch.minimum(largest / most.clamp(min=_SHORTEST), longest / length.clamp(min=_SHORTEST))
    scaled = units * factor[..., None]
    integers = torch.round(scaled)
    return integers, factor, scaled.sub_(integers).div_(factor[..., None])


class _Places(Struct):
    _fields_ = fields("numbers", "at_once step bytes split_bytes", ctypes.c_int64)


class _Measured(Struct):
    _fields_ = fields("factor residual low total", "", ctypes.c_int64)


@dataclass(frozen=True)
class QuantisedStates:
    """Quantised state vectors, as a kernel reads them.

    Attributes:
        numbers: filled up to as many sessions as the kernel takes at once, and to whole steps: [session / at once,
            step, part, session, number]; the parts are high bytes and low ones, where they lie apart.
        factor: what the vectors were multiplied with before they were rounded.
        residual: L2 norms of the rounding residuals, in the measure of the vectors.
        low: L2 norms of the low bytes, likewise.
        total: sum of the numbers.
    """

    numbers: Tensor
    factor: Float32[Tensor, " session"]
    residual: Float32[Tensor, " session"]
    low: Float32[Tensor, " session"]
    total: Int32[Tensor, " session"]

    @classmethod
    def of(
        cls, rows: Float32[Tensor, "session dim"], library: ctypes.CDLL, layout: Layout, int8: bool = False
    ) -> "QuantisedStates":
        """Round as `quantise` does.

        Args:
            rows: of length 1 at most.
            library: of `multiturn.region_scoring.kernel`.
            layout: which numbers there may be, and their order.
            int8: 8 bits, not 16.
        """
        sessions, dim = rows.shape
        step, split_bytes = layout.steps[int8], layout.split_bytes and not int8
        shape = (-(-sessions // layout.sessions), -(-dim // step), 1 + split_bytes, layout.sessions, step)
        numbers = torch.empty(shape, dtype=torch.int8 if int8 or split_bytes else torch.int16)
        numbers[-1:], numbers[:, -1:] = 0, 0  # what is filled up lies there
        factor, residual, low = torch.empty(3, sessions)
        total = torch.empty(sessions, dtype=torch.int32)
        places = _Places(
            numbers=numbers, at_once=layout.sessions, step=step, bytes=numbers.itemsize, split_bytes=split_bytes
        )
        told = _Measured(factor=factor, residual=residual, low=low, total=total)
        limit, part = (INT8_LIMIT, sys.maxsize) if int8 else (layout.int16_limit, layout.part)
        limits = ctypes.c_float(limit), ctypes.c_float(layout.longest), ctypes.c_int64(part)

        def some(first: int, last: int) -> None:
            ends = ctypes.c_int64(first), ctypes.c_int64(last)
            library.quantise_states(at(rows), ctypes.c_int64(dim), *limits, *map(ctypes.byref, (places, told)), *ends)

        in_threads(some, sessions, _PRODUCTS * rows.numel())
        return cls(numbers, factor, residual, low, total)
