"""Numbers of a report, from ranks: every protocol by turn and by session, with intervals, ties, comparisons, harm."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from multiturn.metrics import described, interval, known, metric_named
from multiturn.metrics.intervals import Interval
from multiturn.metrics.sessions import first_hit
from multiturn.ranks import TIES
from multiturn.results import Results, aligned
from multiturn.settings import EvaluationSettings

TIE_WARNING = 0.001  # tables warn where tie rules differ by more than 0.1 point


def metric_names(settings: EvaluationSettings) -> list[str]:
    """Metrics that look at each turn for itself, in the order of reports."""
    return ["percentile", "percentile_of_n", *(f"R@{k}" for k in settings.recall_at), "reciprocal_rank"]


def turn_names(settings: EvaluationSettings) -> list[str]:
    """All metrics with a value for each turn, in the order of reports: first alone, then cumulative, then carried."""
    page = settings.page
    return [
        *metric_names(settings),
        *("mean_rank", "median_rank"),
        *(f"Hits@{k}" for k in settings.recall_at),
        *(f"carry@{page}", *(f"carry@{page}:R@{k}" for k in settings.recall_at if k < page)),
    ]


def session_names(settings: EvaluationSettings) -> list[str]:
    """All metrics with one value a session, in the order of reports."""
    return ["BRI", f"rounds@{settings.page}", *(f"area:R@{k}" for k in settings.recall_at)]


def per_turn(
    results: Results, settings: EvaluationSettings, names: Sequence[str] | None = None, seed: int = 0
) -> list[dict[str, Any]]:
    """Summarise results turn by turn, turn 0 (before any reply) first if it is there.

    Args:
        names: metrics to compute, all of `turn_names` by default; the results' own measures always follow.
    Returns:
        for each turn a dict with `turn`; each metric under its name, ties counted as expected; `interval`: low and
        high end for each of these; `ties`: each metric under the pessimistic and the optimistic rule where they
        differ; and `ended_early`, how many sessions were over before, if any were. Metrics that look for a hit begin
        with the turn at which one can count.
    """
    tables = {name: _by_tie(name, results, settings) for name in (turn_names(settings) if names is None else names)}
    ties = {
        name: np.stack([described(name).statistic(end, axis=0) for end in (worst, best)], axis=1)
        for name, (_, worst, best) in tables.items()
    }
    values = {name: expected for name, (expected, _, _) in tables.items()}
    summaries = _intervals(values | {name: table.numpy() for name, table in results.measures.items()}, settings, seed)
    over = results.ended_early()
    return [
        _one_turn(turn, column, summaries, ties, settings, over[column])
        for column, turn in enumerate(range(results.start, results.last + 1))
    ]


def _by_tie(name: str, results: Results, settings: EvaluationSettings) -> list[np.ndarray]:
    """Values of a metric under the expected, the pessimistic and the optimistic rule."""
    metric = metric_named(name, settings.hits_from, results.start)
    return [metric(results.ranks, tie).numpy() for tie in TIES]


def _intervals(values: Mapping[str, np.ndarray], settings: EvaluationSettings, seed: int) -> dict[str, Interval]:
    """Intervals over sessions of tables of one shape; all means are taken from the same resampled sessions."""
    statistics = {name: described(name).statistic if known(name) else np.mean for name in values}
    means = [name for name in values if statistics[name] is np.mean]
    together = np.stack([values[name] for name in means], 1)
    mean = interval(together, np.mean, settings.resamples, settings.confidence, seed)
    return {
        name: Interval(*(np.asarray(end[means.index(name)]) for end in (mean.value, mean.low, mean.high)))
        if name in means
        else interval(values[name], statistics[name], settings.resamples, settings.confidence, seed)
        for name in values
    }


def _one_turn(
    turn: int,
    column: int,
    summaries: Mapping[str, Interval],
    ties: Mapping[str, np.ndarray],
    settings: EvaluationSettings,
    ended: int,
) -> dict[str, Any]:
    told = [name for name in summaries if not (known(name) and described(name).hits and turn < settings.hits_from)]
    row: dict[str, Any] = {"turn": turn}
    row |= {name: float(summaries[name].value[column]) for name in told}
    row["interval"] = {name: [float(summaries[name].low[column]), float(summaries[name].high[column])] for name in told}
    row["ties"] = {
        name: [float(ties[name][column, 0]), float(ties[name][column, 1])]
        for name in told
        if name in ties and ties[name][column, 0] != ties[name][column, 1]
    }
    return row | ({"ended_early": ended} if ended else {})


def over_sessions(results: Results, settings: EvaluationSettings, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Summarise whole sessions: BRI, rounds to the first hit, areas over turns.

    Returns:
        for each metric of `session_names` a dict with `value`, `interval` and, where they differ, `ties`: the
        pessimistic and the optimistic end. Rounds have more: `value` is the restricted mean, in which a session
        without a hit counts as its last turn; `found` is how many sessions have a hit, `never` how many have none
        (each expected, pessimistic and optimistic), and `mean_over_found` the mean over the former, with its interval.
    """
    tables = {name: _by_tie(name, results, settings) for name in session_names(settings)}
    found = _intervals({name: expected for name, (expected, _, _) in tables.items()}, settings, seed)
    told: dict[str, dict[str, Any]] = {}
    for name, (_, worst, best) in tables.items():
        one = found[name]
        told[name] = {"value": float(one.value), "interval": [float(one.low), float(one.high)]}
        if worst.mean() != best.mean():
            told[name]["ties"] = [float(worst.mean()), float(best.mean())]
    told[f"rounds@{settings.page}"] |= _rounds(results, settings, seed)
    return told


