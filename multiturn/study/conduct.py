"""A live study: what a participant may do at each step, each act durable and done once; how it looks is not here."""

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from multiturn.study.clock import Clock
from multiturn.study.desk import Desk, OtherPages
from multiturn.study.facts import settled
from multiturn.study.forms import place_of, words
from multiturn.study.progress import Event, Page, Phase, Progress, fold, take, time_is_over
from multiturn.study.protocol import StudyProtocol
from multiturn.study.questionnaires import QUESTIONNAIRES
from multiturn.study.schedule import plan
from multiturn.study.store import Participant, Stale, Store
from multiturn.study.systems import System
from multiturn.study.tokens import code_of, is_signed, kept, new_secret, signed, token_for
from multiturn.task import ReplyForm

Fields = Mapping[str, str]
BROKEN = (
    "This search cannot go on at the moment. Please tell the people who run the study; nothing of what you did is lost."
)


class Study:
    """A study that people take part in. Many threads may use it at once.

    Args:
        protocol: what is done.
        systems: by name.
        store: where it is kept; a study that was begun there goes on.
        clock: of the study; goes on from the last moment stored if not given.
    Raises:
        ValueError: protocol, systems and database do not go together; see `multiturn.study.facts.settled`.
    """

    def __init__(
        self, protocol: StudyProtocol, systems: Mapping[str, System], store: Store, clock: Clock | None = None
    ) -> None:
        protocol.check_trials()
        self.protocol, self.systems, self.store = protocol, dict(systems), store
        self.facts = settled(protocol, systems, store)
        self.clock = clock or Clock(store.latest())
        self._desk = Desk(protocol, self.systems)
        self._locks: dict[str, threading.RLock] = {}
        self._cached: dict[str, Progress] = {}
        self._version, self._lock = store.version(), threading.Lock()

    def keep_time(self) -> None:
        """Store what the clock shows; whoever serves the study does so every second, and at the end."""
        self.store.keep_time(self.clock.now())

    def nonce(self) -> tuple[str, str]:
        """What a consent page carries, so that agreeing twice on one page makes one participant; and its signature."""
        nonce = new_secret()
        return nonce, self.signature("nonce", nonce)

    def signature(self, what: str, text: str) -> str:
        """A text that only this study could have made; see `multiturn.study.tokens.signed`."""
        return signed(self.facts["secret"], what, text)

    def is_signature(self, what: str, text: str, signature: str) -> bool:
        """Whether this study made a signature."""
        return is_signed(self.facts["secret"], what, text, signature)

    def agree(self, nonce: str, signature: str, version: str) -> str:
        """Take somebody in who agreed, and return their token.

        Args:
            nonce: of the page on which they agreed.
            signature: likewise.
            version: digest of the text on that page.
        Raises:
            Stale: no page of this study, or of a text that has changed since.
        """
        if not self.is_signature("nonce", nonce, signature) or version != self.protocol.consent_version:
            raise Stale
        token = token_for(self.facts["secret"], nonce)
        self.store.enrol(new_secret(), kept(token), kept(code_of(token)), version, self.clock.now())
        return token

    def who(self, token: str) -> Participant | None:
        """Who has a token; None for a forged one, and for that of somebody who has withdrawn."""
        return self.store.participant(kept(token))

    def progress(self, participant: Participant) -> Progress:
        """Where a participant is; a trial whose time is over is ended first."""
        with self._lock_of(participant):
            progress = self._read(participant)
            if time_is_over(self.protocol, progress, self.clock.now()):
                return self._append(participant, progress, "time", {})
            return progress

    def form(self, progress: Progress) -> ReplyForm:
        """How the page of a search is answered."""
        return self.systems[progress.trial.planned.system].task.form()

    def image(self, participant: Participant, step: int, place: str) -> str:
        """The id of an image on the page that a participant is on: 'target', or a place of the page.

        Raises:
            Stale: the participant is elsewhere by now, or the page does not show such an image.
            ValueError: there is no such place.
        """
        progress = self.progress(participant)
        if progress.step != step or progress.phase not in ("target", "search"):
            raise Stale
        if place == "target":
            if progress.phase == "search" and self.protocol.target == "hidden":
                raise Stale
            return (progress.coming if progress.phase == "target" else progress.trial.planned).target
        if progress.phase == "target":
            raise Stale
        shown = progress.trial.turns[-1].page.shown
        return shown[place_of(place, len(shown)) - 1]

    def begin(self, participant: Participant, step: int) -> None:
        """Go on from the instructions, with the lowest number that nobody has who began."""
        self._act(participant, step, "instructions", "begin", lambda progress: {})

    def start(self, participant: Participant, step: int) -> None:
        """Begin the search of the target that was shown."""

        def opened(progress: Progress) -> dict[str, Any]:
            return _body(self._desk.open(participant.number, progress.coming))

        self._act(participant, step, "target", "start", opened)

    def reply(self, participant: Participant, step: int, fields: Fields) -> None:
        """Say something to the page that is shown.

        Raises:
            ValueError: it cannot be understood; the message is for the participant.
        """

        def answered(progress: Progress) -> dict[str, Any]:
            trial = progress.trial
            if len(trial.turns) > self.protocol.turns:
                raise Stale
            shown = trial.turns[-1].page.shown
            said = words(self.form(progress), fields, shown)
            about = place_of(fields["about"], len(shown)) - 1 if "about" in fields else 0
            reply, page = self._desk.tell(participant.number, trial, said, about)
            ids = self.systems[trial.planned.system].gallery.ids
            return {"text": said, "reply": reply.rows(ids)[0], **_body(page)}

        self._act(participant, step, "search", "reply", answered)

    def undo(self, participant: Participant, step: int) -> None:
        """Take the last reply of the trial back."""

        def taken_back(progress: Progress) -> dict[str, Any]:
            if len(progress.trial.turns) < 2:
                raise Stale
            self._desk.undo(participant.number, progress.trial)
            return {}

        self._act(participant, step, "search", "undo", taken_back)

    def claim(self, participant: Participant, step: int, fields: Fields) -> None:
        """Say that an image of the page is the target.

        Raises:
            ValueError: there is no such place.
        """

        def claimed(progress: Progress) -> dict[str, Any]:
            shown = progress.trial.turns[-1].page.shown
            return {"id": shown[place_of(fields.get("place", ""), len(shown)) - 1]}

        self._act(participant, step, "search", "claim", claimed)

    def give_up(self, participant: Participant, step: int) -> None:
        """End the trial without having found the target."""
        self._act(participant, step, "search", "give_up", lambda progress: {})

    def answer(self, participant: Participant, step: int, fields: Fields) -> None:
        """Fill in the questionnaire that is shown.

        Raises:
            ValueError: an item is not answered.
        """

        def filled(progress: Progress) -> dict[str, Any]:
            assert progress.questionnaire is not None
            block, name = progress.questionnaire
            return {"block": block, "name": name, "values": QUESTIONNAIRES[name].read(fields)}

        self._act(participant, step, "questionnaire", "answers", filled)

    def _act(
        self,
        participant: Participant,
        step: int,
        phase: Phase,
        kind: str,
        body: Callable[[Progress], dict[str, Any]],
    ) -> None:
        """Do something that the page of a step offers, and store it.

        Raises:
            Stale: the participant is elsewhere by now; nothing is done.
            ValueError: it cannot be done; the message is for the participant.
        """
        with self._lock_of(participant):
            progress = self.progress(participant)
            if progress.step != step or progress.phase != phase:
                raise Stale
            try:
                made = body(progress)
            except OtherPages as reason:
                print(f"error: {reason}", file=sys.stderr, flush=True)
                raise ValueError(BROKEN) from reason
            except BaseException:
                # The session may have taken what was refused.
                self._desk.forget(participant.number)
                raise
            self._append(participant, progress, kind, made)

    def _append(self, participant: Participant, progress: Progress, kind: str, body: dict[str, Any]) -> Progress:
        event = Event(progress.step, self.clock.now(), kind, body)
        try:
            self.store.append(participant.id, event)
        except BaseException:
            self._cached.pop(participant.id, None)
            self._desk.forget(participant.number)
            raise
        if kind == "begin":
            # Their number, and with it their plan, may be another one now.
            self._cached.pop(participant.id, None)
            return self._read(participant)
        after = progress.copy()
        take(self.protocol, after, event)
        self._cached[participant.id] = after
        return after

    def _read(self, participant: Participant) -> Progress:
        with self._lock:
            if (version := self.store.version()) != self._version:
                # Somebody was withdrawn by another program, and their number may be another's now.
                self._version = version
                self._cached.clear()
                self._desk.forget_all()
        progress = self._cached.get(participant.id)
        if progress is None:
            number = self.store.number(participant)
            trials = plan(self.protocol, number, self.facts["targets"], self.facts["practice"])
            progress = fold(self.protocol, trials, self.store.events(participant.id))
            self._cached[participant.id] = progress
        return progress

    def forget(self, participant: Participant) -> None:
        """Drop what is kept in memory of somebody who has withdrawn."""
        with self._lock_of(participant):
            self._cached.pop(participant.id, None)
            self._desk.forget(participant.number)

    def _lock_of(self, participant: Participant) -> threading.RLock:
        return self._locks.setdefault(participant.id, threading.RLock())


def _body(page: Page) -> dict[str, Any]:
    return asdict(page)
