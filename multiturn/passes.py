"""What a pass over blocks of scores keeps: the best candidates, and what beats the watched ones."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from multiturn.close_calls import Close
from multiturn.directed_rounding import down, up
from multiturn.ranks import Ranks, check_targets
from multiturn.scoring import Scores


class Best:
    """The best candidates met so far, exact and in display order.

    Args:
        scores: of all candidates.
        width: how many to keep.
    """

    def __init__(self, scores: Scores, width: int) -> None:
        sessions = scores.shape[0]
        self.width, self._offset, self._all = width, scores.offset, scores
        self.scores = torch.full((sessions, width), -torch.inf, dtype=torch.float64, device=scores.device)
        self.positions = torch.full((sessions, width), -1, device=scores.device)
        self._guess = torch.full_like(self._offset, -torch.inf)

    def expect(self, top: Float[Tensor, "session block"]) -> None:
        """Learn from the scores of some block what the width-th best is at least.

        This is a floor that few candidates pass. The guess holds no entries, so that entries come in the order of
        their positions, which settles ties.
        """
        if top.shape[1] >= self.width:
            self._guess = top.topk(self.width).values[:, -1].double() + self._offset - self._all.slack

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
        self.scores = values[:, : self.width]
        self.positions = torch.cat([self.positions, new_positions], 1).gather(1, order[:, : self.width])

    def floor(self, slack: Float64[Tensor, " session"], dtype: torch.dtype) -> Float[Tensor, " session"]:
        """What scores of a block, within `slack`, must be above to enter: others' exact score is at most the last's."""
        last = self.scores[:, -1]
        strict = torch.maximum(last, self._guess) - slack - self._offset
        # Until entries reach the guess, a score equal to it must pass: one step below.
        below = torch.nextafter(down(strict, dtype), torch.tensor(-torch.inf, dtype=dtype, device=last.device))
        return torch.where(last >= self._guess, down(strict, dtype), below)


class Counter:
    """Counts what beats each watched candidate."""

    def __init__(self, scores: Scores, watched: Int[Tensor, " session"]) -> None:
        check_targets(watched, scores.shape[1])
        self._scores, self._watched = scores, watched
        self.own = scores.exact(torch.arange(len(watched), device=watched.device), watched)
        self._above = torch.zeros_like(watched)
        self._equal = torch.ones_like(watched)  # itself
        self._middle = self.own - scores.offset

    def limits(
        self, slack: Float64[Tensor, " session"], dtype: torch.dtype
    ) -> tuple[Float[Tensor, " session"], Float[Tensor, " session"]]:
        """Between which scores, within `slack`, are too close to the watched one to call."""
        return down(self._middle - slack, dtype), up(self._middle + slack, dtype)

    def count_screened(self, above: Int[Tensor, " session"], close: Close) -> Close:
        """Count what was found to beat the watched one, which is no close call itself; return the others."""
        self._above += above
        return replace(close, watched=close.watched & (close.candidate != self._watched[close.session]))

    def count(self, part: Float[Tensor, "session block"], first: int) -> Bool[Tensor, "session block"]:
        """Count the candidates from `first` that surely beat the watched one; return which are too close to call."""
        low, high = self.limits(self._scores.slack, part.dtype)
        above = part > high[:, None]
        self._above += above.sum(1, dtype=torch.int32)
        unsure = (part >= low[:, None]).logical_xor_(above)
        column = self._watched - first
        inside = (column >= 0) & (column < part.shape[1])
        unsure[inside.nonzero()[:, 0], column[inside]] = False
        return unsure

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """Exact scores of pairs; that of a watched candidate is known."""
        scores, others = self.own[session], candidate != self._watched[session]
        if bool(others.any()):
            scores[others] = self._scores.exact(session[others], candidate[others])
        return scores

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