def _rounds(results: Results, settings: EvaluationSettings, seed: int) -> dict[str, Any]:
    """Who found the target, who never did, and after how many rounds those who did."""
    chance = first_hit(settings.page, settings.hits_from, results.start)
    found = [float(chance(results.ranks, tie).sum()) for tie in TIES]
    expected = chance(results.ranks, "expected").numpy()
    numbers = np.arange(results.start, results.last + 1)
    told: dict[str, Any] = {"found": found, "never": [len(expected) - one for one in found], "mean_over_found": None}
    if found[0] > 0:
        both = np.stack([expected @ numbers, expected.sum(1)], axis=1)
        overall = float(both[:, 0].sum() / both[:, 1].sum())
        statistic = partial(_ratio, empty=overall)
        mean = interval(both, statistic, settings.resamples, settings.confidence, seed)
        told |= {"mean_over_found": float(mean.value), "mean_interval": [float(mean.low), float(mean.high)]}
    return told


def _ratio(pairs: np.ndarray, axis: int, empty: float) -> np.ndarray:
    """Sum of the first column over that of the second, or `empty` for a resample in which nobody found anything."""
    rounds, found = np.moveaxis(pairs.sum(axis), -1, 0)
    return np.where(found > 0, rounds / np.where(found > 0, found, 1), empty)


def harm_rate(results: Results, control: Results, settings: EvaluationSettings, seed: int = 0) -> Interval:
    """Share of sessions whose target ranks worse than without feedback, at each turn from 1; ties as expected.

    Args:
        control: the same targets, with a user who says nothing.
    Raises:
        ValueError: the two differ in targets, candidates or turns.
    """
    rows = aligned(results, control)
    if (results.start, results.last) != (control.start, control.last):
        raise ValueError(
            f"{results.name} has turns {results.start}..{results.last}, its control {control.start}..{control.last}; "
            "play both alike"
        )
    ranks, without = results.ranks.under("expected"), control.ranks.under("expected")[rows]
    worse = (ranks > without).double()[:, 1 - results.start :].numpy()
    return interval(worse, np.mean, settings.resamples, settings.confidence, seed)


def values_at(results: Results, metric: str, turn: int, settings: EvaluationSettings) -> np.ndarray:
    """A metric of each session, ties as expected: at a turn, or of the whole session if it has no turns.

    Raises:
        ValueError: no such metric or turn.
    """
    named = described(metric)
    first = max(results.start, settings.hits_from) if named.hits else results.start
    if named.per_turn and not first <= turn <= results.last:
        raise ValueError(f"{results.name} has {metric} at turns {first} to {results.last}, not at turn {turn}")
    values = metric_named(metric, settings.hits_from, results.start)(results.ranks, "expected").numpy()
    return values[:, turn - results.start] if named.per_turn else values


