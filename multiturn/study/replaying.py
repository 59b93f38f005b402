"""A log played again with another system: ranks, and the first turn at which people would have seen another page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.evaluation import per_turn, summarise
from multiturn.experiment import origin, write_metrics
from multiturn.files import write_text
from multiturn.rank_rows import Rows, tabulate
from multiturn.report.sessions import keep_sessions
from multiturn.results import Candidates, Results
from multiturn.settings import EvaluationSettings
from multiturn.study.logs.log import Log, Logged
from multiturn.study.playing import Played, batches
from multiturn.study.recording import Rules, begun, record, results_of
from multiturn.study.replay_page import write_page
from multiturn.study.scripts import Said, Script
from multiturn.study.systems import System
from multiturn.task import Task
from multiturn.trial import RANKED, RanksOf


@dataclass(frozen=True)
class Replayed:
    """A session of a log beside what the other system made of it.

    Attributes:
        logged: as it was.
        pages: that the other system shows, from turn 0.
        ranks: of the target there, best and worst of a tie.
        differs: the first turn whose page is another one than the log's; None if there is none, or the log has no page.
    """

    logged: Logged
    pages: tuple[tuple[str, ...], ...]
    ranks: tuple[tuple[int, int], ...]
    differs: int | None

    @property
    def known(self) -> bool:
        """Whether the log has a page to compare with."""
        return any(page is not None for page in self.logged.pages)


def replay(
    log: Log, system: System, settings: EvaluationSettings, rules: Rules, output: Path, config: str, title: str
) -> dict[str, Any]:
    """Tell a system what a log's users said, and write transcript, metrics, report.html, replay.json and replay.html.

    Args:
        settings: of the numbers.
        rules: of playing; a log that has its own rules is compared with its pages only where these are the same.
        output: folder that holds nothing yet, and nothing again if this fails.
        config: of the command, as YAML.
        title: of the log.
    Returns:
        what replay.json holds.
    Raises:
        ValueError: something said that the system does not take, or an output folder that holds files.
    """
    parts = [[_for(system, log, one.script) for one in part] for part in log.parts]
    header = {"replay": title, "turns": max(len(one.script.said) for one in log.sessions)}
    header |= {key: log.header[key] for key in (RANKED,) if key in log.header}
    with begun(output, config):
        played = record(system, _of_one_length(parts), rules, output, header, _ranked(log, system))
        results = results_of(system, played, rules, {"said by": f"the {log.kind} {title}"})
        keep_sessions(output, results, None, system.images)
        write_metrics(summarise(results, [], settings, system.gallery.source), output, title)
        sessions = _beside(log, system, played)
        told = _told(sessions, log, system, results, settings, rules) | {"title": title, **origin()}
        write_text(output / "replay.json", json.dumps(told, indent=1, allow_nan=False))
        write_page(told, output)
    return told


def first_difference(logged: Sequence[Sequence[str] | None], shown: Sequence[Sequence[str]]) -> int | None:
    """The first turn whose page is not the log's, in its order; turns of which the log has no page are passed over.

    Example:
        >>> first_difference([("a",), None, ("b", "c")], [("a",), ("x",), ("c", "b")])
        2
    """
    pairs = enumerate(zip(logged, shown, strict=True))
    return next((turn for turn, (ours, theirs) in pairs if ours is not None and tuple(ours) != tuple(theirs)), None)


def log_results(log: Log, system: System, rules: Rules) -> Results | None:
    """The ranks that the log has, in the order of a replay's results; None if it does not have all of them."""
    rows = [(one, turn, rank) for one in log.sessions for turn, rank in enumerate(one.ranks)]
    if any(rank is None for _, _, rank in rows):
        return None
    ends = np.array([rank for _, _, rank in rows])
    sessions, targets = ([str(one.script.number) for one, _, _ in rows], [one.script.target for one, _, _ in rows])
    table = Rows(log.kind, sessions, [turn for _, turn, _ in rows], targets, ends[:, 0], ends[:, 1])
    name = str(log.header.get("retriever", "the log"))
    size = int(log.header.get("gallery_size", len(system.gallery)))
    if size != len(system.gallery):
        return None
    return tabulate(table, name, Candidates(size, system.gallery.source), {}, rules.ended)


