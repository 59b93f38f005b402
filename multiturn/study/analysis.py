"""The numbers of a live study: what was found and when, load, usability, order, and systems compared in pairs."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import fmean, median
from typing import Any

import numpy as np

from multiturn.evaluation import per_turn
from multiturn.metrics.intervals import interval
from multiturn.metrics.paired import holm, paired
from multiturn.rank_rows import Rows, tabulate
from multiturn.results import Candidates, Results
from multiturn.settings import EvaluationSettings
from multiturn.study.mixed_model import Effects, fit_effects
from multiturn.study.records import Record, Records

Measure = Callable[[Record], float]


def analyse(records: Records, settings: EvaluationSettings) -> dict[str, Any]:
    """All numbers of a study's report, JSON-ready.

    Only trials that are over count, those included that somebody left and whose limit has passed since. The time of a
    trial in which the target was not found is censored: it counts as the limit where there is one, and as the time
    until the participant stopped otherwise. By system, `open` says how many trials are not over, and `first` how many
    participants came to it first; `warnings` says in words what these mean. A system to which nobody has said anything
    has no numbers by turn, and comes last. `scores` are those of questionnaires on all systems together, where they
    change from trial to trial.

    Args:
        settings: of intervals and R@K.
    Raises:
        ValueError: no trial is over, or nothing was said in any.
    """
    over = [record for record in records.trials if record.trial.ended is not None]
    if not over:
        raise ValueError("no trial is over yet; come back when somebody has taken part")
    still_open = {name: sum(one.trial.ended is None for one in records.of(name)) for name in records.protocol.systems}
    first = {name: sum(one.position == 0 for one in records.of(name)) for name in records.protocol.systems}
    spoken = {record.system for record in over if _said(record)}
    systems = [name for name in records.protocol.systems if any(record.system == name for record in over)]
    if not spoken:
        raise ValueError(f"nobody has said anything to {' or '.join(systems)} yet; come back when somebody has")
    systems.sort(key=lambda name: name not in spoken)
    return {
        "participants": len(records.participants),
        "finished": len(records.finished),
        "consents": _consents(records),
        "trials": len(over),
        "open": still_open,
        "first": first,
        "warnings": _warnings(still_open, first, [name for name in systems if name not in spoken]),
        "targets": len({record.target for record in over}),
        "systems": {name: _system(records, [r for r in over if r.system == name], settings) for name in systems},
        "scores": _summaries(records, "", settings),
        "order": _by_position(over, _time(records)),
        "comparisons": [
            row for row in _compared(records, over, systems, settings) if row["pairs"] or row["model"] is not None
        ],
    }


def _consents(records: Records) -> list[dict[str, Any]]:
    """Each text, and how many agreed to it."""
    agreed = [one.consent for one in records.participants]
    return [
        {"version": version, "text": text, "participants": agreed.count(version)}
        for version, text in sorted(records.consents.items())
    ]


def _warnings(still_open: Mapping[str, int], first: Mapping[str, int], silent: Sequence[str]) -> list[str]:
    lines = [f"Nobody has said anything to {name}: it has no numbers by turn." for name in silent]
    if any(still_open.values()):
        lines.append(f"Trials that are not over and count nowhere: {_counts(still_open)}.")
    if max(first.values()) - min(first.values()) > 1:
        lines.append(f"Systems did not come first equally often, so that practice favours some: {_counts(first)}.")
    return lines


def _counts(of: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in of.items())


def _time(records: Records) -> Measure:
    """Seconds of a trial, censored at the limit."""
    limit = records.protocol.trial_seconds

    def seconds(record: Record) -> float:
        assert record.seconds is not None
        return float(limit) if limit and not record.found else record.seconds

    return seconds


def _system(records: Records, trials: Sequence[Record], settings: EvaluationSettings) -> dict[str, Any]:
    name = trials[0].system
    found = [record for record in trials if record.found]
    return {
        "trials": len(trials),
        "participants": len({record.participant for record in trials}),
        "found": len(found),
        "outcomes": {
            outcome: sum(record.trial.outcome == outcome for record in trials)
            for outcome in ("found", "wrong", "gave up", "time")
        },
        "found_rate": _over_people(trials, lambda record: float(record.found), settings),
        "seconds": _over_people(trials, _time(records), settings),
        "seconds_to_found": median(record.seconds or 0.0 for record in found) if found else None,
        "replies": _over_people(trials, lambda record: float(len(record.trial.turns) - 1), settings),
        "wrong_claims": sum(record.trial.wrong_claims for record in trials),
        "undone": sum(len(record.trial.undone) for record in trials),
        "missed_pages": sum(record.trial.missed for record in trials),
        "missed_trials": sum(record.trial.missed > 0 for record in trials),
        "scores": _summaries(records, name, settings),
        "per_turn": per_turn(_results(records, trials), settings, [f"R@{k}" for k in settings.recall_at])
        if any(map(_said, trials))
        else [],
    }


def _said(record: Record) -> bool:
    return len(record.trial.turns) > 1


def _summaries(records: Records, system: str, settings: EvaluationSettings) -> dict[str, Any]:
    """Questionnaires on a system; on all of them together if "", where they change from trial to trial."""
    scores = {name: _scores(records, system, name) for name in records.protocol.questionnaires}
    return {name: _summary(np.array(list(of.values())), settings) for name, of in scores.items() if of}


def _over_people(trials: Sequence[Record], measure: Measure, settings: EvaluationSettings) -> dict[str, Any]:
    """Mean of the participants' means, with its bootstrap interval over participants."""
    of: defaultdict[str, list[float]] = defaultdict(list)
    for record in trials:
        of[record.participant].append(measure(record))
    return _summary(np.array([fmean(values) for values in of.values()]), settings)


