"""Close calls among scores of sessions of several state vectors, by the compiled kernel."""

import ctypes
from collections.abc import Sequence

import torch
from jaxtyping import Float32, Int
from torch import Tensor

from multiturn.close_calls import Close, Limits, close_calls
from multiturn.directed_rounding import up
from multiturn.region_scoring.screened import Bound
from multiturn.structs import Struct, array_of, fields

_RARE = 16  # of so many scores one may be a close call: if there are more, all are close


class _Shares(Struct):
    _fields_ = fields("tables reaches shares most more times", "columns sessions candidates", ctypes.c_int64) + fields(
        "", "additive_error", ctypes.c_float
    )


class _Limits(Struct):
    _fields_ = fields("low high floor", "width", ctypes.c_int64)


def find_close(
    library: ctypes.CDLL,
    tables: Sequence[Float32[Tensor, "session candidate"]],
    bounds: Sequence[Bound],
    shares: Float32[Tensor, "column session"],
    additive_error: float,
    first: int,
    last: int,
    limits: Limits,
) -> tuple[Int[Tensor, " session"], Close] | None:
    """See `multiturn.scoring.ScreenedScores.close`; scores are sums of shares of similarities.

    Args:
        library: of `multiturn.region_scoring.kernel`.
        tables: similarities of some state vectors.
        bounds: on their errors.
        shares: of each of them in a session's score.
        additive_error: a bound on all other errors.
        first, last: candidates [first, last).
        limits: what scores are compared with.
    """
    sessions, candidates = tables[0].shape
    times = 1.0001 * shares.double() * torch.tensor([bound.times for bound in bounds])[:, None]
    most, more = (torch.stack([getattr(bound, name) for bound in bounds]) for name in ("most", "more"))
    most, more, times = up(torch.stack([most, more, times]))
    told = _Shares(
        tables=array_of(list(tables)),
        reaches=array_of([bound.reach for bound in bounds]),
        shares=shares,
        most=most,
        more=more,
        times=times,
        columns=len(tables),
        sessions=sessions,
        candidates=candidates,
        additive_error=additive_error,
    )
    compared = _Limits(low=limits.low, high=limits.high, floor=limits.floor, width=limits.width)

    def some(begin: int, end: int, found: Sequence[ctypes.c_void_p], room: int) -> int:
        numbers = (ctypes.c_int64(number) for number in (first, last, begin, end, room))
        return library.find_close(ctypes.byref(told), ctypes.byref(compared), *numbers, *found)

    products, most = 100 * len(tables) * sessions * (last - first), (last - first) // _RARE
    return close_calls(some, sessions, candidates, sessions, products, most)