def _beside(log: Log, system: System, played: Sequence[Played]) -> list[Replayed]:
    """Each session of the log beside what was played of it."""
    pages: dict[int, list[tuple[str, ...]]] = {}
    ranks: dict[int, list[tuple[int, int]]] = {}
    for one in played:
        for turn in one.turns:
            assert turn.ranks is not None
            ends = zip(turn.ranks.best.tolist(), turn.ranks.worst.tolist(), strict=True)
            for script, shown, rank in zip(one.scripts, turn.shown.tolist(), ends, strict=True):
                pages.setdefault(script.number, []).append(tuple(system.gallery.ids[place] for place in shown))
                ranks.setdefault(script.number, []).append(rank)
    sessions = []
    for one in log.sessions:
        number = one.script.number
        differs = first_difference(one.pages, pages[number])
        sessions.append(Replayed(one, tuple(pages[number]), tuple(ranks[number]), differs))
    return sessions


def _told(
    sessions: Sequence[Replayed],
    log: Log,
    system: System,
    results: Results,
    settings: EvaluationSettings,
    rules: Rules,
) -> dict[str, Any]:
    before = log_results(log, system, rules)
    last = results.last
    return {
        "log": log.kind,
        "system": system.name,
        "checkpoint": system.checkpoint,
        "gallery": {"size": len(system.gallery), "source": system.gallery.source},
        "rules": {"page_size": rules.page_size, "seen": rules.seen, "ended": rules.ended},
        "log_rules": {"page_size": log.page_size, "seen": log.seen},
        "confidence": settings.confidence,
        "sessions": len(sessions),
        "with_pages": sum(one.known for one in sessions),
        "the_same": sum(one.known and one.differs is None for one in sessions),
        "turns": [_turn(sessions, turn) for turn in range(last + 1)],
        "per_turn": per_turn(results, settings),
        "log_per_turn": None if before is None else per_turn(before, settings),
        "log_name": None if before is None else before.name,
        "each": [_each(one) for one in sessions],
        "notes": list(log.notes),
    }


def _turn(sessions: Sequence[Replayed], turn: int) -> dict[str, int]:
    """Of a turn: how many sessions have it, in how many its reply answers the same page, and how many first differ."""
    there = [one for one in sessions if turn < len(one.pages)]
    return {
        "turn": turn,
        "sessions": len(there),
        "answers_its_page": sum(one.known and (one.differs is None or one.differs >= turn) for one in there),
        "first_differs": sum(one.differs == turn for one in there),
    }


def _each(one: Replayed) -> dict[str, Any]:
    said = one.logged.script.said
    after = None if one.differs is None or one.differs >= len(said) else said[one.differs]
    return {
        "session": one.logged.name,
        "participant": one.logged.script.participant,
        "target": one.logged.script.target,
        "differs": one.differs,
        "said_after": after,
        "log_ranks": [None if rank is None else list(rank) for rank in one.logged.ranks],
        "ranks": [list(rank) for rank in one.ranks],
    }


def _of_one_length(parts: Sequence[Sequence[Script]]) -> list[list[Script]]:
    """The parts of a log, each of sessions that are played together: of one length, with opening pages of one width."""
    return [batch for part in parts for batch in batches(part, len(part))]


def _for(system: System, log: Log, script: Script) -> Script:
    """A script as this system can be told it: example images that another encoder encoded are named anew."""
    if log.header.get("fingerprint") in (None, system.gallery.fingerprint):
        return script
    return replace(script, said=tuple(_named(said) for said in script.said))


def _named(said: Said) -> Said:
    return f"example: {said['name']}" if isinstance(said, Mapping) and said.get("kind") == "image" else said


def _ranked(log: Log, system: System) -> RanksOf | None:
    """What the log ranks in place of its targets, as the task of the checkpoint does it."""
    if RANKED not in log.header:
        return None
    assert isinstance(system.task, Task)
    return system.task.exam(system.retriever).model.ranks  # type: ignore[arg-type]  # A checkpoint's retriever is a module.