def _summary(values: np.ndarray, settings: EvaluationSettings) -> dict[str, Any]:
    found = interval(values, resamples=settings.resamples, confidence=settings.confidence)
    return {"mean": float(found.value), "low": float(found.low), "high": float(found.high), "people": len(values)}


def _results(records: Records, trials: Sequence[Record]) -> Results:
    """Ranks by turn; a trial that ended early keeps its last rank."""
    turns = [(record, number, told) for record in trials for number, told in enumerate(record.trial.turns)]
    name = trials[0].system
    gallery = records.facts["galleries"][name]
    rows = Rows(
        name,
        [str(record.session) for record, _, _ in turns],
        [number for _, number, _ in turns],
        [record.target for record, _, _ in turns],
        np.array([told.page.rank[0] for _, _, told in turns]),
        np.array([told.page.rank[1] for _, _, told in turns]),
    )
    candidates = Candidates(gallery["size"], gallery["source"], gallery["fingerprint"], gallery["ids"])
    return tabulate(rows, name, candidates, {"seen": records.protocol.seen}, "carry")


def _by_position(trials: Sequence[Record], seconds: Measure) -> list[dict[str, Any]]:
    """What was found, and how fast, in each place of the participants' order."""
    places: defaultdict[int, list[Record]] = defaultdict(list)
    for record in trials:
        places[record.position].append(record)
    return [
        {
            "position": place + 1,
            "trials": len(some),
            "found_rate": fmean(float(record.found) for record in some),
            "seconds": fmean(map(seconds, some)),
        }
        for place, some in sorted(places.items())
    ]


def _compared(
    records: Records, trials: Sequence[Record], systems: Sequence[str], settings: EvaluationSettings
) -> list[dict[str, Any]]:
    """Each two systems, in each measure, by the means of targets and by those of participants.

    p of the permutation tests is corrected for all tests over targets, and for all tests over participants.
    """
    measures: dict[str, Measure] = {
        "found_rate": lambda record: float(record.found),
        "seconds": _time(records),
        "reciprocal_rank": lambda record: 2 / sum(record.trial.turns[-1].page.rank),
    }
    rows = []
    for one, other in combinations(systems, 2):
        both = [record for record in trials if record.system in (one, other)]
        for name, measure in measures.items():
            row: dict[str, Any] = {"measure": name, "one": one, "other": other}
            for over, model in (("targets", _model(both, one, measure)), ("participants", None)):
                means = (_means(both, one, measure, over), _means(both, other, measure, over))
                rows.append(row | {"over": over} | _pair(*means, settings) | {"model": model})
        for name in records.protocol.questionnaires:
            of_one, of_other = _scores(records, one, name), _scores(records, other, name)
            row = {"measure": name, "one": one, "other": other, "over": "participants"}
            rows.append(row | _pair(of_one, of_other, settings) | {"model": None})
    for over in ("targets", "participants"):
        tested = [row for row in rows if row["paired"] and row["over"] == over]
        for row, p in zip(tested, holm([row["paired"]["p_permutation"] for row in tested]), strict=True):
            row["paired"]["p_holm"] = p
    return rows


def _means(trials: Sequence[Record], system: str, measure: Measure, over: str) -> dict[str, float]:
    """Mean of a measure over the trials with a system, for each target or each participant."""
    of: defaultdict[str, list[float]] = defaultdict(list)
    for record in trials:
        if record.system == system:
            of[record.target if over == "targets" else record.participant].append(measure(record))
    return {name: fmean(values) for name, values in of.items()}


def _scores(records: Records, system: str, questionnaire: str) -> dict[str, float]:
    """Scores that participants gave a system, each once."""
    found = [one for one in records.answers if (one.system, one.name) == (system, questionnaire)]
    return {answers.participant: answers.score for answers in found}


def _pair(ones: Mapping[str, float], others: Mapping[str, float], settings: EvaluationSettings) -> dict[str, Any]:
    """The paired test over what both systems have."""
    shared = sorted({*ones} & {*others})
    if len(shared) < 2:
        return {"pairs": len(shared), "paired": None}
    one, other = np.array([ones[name] for name in shared]), np.array([others[name] for name in shared])
    return {"pairs": len(shared), "paired": dict(vars(paired(one, other, settings.resamples, settings.confidence)))}


def _model(trials: Sequence[Record], one: str, measure: Measure) -> dict[str, Any] | None:
    found: Effects | None = fit_effects(
        np.array([measure(record) for record in trials]),
        [record.system == one for record in trials],
        [record.position for record in trials],
        [record.participant for record in trials],
        [record.target for record in trials],
    )
    return None if found is None else dict(vars(found))
