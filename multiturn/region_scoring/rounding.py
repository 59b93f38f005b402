"""Vectors in whole numbers: those of regions once, those of state vectors turn after turn by the compiled kernel."""

import ctypes
import sys
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor
from torch.nn.functional import pad

from multiturn.compiled import at, in_threads
from multiturn.region_scoring.layouts import Layout
from multiturn.structs import Struct, fields

NARROW = 127  # the largest narrow number
_SHORTEST = 1e-3  # of a row; shorter ones are not made longer than it would be
_PRODUCTS = 32  # that take as long as to round a number


def rounded(
    units: Float[Tensor, "row *region dim"], largest: int, longest: int, part: int = sys.maxsize
) -> tuple[Float[Tensor, "row *region dim"], Float[Tensor, "row *region"], Float[Tensor, "row *region dim"]]:
    """Vectors of length 1 at most, in whole numbers: these, the factor that made them, and what rounding took.

    What rounding took is itself rounded, by a unit in the last place of the vectors.

    Args:
        units: the vectors.
        largest: of the whole numbers.
        longest: of the rows of whole numbers, or of parts of them.
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
    whole = torch.round(scaled)
    return whole, factor, scaled.sub_(whole).div_(factor[..., None])


class _Places(Struct):
    _fields_ = fields("numbers", "at_once step bytes apart", ctypes.c_int64)


class _Measured(Struct):
    _fields_ = fields("factor missed low total", "", ctypes.c_int64)


@dataclass(frozen=True)
class RoundedStates:
    """State vectors in whole numbers, as a kernel reads them.

    Attributes:
        numbers: filled up to as many sessions as the kernel takes at once, and to whole steps: [session / at once,
            step, part, session, number]; the parts are high bytes and low ones, where they lie apart.
        factor: what made them whole.
        missed: length of what rounding took, in the measure of the vectors.
        low: length of the low bytes, likewise.
        total: sum of the numbers.
    """

    numbers: Tensor
    factor: Float32[Tensor, " session"]
    missed: Float32[Tensor, " session"]
    low: Float32[Tensor, " session"]
    total: Int32[Tensor, " session"]

    @classmethod
    def of(
        cls, rows: Float32[Tensor, "session dim"], library: ctypes.CDLL, layout: Layout, narrow: bool = False
    ) -> "RoundedStates":
        """Round as `rounded` does.

        Args:
            rows: of length 1 at most.
            library: of `multiturn.region_scoring.kernel`.
            layout: which numbers there may be, and their order.
            narrow: make numbers of 8 bits, not 16.
        """
        sessions, dim = rows.shape
        step, apart = layout.steps[narrow], layout.apart and not narrow
        shape = (-(-sessions // layout.sessions), -(-dim // step), 1 + apart, layout.sessions, step)
        numbers = torch.empty(shape, dtype=torch.int8 if narrow or apart else torch.int16)
        numbers[-1:], numbers[:, -1:] = 0, 0  # what is filled up lies there
        factor, missed, low = torch.empty(3, sessions)
        total = torch.empty(sessions, dtype=torch.int32)
        places = _Places(numbers=numbers, at_once=layout.sessions, step=step, bytes=numbers.itemsize, apart=apart)
        told = _Measured(factor=factor, missed=missed, low=low, total=total)
        most, part = (NARROW, sys.maxsize) if narrow else (layout.widest, layout.part)
        limits = ctypes.c_float(most), ctypes.c_float(layout.longest), ctypes.c_int64(part)

        def some(first: int, last: int) -> None:
            ends = ctypes.c_int64(first), ctypes.c_int64(last)
            library.round_states(at(rows), ctypes.c_int64(dim), *limits, *map(ctypes.byref, (places, told)), *ends)

        in_threads(some, sessions, _PRODUCTS * rows.numel())
        return cls(numbers, factor, missed, low, total)
