"""The machine around one retriever and one gallery: it shows candidates and is told replies.

It knows neither the user nor what the user looks for. Simulated evaluation, training, scripted and live studies
all drive this one class; they differ in who makes the reply and who reads the turn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.index import Index, search_proposed
from multiturn.ranks import Ranks
from multiturn.replies import Reply
from multiturn.scoring import Scores
from multiturn.search import Found, search

Seen = Literal["keep", "drop_from_display", "drop_from_rank"]
State = Any  # each retriever's own; a session only hands it on


@runtime_checkable
class Retriever(Protocol):
    """What finds candidates. `multiturn.contracts.check_retriever` checks one."""

    def start(self, sessions: int, gallery: Gallery) -> State:
        """The state of a batch of sessions before anything was said."""
        ...

    def update(self, state: State, reply: Reply, gallery: Gallery) -> State:
        """The state after a reply. The old one is not written to: training needs it, and so does undo."""
        ...

    def score(self, state: State, gallery: Gallery) -> Scores:
        """Scores of all candidates in a state."""
        ...


@runtime_checkable
class Display(Protocol):
    """Chooses which of the best candidates are shown."""

    def width(self, page_size: int) -> int:
        """How many of the best candidates it wants to choose from."""
        ...

    def choose(
        self,
        turn: int,
        sessions: Int[Tensor, " session"],
        positions: Int[Tensor, "session wide"],
        scores: Float64[Tensor, "session wide"],
        page_size: int,
    ) -> Int[Tensor, "session page"]:
        """Columns of `positions` to show, for each session."""
        ...


@dataclass(frozen=True)
class Nearest:
    """Shows the best candidates in order."""

    def width(self, page_size: int) -> int:
        """See `Display.width`."""
        return page_size

    def choose(
        self,
        turn: int,
        sessions: Int[Tensor, " session"],
        positions: Int[Tensor, "session wide"],
        scores: Float64[Tensor, "session wide"],
        page_size: int,
    ) -> Int[Tensor, "session page"]:
        """See `Display.choose`."""
        return torch.arange(positions.shape[1], device=positions.device).expand_as(positions)


@dataclass(frozen=True)
class Turn:
    """What a batch of sessions shows at one moment.

    Attributes:
        number: 0 before the first reply; turn t answers the t-th reply.
        sessions: the sessions' own numbers, which seed their random draws.
        shown: positions of the shown candidates, best first.
        scores: their exact scores; NaN for an opening page, which no score chose.
        reply: the reply that led here; None at turn 0.
        state: the retriever's.
        ranks: of the watched candidates; None if none are watched.
    """

    number: int
    sessions: Int[Tensor, " session"]
    shown: Int[Tensor, "session page"]
    scores: Float64[Tensor, "session page"]
    reply: Reply | None
    state: State
    ranks: Ranks | None


class Session:
    """A batch of sessions with one retriever over one gallery; a live user is a batch of one.

    Args:
        retriever: finds candidates.
        gallery: to search, on the device where the work is to be done.
        sessions: number of each session, which seeds its random draws.
        page_size: candidates shown a turn.
        display: which of the best candidates to show.
        seen: what becomes of candidates that were shown before: `keep` them, `drop_from_display`, or
            `drop_from_rank` as well.
        opening: the page of turn 0, perhaps narrower than later ones; if None it is chosen by the retriever's scores
            before any reply.
        watched: positions whose ranks each turn reports. They never influence what is shown: a study and an
            evaluation watch the target, a live search watches nothing.
        index: proposes the candidates of the pages, whose scores and order are exact; ranks come from an exact search
            whether there is an index or not.
    Raises:
        ValueError: a page wants more candidates than the gallery has; no such `seen`; sessions, an opening or watched
            positions that do not fit each other or the gallery; and, of `show` and `tell`, scores of a retriever that
            are not of these sessions and all candidates.
    """

    def __init__(
        self,
        retriever: Retriever,
        gallery: Gallery,
        sessions: Int[Tensor, " session"],
        page_size: int = 1,
        display: Display | None = None,
        seen: Seen = "keep",
        opening: Int[Tensor, "session opening"] | None = None,
        watched: Int[Tensor, " session"] | None = None,
        index: Index | None = None,
    ) -> None:
        if not 1 <= page_size <= len(gallery):
            raise ValueError(f"page_size is 1..{len(gallery)} in this gallery, not {page_size}")
        if seen not in get_args(Seen):
            raise ValueError(f"seen is one of {', '.join(get_args(Seen))}, not {seen!r}")
        _check_sessions(sessions, watched)
        if opening is not None:
            _check_opening(opening, len(sessions), len(gallery), seen)
        self.retriever, self.gallery, self.page_size = retriever, gallery, page_size
        self.display: Display = display or Nearest()
        self.seen: Seen = seen
        self.index = index
        self._sessions = sessions.to(gallery.vectors.device)
        self._opening = opening
        self._watched = None if watched is None else watched.to(self._sessions.device)
        self._turns: list[Turn] = []

    def show(self) -> Turn:
        """The current turn; the first call opens the sessions."""
        if not self._turns:
            state = self.retriever.start(len(self._sessions), self.gallery)
            self._turns.append(self._look(0, state, None))
        return self._turns[-1]

    def tell(self, reply: Reply) -> Turn:
        """Take the users' replies to the current turn and go on to the next."""
        now = self.show()
        state = self.retriever.update(now.state, reply.to(self._sessions.device), self.gallery)
        self._turns.append(self._look(now.number + 1, state, reply))
        return self._turns[-1]

    def replay(self, replies: Iterable[Reply]) -> Turn:
        """Tell replies that were recorded, and return the turn to go on from.

        A session that was interrupted goes on so: a new one, made with the same arguments, is told what the old one
        was told (see `multiturn.transcript.recorded_replies`) and shows the same pages.

        Raises:
            ValueError: something has been said already, which recorded replies do not follow.
        """
        if len(self._turns) > 1:
            raise ValueError(f"this session has had {len(self._turns) - 1} replies; replay into a new one")
        for reply in replies:
            self.tell(reply)
        return self.show()

    def undo(self) -> Turn:
        """Take the last reply back.

        Raises:
            ValueError: nothing has been said yet.
        """
        if len(self._turns) < 2:
            raise ValueError("there is no reply to take back")
        self._turns.pop()
        return self._turns[-1]

    @torch.no_grad()
    def _look(self, number: int, state: State, reply: Reply | None) -> Turn:
        if number == 0 and self._opening is not None and self._watched is None:
            return self._open(state, None)
        hidden = None
        if self.seen != "keep" and self._turns:
            hidden = torch.cat([turn.shown for turn in self._turns], 1)
        scores = self.retriever.score(state, self.gallery)
        _check_scores(scores, len(self._sessions), len(self.gallery))
        found = self._find(scores, hidden)
        if number == 0 and self._opening is not None:
            return self._open(state, found.ranks)
        columns = self.display.choose(number, self._sessions, found.positions, found.scores, self.page_size)
        shown, scores = found.positions.gather(1, columns), found.scores.gather(1, columns)
        return Turn(number, self._sessions, shown, scores, reply, state, found.ranks)

    def _find(self, scores: Scores, hidden: Int[Tensor, "session hidden"] | None) -> Found:
        page, drop = self.display.width(self.page_size), "rank" if self.seen == "drop_from_rank" else "display"
        if self.index is None:
            return search(scores, page, self._watched, hidden, drop)
        found = search_proposed(scores, self.index, page, hidden).found
        if self._watched is None:
            return found
        return replace(found, ranks=search(scores, 1, self._watched, hidden, drop).ranks)

    def _open(self, state: State, ranks: Ranks | None) -> Turn:
        """Turn 0 with the page that was given for it."""
        assert self._opening is not None
        shown = self._opening.to(self._sessions.device)
        scores = torch.full(shown.shape, torch.nan, dtype=torch.float64, device=shown.device)
        return Turn(0, self._sessions, shown, scores, None, state, ranks)


