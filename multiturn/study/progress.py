"""Where a participant is and what happened so far, folded from their events; nothing is stored or shown here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from multiturn.study.protocol import StudyProtocol
from multiturn.study.schedule import Planned

Phase = Literal["instructions", "target", "search", "questionnaire", "done"]
Outcome = Literal["found", "wrong", "gave up", "time"]


@dataclass(frozen=True)
class Event:
    """One thing that a participant did, as it is stored.

    Attributes:
        step: number among the participant's events, from 0, which is the consent.
        at: milliseconds of the study's clock.
        kind: consent, begin, start, reply, undo, claim, give_up, time, or answers.
        body: what goes with it.
    """

    step: int
    at: int
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """What a turn showed: ids, scores (None on an opening page), and best and worst rank of the target."""

    shown: Sequence[str]
    scores: Sequence[float | None]
    rank: tuple[int, int]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Page":
        """The page of an event."""
        return cls(body["shown"], body["scores"], (body["rank"][0], body["rank"][1]))


@dataclass(frozen=True)
class Told:
    """A turn of a trial: 0 opens it, every other answers a reply.

    Attributes:
        at: when its page was ready.
        text: what was said, in words that `Searchable.read_reply` reads; "" at turn 0.
        reply: as `Reply.rows` writes it; None at turn 0.
        page: that followed.
    """

    at: int
    text: str
    reply: Mapping[str, Any] | None
    page: Page


@dataclass
class Trial:
    """A trial as it went.

    Attributes:
        planned: system, target and place.
        started: when the search began.
        turns: those that were not taken back, turn 0 first.
        undone: those that were.
        claims: when somebody said "found it", and of which image.
        ended: when it was over; None while it is not.
        outcome: how it ended.
    """

    planned: Planned
    started: int
    turns: list[Told]
    undone: list[Told] = field(default_factory=list)
    claims: list[tuple[int, str]] = field(default_factory=list)
    ended: int | None = None
    outcome: Outcome | None = None

    @property
    def wrong_claims(self) -> int:
        """How often another image was taken for the target."""
        return sum(name != self.planned.target for _, name in self.claims)

    @property
    def missed(self) -> int:
        """Pages that showed the target and were left without its being claimed: shown and missed."""
        pages = sum(self.planned.target in told.page.shown for told in (*self.turns, *self.undone))
        return max(0, pages - (self.outcome == "found"))


@dataclass
class Progress:
    """All that is known of a participant.

    Attributes:
        plan: their trials.
        step: number of the next event.
        phase: what is to be shown.
        trials: those that were begun.
        answers: to questionnaires: block, name, and the values by item.
        questionnaire: block and name of what is to be filled in next.
        notice: what the last event calls for: 'wrong claim', or the outcome of the trial that it ended.
    """

    plan: Sequence[Planned]
    step: int = 0
    phase: Phase = "instructions"
    trials: list[Trial] = field(default_factory=list)
    answers: list[tuple[int, str, Mapping[str, Any]]] = field(default_factory=list)
    questionnaire: tuple[int, str] | None = None
    notice: str = ""

    def copy(self) -> "Progress":
        """The same, which may be taken on while this one is still read: what has ended is shared."""
        trials = list(self.trials)
        if trials:
            last = trials[-1]
            trials[-1] = replace(last, turns=[*last.turns], undone=[*last.undone], claims=[*last.claims])
        return replace(self, trials=trials, answers=[*self.answers])

    @property
    def trial(self) -> Trial:
        """The one that is going on."""
        assert self.phase == "search"
        return self.trials[-1]

    @property
    def coming(self) -> Planned:
        """The trial that is to begin next."""
        return self.plan[len(self.trials)]


def fold(protocol: StudyProtocol, plan: Sequence[Planned], events: Sequence[Event]) -> Progress:
    """The progress that a participant's events amount to."""
    progress = Progress(plan)
    for event in events:
        take(protocol, progress, event)
    return progress


def time_is_over(protocol: StudyProtocol, progress: Progress, now: int) -> bool:
    """Whether the limit of the search that is going on has passed, though nobody has said so yet.

    Args:
        now: milliseconds of the study's clock.
    """
    limit = 1000 * protocol.trial_seconds
    return bool(limit) and progress.phase == "search" and now >= progress.trial.started + limit


def take(protocol: StudyProtocol, progress: Progress, event: Event) -> None:
    """Bring progress up to date with one event more."""
    assert event.step == progress.step
    progress.step += 1
    progress.notice = ""
    body = event.body
    match event.kind:
        case "consent":
            return
        case "begin":
            pass
        case "start":
            opening = Told(event.at, "", None, Page.of(body))
            progress.trials.append(Trial(progress.coming, event.at, [opening]))
        case "reply":
            progress.trial.turns.append(Told(event.at, body["text"], body["reply"], Page.of(body)))
        case "undo":
            progress.trial.undone.append(progress.trial.turns.pop())
        case "claim":
            progress.trial.claims.append((event.at, body["id"]))
            if body["id"] == progress.trial.planned.target:
                _end(progress, event.at, "found")
            elif protocol.claims == "once":
                _end(progress, event.at, "wrong")
            else:
                progress.notice = "wrong claim"
        case "give_up":
            _end(progress, event.at, "gave up")
        case "time":
            _end(progress, min(event.at, progress.trial.started + 1000 * protocol.trial_seconds), "time")
        case "answers":
            progress.answers.append((body["block"], body["name"], body["values"]))
        case kind:
            raise ValueError(f"unknown kind of event {kind!r}; the database was written by another version")
    _go_on(protocol, progress)


def _end(progress: Progress, at: int, outcome: Outcome) -> None:
    progress.trial.ended, progress.trial.outcome = at, outcome
    progress.notice = outcome


def _go_on(protocol: StudyProtocol, progress: Progress) -> None:
    """Set what comes next: the trial that is going on, questionnaires that are due, the next trial, or the end."""
    trials, plan = progress.trials, progress.plan
    progress.questionnaire = None
    if trials and trials[-1].ended is None:
        progress.phase = "search"
        return
    block = trials[-1].planned.block if trials else 0
    over = len(trials) == len(plan) or plan[len(trials)].block != block
    answered = {(of, name) for of, name, _ in progress.answers}
    due = [(block, name) for name in protocol.questionnaires if over and (block, name) not in answered]
    if due:
        progress.phase, progress.questionnaire = "questionnaire", due[0]
    else:
        progress.phase = "done" if len(trials) == len(plan) else "target"
