"""Exact search over `Scores`: the best candidates in display order and the targets' ranks, in one pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.close_calls import Close, Limits
from multiturn.passes import Best, Counter
from multiturn.ranks import Ranks
from multiturn.scoring import Scores, ScreenedScores
from multiturn.vector_screen.quantised import GROUP

Drop = Literal["display", "rank"]
_GROWTH, _WIDEST = 4, 16  # from block to block where they are not written down, and of those that are
_FIRST = 16  # times narrower, at most, is the block that is written down before them


@dataclass(frozen=True)
class Found:
    """What a search returns.

    Attributes:
        positions: candidates in display order: score descending, then position ascending.
        scores: their exact scores.
        ranks: of the watched candidates, if any were watched.
    """

    positions: Int[Tensor, "session page"]
    scores: Float64[Tensor, "session page"]
    ranks: Ranks | None


def search(
    scores: Scores,
    page: int,
    watched: Int[Tensor, " session"] | None = None,
    hidden: Int[Tensor, "session hidden"] | None = None,
    drop: Drop = "display",
    block: int | None = None,
) -> Found:
    """Find the best `page` candidates of each session and, in the same pass, the ranks of watched ones.

    Both are exact: they follow the scores in float64, computed for the few pairs that lie within the blocks' error
    bound of a decision. Nothing depends on `block`, on the batch or on the device.

    Args:
        scores: of one batch of sessions.
        page: candidates to return; fewer come back if the gallery is smaller.
        watched: position whose rank is wanted, one a session. It has no influence on the page.
        hidden: positions to leave out, each at most once a session; -1 fills up.
        drop: leave `hidden` out of the page only, or out of the ranking too. A watched candidate that is itself
            dropped from the ranking gets the last rank: it was shown, overlooked, and is missed from then on.
        block: candidates whose scores are written down at once; chosen for the device if not given.
    Raises:
        ValueError: page < 1, a watched position outside the gallery, a score that is not finite.
    """
    candidates = scores.shape[1]
    if page < 1:
        raise ValueError(f"a page holds at least one candidate, not {page}")
    block = block or (1 << 13 if scores.device.type == "cpu" else 1 << 17)
    spare = 0 if hidden is None else hidden.shape[1]
    best = Best(scores, min(page + spare, candidates))
    # In this order: what is screened knows more of its rounding.
    screened = scores if isinstance(scores, ScreenedScores) and scores.screened else None
    counter = None if watched is None else Counter(scores, watched)
    begun = screened is not None and not screened.needs_floor
    for first, last in pairwise(_borders(candidates, block, best.width, screened is not None, begun)):
        close = _screened(screened, counter, best, first, last) if screened and (first or begun) else None
        for some in _in_blocks(scores, counter, best, first, last, block) if close is None else (close,):
            if len(some.session) == 0:
                continue
            exact = (counter or scores).exact(some.session, some.candidate)
            if counter is not None:
                counter.settle(some.session, exact, some.watched)
            best.merge(some.session[some.best], some.candidate[some.best], exact[some.best])
    ranks = None if counter is None else counter.ranks(hidden if drop == "rank" else None)
    positions, values = _without(hidden, best.positions, best.scores, min(page, candidates))
    return Found(positions, values, ranks)


def _borders(candidates: int, block: int, page: int, screened: bool, begun: bool) -> list[int]:
    """Between blocks. Where none are written down, caches do not limit them.

    A block that has to be written down first is small, but holds more than a page, and those after it grow: what is
    known of the best of some candidates is enough to look at few of four times as many.
    """
    widest = width = _WIDEST * block if screened else block
    if screened and not begun:
        width = min(block, max(block // _FIRST, _GROWTH * page))
        width = max(GROUP, width // GROUP * GROUP)
    borders = [0]
    while borders[-1] < candidates:
        borders.append(min(borders[-1] + width, candidates))
        width = min(_GROWTH * width, widest)
    return borders


def _screened(scores: ScreenedScores, counter: Counter | None, best: Best, first: int, last: int) -> Close | None:
    """Count what surely beats the watched candidates, and find what is too close to call, without a block."""
    if first % GROUP:
        return None
    slack, dtype = scores.screen_slack, torch.float32
    floor = best.floor(slack, dtype)
    low = high = torch.full_like(floor, torch.inf)
    if counter is not None:
        low, high = counter.limits(slack, dtype)
    screened = scores.close(first, last, Limits(low, high, floor, best.width))
    if screened is None or counter is None:
        return None if screened is None else screened[1]
    return counter.count_screened(*screened)


def _in_blocks(
    scores: Scores, counter: Counter | None, best: Best, first: int, last: int, block: int
) -> Iterator[Close]:
    """The same, from blocks of scores; each with what was merged of those before it."""
    for one in range(first, last, block):
        yield _in_block(scores, counter, best, one, scores.block(one, min(one + block, last)))


def _in_block(
    scores: Scores, counter: Counter | None, best: Best, first: int, part: Float[Tensor, "session block"]
) -> Close:
    """What lies too close to call in one of them."""
    if not bool(torch.isfinite(part.sum())) and not bool(torch.isfinite(part).all()):
        raise ValueError(f"a score among candidates {first}..{first + part.shape[1] - 1} is not finite")
    if first == 0:
        best.expect(part)
    wanted = part > best.floor(scores.slack, part.dtype)[:, None]
    unsure = None if counter is None else counter.count(part, first)
    session, column = (wanted if unsure is None else wanted | unsure).nonzero(as_tuple=True)
    best_ones = wanted[session, column]
    return Close(session, column + first, ~best_ones if unsure is None else unsure[session, column], best_ones)


def _without(
    hidden: Int[Tensor, "session hidden"] | None,
    positions: Int[Tensor, "session wide"],
    scores: Float64[Tensor, "session wide"],
    page: int,
) -> tuple[Int[Tensor, "session page"], Float64[Tensor, "session page"]]:
    if hidden is None:
        return positions, scores
    gone = (positions[:, :, None] == hidden[:, None, :]).any(2)
    remaining = int((~gone).sum(1).min())
    if remaining < page:
        raise ValueError(
            f"only {remaining} candidates are left to show, a page wants {page}; play fewer turns or show fewer"
        )
    order = gone.to(torch.int8).argsort(dim=1, stable=True)[:, :page]
    return positions.gather(1, order), scores.gather(1, order)