def _check_sessions(sessions: Int[Tensor, " session"], watched: Int[Tensor, " session"] | None) -> None:
    if not isinstance(sessions, Tensor) or sessions.ndim != 1 or sessions.is_floating_point():
        raise ValueError(
            f"sessions are whole numbers in a tensor, one a session, as torch.tensor([0]); not {sessions!r:.60}"
        )
    if watched is not None and watched.shape != sessions.shape:
        raise ValueError(
            f"watched has the shape {tuple(watched.shape)} for {len(sessions)} sessions; give one position a session"
        )


def _check_opening(opening: Int[Tensor, "session opening"], sessions: int, candidates: int, seen: Seen) -> None:
    if opening.ndim != 2 or len(opening) != sessions:
        raise ValueError(
            f"an opening page of shape {tuple(opening.shape)} for {sessions} sessions; give a row of positions each"
        )
    if not bool(((opening >= 0) & (opening < candidates)).all()):
        raise ValueError(f"an opening page holds positions 0..{candidates - 1}, not {opening.tolist()}")
    ordered = opening.sort(1).values
    twice = ordered[:, 1:] == ordered[:, :-1]
    # Those of a page are taken from the ranks one by one, and one that counts twice would lower them too far.
    if seen != "keep" and bool(twice.any()):
        raise ValueError(
            f"an opening page holds candidate {int(ordered[:, 1:][twice][0])} twice, and what was shown is to be "
            "dropped; give each candidate once, or set seen to keep"
        )


def _check_scores(scores: Any, sessions: int, candidates: int) -> None:
    # Asking for the whole protocol would compute the slack, which a page by an index has no use for.
    if isinstance(scores, Tensor):
        raise ValueError(
            f"`score` returned a table of shape {tuple(scores.shape)}; wrap it, as multiturn.scoring.DenseScores(table)"
        )
    if tuple(scores.shape) != (sessions, candidates):
        raise ValueError(
            f"`score` returned scores of shape {tuple(scores.shape)} for {sessions} sessions and {candidates} "
            "candidates; score the whole gallery for each session"
        )


@runtime_checkable
class User(Protocol):
    """Somebody who has a target in mind and answers what is shown. `check_user` checks one."""

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> Reply:
        """What the users say to a turn, given their targets' positions in the gallery."""
        ...


def play(session: Session, user: User, target: Int[Tensor, " session"], turns: int) -> Iterator[Turn]:
    """Let a user talk with a session, and yield turn 0 and each turn after it.

    Args:
        target: position in the gallery of what each user has in mind.
        turns: replies given.
    Raises:
        ValueError: turns < 1.
    """
    if turns < 1:
        raise ValueError(f"turns must be at least 1, not {turns}; set evaluation.turns, gru.turns or loss.turns")
    turn = session.show()
    yield turn
    for _ in range(turns):
        turn = session.tell(user.reply(turn, target))
        yield turn
