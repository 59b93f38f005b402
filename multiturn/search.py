"""Exact search over `Scores`: the best candidates in display order and the targets' ranks, in one pass."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from multiturn.ranks import Ranks, check_targets
from multiturn.scoring import FinerScores, Scores

Drop = Literal["display", "rank"]


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
        block: candidates at once; chosen for the device if not given.
    Raises:
        ValueError: page < 1, a watched position outside the gallery, a score that is not finite.
    """
    candidates = scores.shape[1]
    if page < 1:
        raise ValueError(f"a page holds at least one candidate, not {page}")
    block = block or (1 << 13 if scores.device.type == "cpu" else 1 << 17)
    spare = 0 if hidden is None else hidden.shape[1]
    top = scores.block(0, min(block, candidates))
    best = _Best(scores, min(page + spare, candidates), top)
    counter = None if watched is None else _Counter(scores, watched)
    for first in range(0, candidates, block):
        part = scores.block(first, min(first + block, candidates)) if first else top
        if not bool(torch.isfinite(part.sum())) and not bool(torch.isfinite(part).all()):
            raise ValueError(f"a score among candidates {first}..{first + part.shape[1] - 1} is not finite")
        wanted = part > best.floor[:, None]
        unsure = None if counter is None else counter.count(part, first)
        session, column = (wanted if unsure is None else wanted | unsure).nonzero(as_tuple=True)
        if counter is not None and unsure is not None and isinstance(scores, FinerScores):
            left = counter.narrow(scores, session, column, part, first, wanted, unsure)
            session, column = session[left], column[left]
        if len(session) == 0:
            continue
        exact = scores.exact(session, column + first)
        if counter is not None and unsure is not None:
            counter.settle(session, exact, unsure[session, column])
        inside = wanted[session, column]
        best.merge(session[inside], column[inside] + first, exact[inside])
    ranks = None if counter is None else counter.ranks(hidden if drop == "rank" else None)
    positions, values = _without(hidden, best.positions, best.scores, min(page, candidates))
    return Found(positions, values, ranks)


class _Best:
    """The best candidates met so far, exact and in display order."""

    def __init__(self, scores: Scores, width: int, top: Float[Tensor, "session block"]) -> None:
        sessions = scores.shape[0]
        self._offset, self._slack = scores.offset, scores.slack
        self.scores = torch.full((sessions, width), -torch.inf, dtype=torch.float64, device=scores.device)
        self.positions = torch.full((sessions, width), -1, device=scores.device)
        # A first guess at the width-th best score: a floor that few candidates pass. The guess holds no entries,
        # so that entries come in the order of their positions, which settles ties.
        enough = top.shape[1] >= width
        worst = top.topk(width).values[:, -1].double() + self._offset - self._slack if enough else -torch.inf
        self._guess = torch.zeros_like(self._offset) + worst
        self._set_floor(top.dtype)

    def merge(
        self,
        session: Int[Tensor, " pair"],
        position: Int[Tensor, " pair"],
        exact: Float64[Tensor, " pair"],
    ) -> None:
        """Take in pairs sorted by session, then by position, all positions beyond those seen before."""
        if len(session) == 0:
            return
        counts = torch.bincount(session, minlength=len(self.scores))
        place = torch.arange(len(session), device=session.device) - (counts.cumsum(0) - counts)[session]
        shape = (len(self.scores), int(counts.max()))
        new_scores = torch.full(shape, -torch.inf, dtype=torch.float64, device=session.device)
        new_positions = torch.full(shape, -1, device=session.device)
        new_scores[session, place], new_positions[session, place] = exact, position
        both = torch.cat([self.scores, new_scores], 1)
        # Stable, and the older entries have the smaller positions: ties keep the order of positions.
        values, order = both.sort(dim=1, descending=True, stable=True)
        width = self.scores.shape[1]
        self.scores = values[:, :width]
        self.positions = torch.cat([self.positions, new_positions], 1).gather(1, order[:, :width])
        self._set_floor(self.floor.dtype)

    def _set_floor(self, dtype: torch.dtype) -> None:
        """Blocks at or below the floor cannot enter: their exact score is at most the last entry's."""
        last = self.scores[:, -1]
        strict = torch.maximum(last - self._slack - self._offset, self._guess - self._slack - self._offset)
        # Until entries reach the guess, a score equal to it must pass: one step below.
        below = torch.nextafter(_down(strict, dtype), torch.tensor(-torch.inf, dtype=dtype, device=last.device))
        self.floor = torch.where(last >= self._guess, _down(strict, dtype), below)