def difference(
    results: Results, other: Results, metric: str, turn: int, other_turn: int, settings: EvaluationSettings
) -> dict[str, Any]:
    """How much higher `results` is than `other` in the mean of a metric, paired over the same targets.

    Raises:
        ValueError: the two did not look for the same targets among the same candidates.
    """
    rows = aligned(results, other)
    ours, theirs = values_at(results, metric, turn, settings), values_at(other, metric, other_turn, settings)[rows]
    found = interval(np.stack([ours - theirs, ours, theirs], 1), np.mean, settings.resamples, settings.confidence)
    low, high = found.low.tolist(), found.high.tolist()
    return {
        "metric": metric,
        "of": results.name,
        "over": other.name,
        "difference": float(found.value[0]),
        "interval": [low[0], high[0]],
        "intervals_overlap": low[1] <= high[2] and low[2] <= high[1],
    }


def tie_warnings(name: str, turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each turn and metric in which rules for ties matter.

    Metrics that say the same in other words are left out, and cumulative hits are named at the last turn only.
    """
    return [
        f"{name}, turn {row['turn']}: {metric} lies between {low:.4f} and {high:.4f}, by the rule for ties"
        for row in turns
        for metric, (low, high) in row["ties"].items()
        if described(metric).unit == "share"
        and metric != "percentile_of_n"
        and not metric.startswith("carry@")
        and (row is turns[-1] or not described(metric).hits)
        and high - low > TIE_WARNING
    ]


def early_warning(results: Results) -> list[str]:
    """A sentence if sessions ended early."""
    over = results.ended_early()[-1]
    what = {"carry": "their last rank is carried on", "missed": "later turns count as missed, at the last rank"}
    if not over:
        return []
    return [
        f"{results.name}: {over} of {len(results.sessions)} sessions ended early; {what[results.protocol['ended']]}"
    ]


def summarise(
    model: Results,
    others: Sequence[tuple[str, Results]],
    settings: EvaluationSettings,
    data: str,
    primary: str = "percentile",
) -> dict[str, Any]:
    """All numbers of a report, JSON-ready; `per_turn` has a dict a turn with the metric names as keys.

    Args:
        others: what the model is compared with, each with its role, as in `multiturn.task.Exam`.
        data: what the images are.
        primary: metric that is compared beside R@K.
    Raises:
        ValueError: no turn is left in which a target can be hit, or others with other targets or candidates.
    """
    if settings.hits_from > model.last:
        raise ValueError(f"hits_from is {settings.hits_from}, but {model.name} ends with turn {model.last}; lower it")
    rows = {id(one): per_turn(one, settings) for one in (model, *(other for _, other in others))}
    answered = {key: [row for row in turns if row["turn"] > 0] for key, turns in rows.items()}
    harm = next((harm_rate(model, other, settings) for role, other in others if role == "control"), None)
    compared = [*([primary] if known(primary) else []), *(f"R@{k}" for k in settings.recall_at if f"R@{k}" != primary)]
    candidates = model.candidates
    return {
        "data": data,
        "model": model.name,
        "gallery": {
            "size": candidates.size,
            "source": candidates.source,
            "fingerprint": candidates.fingerprint,
            "ids": candidates.digest,
        },
        "sessions": len(model.sessions),
        "protocol": {
            "turns": model.last,
            "page_size": None,
            "seen": settings.seen,
            "tie": "expected",
            "confidence": settings.confidence,
            "hits_from": settings.hits_from,
            "page": settings.page,
            **model.protocol,
        },
        "per_turn": answered[id(model)],
        "before_feedback": rows[id(model)][0] if model.start == 0 else None,
        "summary": over_sessions(model, settings),
        "others": [
            {
                "name": other.name,
                "role": role,
                "per_turn": answered[id(other)],
                "summary": over_sessions(other, settings),
            }
            for role, other in others
        ],
        "harm_rate": [] if harm is None else harm.value.tolist(),
        "harm_interval": [] if harm is None else np.stack([harm.low, harm.high], 1).tolist(),
        "comparisons": [
            difference(model, other, metric, model.last, other.last, settings)
            for _, other in others
            for metric in compared
        ],
        "warnings": [
            line
            for one in (model, *(other for _, other in others))
            for line in (*early_warning(one), *tie_warnings(one.name, answered[id(one)]))
        ],
    }
