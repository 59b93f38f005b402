"""The searches that are going on, each a Session of one; rebuilt from what was stored, whoever asks for them."""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import torch

from multiturn.replies import Reply, reply_from_rows
from multiturn.session import Session, Turn
from multiturn.study.facts import opens_with_a_page
from multiturn.study.progress import Page, Trial
from multiturn.study.protocol import StudyProtocol
from multiturn.study.schedule import Planned
from multiturn.study.systems import System

LIVE = 512  # sessions kept in memory; others are rebuilt when they go on


class OtherPages(Exception):
    """A system no longer shows what it showed. The message names it: it is for who runs the study alone."""


class Desk:
    """Opens sessions, tells them replies and takes replies back.

    The models are asked by one thread at a time. A session that is not in memory, after a crash or because others came
    in between, is made anew and told what was stored.

    Args:
        protocol: of the study.
        systems: by name.
    """

    def __init__(self, protocol: StudyProtocol, systems: Mapping[str, System]) -> None:
        self._protocol, self._systems = protocol, systems
        self._sessions: OrderedDict[tuple[int, int], Session] = OrderedDict()
        self._lock = threading.Lock()

    def open(self, number: int, planned: Planned) -> Page:
        """Begin a trial of a participant, and return its opening page."""
        with self._lock:
            session = self._new(number, planned)
            page = self._page(planned, session.show())
            self._keep(number, planned, session)
        return page

    def tell(self, number: int, trial: Trial, words: str, about: int) -> tuple[Reply, Page]:
        """Say something to the page of a trial's last turn.

        Args:
            number: of the participant.
            trial: as it was stored.
            words: see `multiturn.study.forms.words`.
            about: place on the page, from 0, of the candidate that a comparison speaks of.
        Returns:
            the reply, and the page that answers it.
        Raises:
            ValueError: the task cannot understand it.
            OtherPages: the session had to be rebuilt, and does not show what was stored.
        """
        with self._lock:
            session = self._session(number, trial)
            now = session.show()
            aside = now if about == 0 else replace(now, shown=now.shown[:, [about]], scores=now.scores[:, [about]])
            reply = self._systems[trial.planned.system].task.read_reply(words, aside)
            return reply, self._page(trial.planned, session.tell(reply))

    def undo(self, number: int, trial: Trial) -> None:
        """Take the last reply of a trial back."""
        with self._lock:
            self._session(number, trial).undo()

    def forget(self, number: int) -> None:
        """Drop a participant's sessions from memory: what they hold may not be what is stored."""
        with self._lock:
            for key in [key for key in self._sessions if key[0] == number]:
                del self._sessions[key]

    def forget_all(self) -> None:
        """Drop all sessions from memory."""
        with self._lock:
            self._sessions.clear()

    def _session(self, number: int, trial: Trial) -> Session:
        """The session of a trial: of this process, or else rebuilt.

        Raises:
            OtherPages: rebuilt, it does not show what was stored.
        """
        session = self._sessions.get((number, trial.planned.place))
        if session is None:
            session = self._new(number, trial.planned)
            ids = {name: place for place, name in enumerate(session.gallery.ids)}
            turn = session.replay([reply_from_rows([told.reply], ids) for told in trial.turns if told.reply])
            if self._page(trial.planned, turn).shown != list(trial.turns[-1].page.shown):
                raise OtherPages(
                    f"{trial.planned.system} no longer shows what it showed; serve the study with the checkpoint and "
                    "the versions that it was begun with"
                )
        self._keep(number, trial.planned, session)
        return session

    def _new(self, number: int, planned: Planned) -> Session:
        system = self._systems[planned.system]
        target = system.gallery.positions([planned.target])
        session = torch.tensor([1000 * number + planned.place])
        opening = self._opening(number, planned, system)
        return system.session(session, self._protocol.page_size, self._protocol.seen, opening, target)

    def _opening(self, number: int, planned: Planned, system: System) -> torch.Tensor:
        """Candidates drawn for this participant and trial, never the target; none where words need no page."""
        if not opens_with_a_page(system):
            return torch.zeros(1, 0, dtype=torch.long)
        draws = Random(f"{self._protocol.seed} {number} {planned.place}")
        others = [place for place, name in enumerate(system.gallery.ids) if name != planned.target]
        return torch.tensor([draws.sample(others, min(self._protocol.page_size, len(others)))])

    def _keep(self, number: int, planned: Planned, session: Session) -> None:
        self._sessions[number, planned.place] = session
        self._sessions.move_to_end((number, planned.place))
        while len(self._sessions) > LIVE:
            self._sessions.popitem(last=False)

    def _page(self, planned: Planned, turn: Turn) -> Page:
        assert turn.ranks is not None
        gallery = self._systems[planned.system].gallery
        return Page(
            [gallery.ids[place] for place in turn.shown[0].tolist()],
            [None if math.isnan(score) else score for score in turn.scores[0].tolist()],
            (int(turn.ranks.best[0]), int(turn.ranks.worst[0])),
        )
