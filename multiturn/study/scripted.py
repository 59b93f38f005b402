"""A scripted study from end to end: recorded queries played with every system, compared, and written down."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from multiturn.comparison import compare
from multiturn.evaluation import per_turn, summarise
from multiturn.experiment import origin, write_metrics
from multiturn.files import write_text
from multiturn.report.comparison import write_comparison
from multiturn.report.sessions import keep_sessions
from multiturn.results import Results
from multiturn.settings import EvaluationSettings
from multiturn.study.people import best_of_users, found, spread
from multiturn.study.playing import batches, with_opening
from multiturn.study.protocol import StudyProtocol
from multiturn.study.recording import Rules, begun, first_shown, record, results_of
from multiturn.study.scripted_page import write_page
from multiturn.study.scripts import Script, check_targets
from multiturn.study.systems import System

SCRIPTED = {"said by": "people, recorded; they saw other pages than these"}


@dataclass(frozen=True)
class Answered:
    """What one system did with all scripts.

    Attributes:
        system: that was asked.
        results: of all sessions.
        best: of the best person of each target.
        numbers: JSON-ready: `per_turn` and `best_of_users` (rows of `multiturn.evaluation.per_turn`), `found` and
            `spread`, as `multiturn.study.people` has them.
    """

    system: System
    results: Results
    best: Results
    numbers: dict[str, Any]


def run_study(
    protocol: StudyProtocol,
    scripts: Sequence[Script],
    systems: Sequence[System],
    settings: EvaluationSettings,
    rules: Rules,
    output: Path,
    config: str,
) -> dict[str, Any]:
    """Play the scripts with every system, and write a folder each, comparisons, metrics.json and report.html.

    Args:
        protocol: of the study; its targets, orders and texts are for people who are there.
        scripts: see `multiturn.study.scripts.read_queries`.
        systems: over the same candidates.
        settings: of the numbers.
        rules: of playing.
        output: folder that holds nothing yet, and nothing again if this fails.
        config: of the command, as YAML.
    Returns:
        what metrics.json holds.
    Raises:
        ValueError: a target that is not in the gallery, a page larger than it, something said that cannot be told, or
            an output folder that holds files.
    """
    first = systems[0].gallery
    check_targets(scripts, first.ids, first.source)
    for name in (system.name for system in systems):
        if not re.fullmatch(r"\w[\w. -]*", name):
            raise ValueError(f"system {name!r} cannot name a folder; write letters, digits, '.', '_', '-' and spaces")
    opened = [_opened(script, systems, protocol) for script in scripts]
    with begun(output, config):
        answered = [_answer(system, opened, protocol, settings, rules, output / system.name) for system in systems]
        comparisons = _comparisons(answered, settings, output)
        study = {
            "title": protocol.title,
            "data": first.source,
            "gallery": {"size": len(first), "source": first.source},
            "protocol": _facts(protocol, settings, rules),
            **_asked(scripts),
            "systems": {one.system.name: {"checkpoint": one.system.checkpoint, **one.numbers} for one in answered},
            "comparisons": comparisons,
            **origin(),
        }
        write_text(output / "metrics.json", json.dumps(study, indent=1, allow_nan=False))
        write_page(study, output)
    return study


def _opened(script: Script, systems: Sequence[System], protocol: StudyProtocol) -> Script:
    """The script with one opening page for all systems: an empty one if none of them needs a page."""
    made = [with_opening(system, script, protocol.page_size, protocol.seed) for system in systems]
    return next((one for one in made if one.opening), made[0])


def _answer(
    system: System,
    scripts: Sequence[Script],
    protocol: StudyProtocol,
    settings: EvaluationSettings,
    rules: Rules,
    folder: Path,
) -> Answered:
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "study": protocol.title,
        "turns": max(len(script.said) for script in scripts),
        "participants": [script.participant for script in scripts],
        "seconds": [list(script.seconds) for script in scripts],
    }
    played = record(system, batches(scripts, settings.batch_size), rules, folder, header)
    results = results_of(system, played, rules, SCRIPTED)
    people = {str(script.number): script.participant for script in scripts}
    best = best_of_users(results, people)
    shown = first_shown(system, played)
    write_text(folder / "config.yaml", json.dumps({"checkpoint": system.checkpoint, "protocol": asdict(protocol)}))
    keep_sessions(folder, results, None, system.images)
    write_metrics(summarise(results, [], settings, system.gallery.source), folder, protocol.title)
    numbers = {
        "per_turn": per_turn(results, settings),
        "best_of_users": per_turn(best, settings),
        "found": found(scripts, shown),
        "spread": spread(results, scripts, shown),
    }
    return Answered(system, results, best, numbers)


def _comparisons(
    answered: Sequence[Answered], settings: EvaluationSettings, output: Path
) -> dict[str, Mapping[str, Any]]:
    """Every system against the first, over all sessions by target, and over the best person of each target."""
    if len(answered) < 2:
        return {}
    metrics = [f"R@{k}" for k in settings.recall_at] + ["reciprocal_rank"]
    made: dict[str, Mapping[str, Any]] = {}
    for name, runs, by_target in (
        ("all", [one.results for one in answered], True),
        ("best", [_by_target(one.best) for one in answered], False),
    ):
        if len(set(runs[0].targets)) < 2:
            continue
        made[name] = compare(runs, metrics, settings, allowed=["fingerprint"], by_target=by_target)
        write_comparison(made[name], output / f"comparison-{name}")
    return made


def _by_target(best: Results) -> Results:
    """The best sessions, named by their targets: two systems may have been best with different people."""
    return replace(best, sessions=best.targets)


def _asked(scripts: Sequence[Script]) -> dict[str, Any]:
    """What was asked, in numbers."""
    return {
        "sessions": len(scripts),
        "participants": len({script.participant for script in scripts}),
        "targets": len({script.target for script in scripts}),
        "lengths": {str(n): sum(len(script.said) == n for script in scripts) for n in _lengths(scripts)},
    }


def _lengths(scripts: Sequence[Script]) -> list[int]:
    return sorted({len(script.said) for script in scripts})


def _facts(protocol: StudyProtocol, settings: EvaluationSettings, rules: Rules) -> dict[str, Any]:
    return {
        "turns": protocol.turns,
        "page_size": rules.page_size,
        "seen": rules.seen,
        "ended": rules.ended,
        "seed": protocol.seed,
        "hits_from": settings.hits_from,
        "confidence": settings.confidence,
        **SCRIPTED,
    }
