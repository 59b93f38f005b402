"""Which scores are too close to call: what compiled screens are asked, and what they find."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int, UInt8
from torch import Tensor

from multiturn.compiled import at, in_threads

_LEAST = 1024  # close calls that there is always room for


@dataclass(frozen=True)
class Limits:
    """What a session's scores are compared with, less the scores' offset; all rounded to the safe side.

    Attributes:
        low: a score below is surely beaten by the watched candidate's.
        high: a score above surely beats it.
        floor: of those that may be among the best.
        width: how many of the best are wanted; a candidate that surely lies below as many others need not be named.
    """

    low: Float32[Tensor, " session"]
    high: Float32[Tensor, " session"]
    floor: Float32[Tensor, " session"]
    width: int = 1


@dataclass(frozen=True)
class Close:
    """Pairs of a session and a candidate whose scores are too close to call, by session, then by candidate.

    Attributes:
        session: of each pair.
        candidate: its position.
        watched: whether it is too close to the watched one.
        best: whether it may be among the best.
    """

    session: Int[Tensor, " pair"]
    candidate: Int[Tensor, " pair"]
    watched: Bool[Tensor, " pair"]
    best: Bool[Tensor, " pair"]


@dataclass(frozen=True)
class _Calls:
    """What one call of a screen has found, in tables with room for it, from some item on."""

    first: int
    above: Int[Tensor, " session"]
    session: Int[Tensor, " pair"]
    candidate: Int[Tensor, " pair"]
    kinds: UInt8[Tensor, " pair"]


def close_calls(
    screen: Callable[[int, int, Sequence[ctypes.c_void_p], int], int],
    sessions: int,
    candidates: int,
    items: int,
    products: int,
    most: int,
) -> tuple[Int[Tensor, " session"], Close] | None:
    """How many candidates surely beat each session's watched one, and the close calls, found by several threads.

    Args:
        screen: called with a range of items, C pointers to four tables, and how many close calls these have room for;
            returns how many there are. The first table has how many candidates beat each session's watched one; the
            others have of each close call the session, the candidate, and 1 if it is with the watched, 2 if it is
            with the best, 3 if with both.
        sessions: of a batch.
        candidates: in the gallery.
        items: of which ranges are made.
        products: how much work it is, see `in_threads`.
        most: close calls of a session, on average: beyond that, scores are better computed in a block.
    Returns:
        None where there are so many close calls that a block is faster.
    """
    found: list[_Calls] = []
    overfull: list[bool] = []

    def some(first: int, last: int) -> None:
        room = max(_LEAST, sessions * most * (last - first) // items)
        session, candidate = torch.empty(2, room, dtype=torch.int64)
        above, kinds = torch.zeros(sessions, dtype=torch.int64), torch.empty(room, dtype=torch.uint8)
        tables = [at(one) for one in (above, session, candidate, kinds)]
        count = screen(first, last, tables, room)
        found.append(_Calls(first, above, session[:count], candidate[:count], kinds[:count]))
        overfull.append(count > room)

    in_threads(some, items, products)
    if any(overfull):
        return None
    found.sort(key=lambda calls: calls.first)
    session, candidate, kinds = (
        torch.cat([getattr(calls, name) for calls in found]) for name in ("session", "candidate", "kinds")
    )
    places = session * candidates + candidate
    if not bool((places[1:] > places[:-1]).all()):
        order = places.argsort()
        session, candidate, kinds = session[order], candidate[order], kinds[order]
    close = Close(session, candidate, (kinds & 1) != 0, (kinds & 2) != 0)
    return torch.stack([calls.above for calls in found]).sum(0), close
