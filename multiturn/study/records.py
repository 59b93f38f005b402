"""What is in a study's database, as records of trials and answers; reads no checkpoint and computes no statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multiturn.study.progress import Event, Told, Trial, fold, take, time_is_over
from multiturn.study.protocol import StudyProtocol, protocol_of
from multiturn.study.questionnaires import score
from multiturn.study.schedule import plan
from multiturn.study.store import Participant, Store


@dataclass(frozen=True)
class Record:
    """A trial that counts.

    Attributes:
        participant: who took part in it.
        session: its number in the study, from 0.
        position: among the participant's trials, from 0, practice left out.
        trial: how it went.
    """

    participant: str
    session: int
    position: int
    trial: Trial

    @property
    def system(self) -> str:
        """Name of the system."""
        return self.trial.planned.system

    @property
    def target(self) -> str:
        """Id of the image that was looked for."""
        return self.trial.planned.target

    @property
    def found(self) -> bool:
        """Whether the participant found it."""
        return self.trial.outcome == "found"

    @property
    def seconds(self) -> float | None:
        """From the beginning of the search to its end; None of one that is not over."""
        return None if self.trial.ended is None else (self.trial.ended - self.trial.started) / 1000

    def seconds_of(self, told: Told) -> float:
        """From the beginning of the search to the page of a turn."""
        return (told.at - self.trial.started) / 1000


@dataclass(frozen=True)
class Answers:
    """A questionnaire that was filled in.

    Attributes:
        participant: by whom.
        block: after which trials, from 0.
        system: that these were with; "" where systems change from trial to trial.
        name: of the questionnaire.
        values: by item.
    """

    participant: str
    block: int
    system: str
    name: str
    values: Mapping[str, int]

    @property
    def score(self) -> float:
        """From 0 to 100; see `multiturn.study.questionnaires.score`."""
        return score(self.name, self.values)


@dataclass(frozen=True)
class Records:
    """All that a study has.

    Attributes:
        protocol: of the study, with the texts that it was served with last.
        facts: see `multiturn.study.facts.settled`.
        participants: who has not withdrawn.
        finished: ids of those who came to the end.
        trials: that count, whether over or not. Over is also one whose limit has passed on the study's clock since
            somebody left it.
        answers: to questionnaires.
        consents: texts that participants could agree to, by their versions.
    """

    protocol: StudyProtocol
    facts: Mapping[str, Any]
    participants: Sequence[Participant]
    finished: frozenset[str]
    trials: Sequence[Record]
    answers: Sequence[Answers]
    consents: Mapping[str, str]

    def of(self, system: str) -> list[Record]:
        """The trials with a system."""
        return [record for record in self.trials if record.system == system]


def read_records(store: Store) -> Records:
    """Read a study's database; who has withdrawn is not in it.

    Raises:
        ValueError: nothing has been served from it.
    """
    facts = store.remembered()
    if "protocol" not in facts:
        raise ValueError(f"{store.path} holds no study; serve one first")
    protocol = protocol_of(facts)
    trials: list[Record] = []
    answers: list[Answers] = []
    finished = set()
    participants, now = store.participants(), store.latest()
    for one in participants:
        progress = fold(protocol, plan(protocol, one.number, facts["targets"], facts["practice"]), store.events(one.id))
        if progress.phase == "done":
            finished.add(one.id)
        if time_is_over(protocol, progress, now):
            take(protocol, progress, Event(progress.step, now, "time", {}))
        counted = [trial for trial in progress.trials if not trial.planned.practice]
        trials += [Record(one.id, len(trials) + place, place, trial) for place, trial in enumerate(counted)]
        blocked = protocol.order == "blocked"
        systems = {planned.block: planned.system for planned in progress.plan}
        answers += [
            Answers(one.id, block, systems[block] if blocked else "", name, values)
            for block, name, values in progress.answers
        ]
    return Records(protocol, facts, participants, frozenset(finished), trials, answers, store.consents())