class _Counter:
    """Counts what beats each watched candidate."""

    def __init__(self, scores: Scores, watched: Int[Tensor, " session"]) -> None:
        check_targets(watched, scores.shape[1])
        self._scores, self._watched = scores, watched
        self.own = scores.exact(torch.arange(len(watched), device=watched.device), watched)
        self._above = torch.zeros_like(watched)
        self._equal = torch.ones_like(watched)  # itself
        self._middle = self.own - scores.offset

    def count(self, part: Float[Tensor, "session block"], first: int) -> Bool[Tensor, "session block"]:
        """Count the candidates from `first` that surely beat the watched one; return which are too close to call."""
        high = _up(self._middle + self._scores.slack, part.dtype)[:, None]
        low = _down(self._middle - self._scores.slack, part.dtype)[:, None]
        above = part > high
        self._above += above.sum(1, dtype=torch.int32)
        unsure = (part >= low).logical_xor_(above)
        column = self._watched - first
        inside = (column >= 0) & (column < part.shape[1])
        unsure[inside.nonzero()[:, 0], column[inside]] = False
        return unsure

    def narrow(
        self,
        finer: FinerScores,
        session: Int[Tensor, " pair"],
        column: Int[Tensor, " pair"],
        part: Float[Tensor, "session block"],
        first: int,
        wanted: Bool[Tensor, "session block"],
        unsure: Bool[Tensor, "session block"],
    ) -> Bool[Tensor, " pair"]:
        """Count the close ones that a bound of their own decides, and leave all others, and those wanted elsewhere."""
        reach = finer.slack_of(session, column + first)
        above = part[session, column].double() - self._middle[session]
        sure = (above.abs() > reach) & unsure[session, column] & ~wanted[session, column]
        self._above.index_add_(0, session, (sure & (above > 0)).to(self._above.dtype))
        return ~sure

    def settle(
        self, session: Int[Tensor, " pair"], exact: Float64[Tensor, " pair"], unsure: Bool[Tensor, " pair"]
    ) -> None:
        """Count the close ones by their exact scores."""
        own = self.own[session]
        self._above.index_add_(0, session, (unsure & (exact > own)).to(self._above.dtype))
        self._equal.index_add_(0, session, (unsure & (exact == own)).to(self._equal.dtype))

    def ranks(self, dropped: Int[Tensor, "session hidden"] | None) -> Ranks:
        """Ranks, after taking dropped candidates out."""
        candidates = self._scores.shape[1]
        above, equal = self._above, self._equal
        if dropped is not None:
            session, column = (dropped >= 0).nonzero(as_tuple=True)
            position = dropped[session, column]
            exact, own, itself = (
                self._scores.exact(session, position),
                self.own[session],
                self._watched[session],
            )
            other = position != itself
            above = above.index_add(0, session, -(other & (exact > own)).to(above.dtype))
            equal = equal.index_add(0, session, -(other & (exact == own)).to(equal.dtype))
            missed = (dropped == self._watched[:, None]).any(1)
            above = torch.where(missed, candidates - 1, above)
            equal = torch.where(missed, 1, equal)
        return Ranks(1 + above, above + equal, candidates)


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


def _down(values: Float64[Tensor, " session"], dtype: torch.dtype) -> Float[Tensor, " session"]:
    """Round towards minus infinity."""
    rounded = values.to(dtype)
    lower = torch.nextafter(rounded, torch.tensor(-torch.inf, dtype=dtype, device=values.device))
    return torch.where(rounded.double() > values, lower, rounded)


def _up(values: Float64[Tensor, " session"], dtype: torch.dtype) -> Float[Tensor, " session"]:
    """Round towards plus infinity."""
    return -_down(-values, dtype)
