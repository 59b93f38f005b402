"""The machine around one retriever and one gallery: it shows candidates and is told replies.

It knows neither the user nor what the user looks for. Simulated evaluation, training, scripted and live studies
all drive this one class; they differ in who makes the reply and who reads the turn.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, runtime_checkable

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
        opening: the page of turn 0; if None it is chosen by the retriever's scores before any reply.
        watched: positions whose ranks each turn reports. They never influence what is shown: a study and an
            evaluation watch the target, a live search watches nothing.
        index: proposes the candidates of the pages, whose scores and order are exact; ranks come from an exact search
            whether there is an index or not.
    Raises:
        ValueError: a page wants more candidates than the gallery has.
    """

    def __init__(
        self,
        retriever: Retriever,
        gallery: Gallery,
        sessions: Int[Tensor, " session"],
        page_size: int = 1,
        display: Display | None = None,
        seen: Seen = "keep",
        opening: Int[Tensor, "session page"] | None = None,
        watched: Int[Tensor, " session"] | None = None,
        index: Index | None = None,
    ) -> None:
        if not 1 <= page_size <= len(gallery):
            raise ValueError(f"page_size is 1..{len(gallery)} in this gallery, not {page_size}")
        self.retriever, self.gallery, self.page_size = retriever, gallery, page_size
        self.display: Display = display or Nearest()
        self.seen: Seen = seen
        self.index = index
        self._sessions = sessions.to(gallery.vectors.device)
        if opening is not None and not bool(((opening >= 0) & (opening < len(gallery))).all()):
            raise ValueError(f"an opening page holds positions 0..{len(gallery) - 1}, not {opening.tolist()}")
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
        found = self._find(self.retriever.score(state, self.gallery), hidden)
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
        raise ValueError(f"turns must be at least 1, not {turns}; set evaluation.turns or training.turns")
    turn = session.show()
    yield turn
    for _ in range(turns):
        turn = session.tell(user.reply(turn, target))
        yield turn
