"""Numbers of a report, from the outcomes of trials: means per turn with intervals, ties, comparisons, harm."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from multiturn.metrics import Interval, interval, metric_named
from multiturn.ranks import TIES
from multiturn.settings import EvaluationSettings
from multiturn.trial import Outcome

TIE_WARNING = 0.001  # tables warn where tie rules differ by more than 0.1 point


def metric_names(settings: EvaluationSettings) -> list[str]:
    """Metrics of ranks that reports show, in their order."""
    return ["percentile", "percentile_of_n", *(f"R@{k}" for k in settings.recall_at), "reciprocal_rank"]


def per_turn(outcome: Outcome, settings: EvaluationSettings, seed: int = 0) -> list[dict[str, Any]]:
    """Summarise an outcome turn by turn, turn 0 (before any reply) first.

    Returns:
        for each turn a dict with `turn`; the mean of each metric under its name, ties counted as expected;
        `mean_rank`, `median_rank`; the means of the trial's own measures; `interval`: low and high end for each of
        these; and `ties`: each metric under the pessimistic and optimistic rule where they differ.
    """
    summaries: dict[str, Interval] = {}
    ties: dict[str, np.ndarray] = {}

    def summarise(name: str, values: np.ndarray, statistic: Any = np.mean) -> None:
        summaries[name] = interval(values, statistic, settings.resamples, settings.confidence, seed)

    for name in metric_names(settings):
        metric = metric_named(name)
        _, worst, best = (metric(outcome.ranks, tie).numpy() for tie in TIES)
        summarise(name, metric(outcome.ranks, "expected").numpy())
        ties[name] = np.stack([worst.mean(0), best.mean(0)], axis=1)
    ranks = outcome.ranks.under("expected").numpy()
    summarise("mean_rank", ranks)
    summarise("median_rank", ranks, np.median)
    for name, values in outcome.measures.items():
        summarise(name, values.numpy())
    return [_one_turn(turn, summaries, ties) for turn in range(ranks.shape[1])]


def _one_turn(turn: int, summaries: Mapping[str, Interval], ties: Mapping[str, np.ndarray]) -> dict[str, Any]:
    row: dict[str, Any] = {"turn": turn}
    row |= {name: float(summary.value[turn]) for name, summary in summaries.items()}
    row["interval"] = {name: [float(s.low[turn]), float(s.high[turn])] for name, s in summaries.items()}
    row["ties"] = {
        name: [float(bounds[turn, 0]), float(bounds[turn, 1])]
        for name, bounds in ties.items()
        if bounds[turn, 0] != bounds[turn, 1]
    }
    return row


def harm_rate(outcome: Outcome, control: Outcome) -> list[float]:
    """Share of sessions whose target ranks worse than without feedback, at each turn from 1.

    Args:
        control: the same targets, with a user who says nothing.
    """
    ranks, without = outcome.ranks.under("expected"), control.ranks.under("expected")
    return (ranks > without).double().mean(0)[1:].tolist()


def difference(
    outcome: Outcome, other: Outcome, metric: str, turn: int, other_turn: int, settings: EvaluationSettings
) -> dict[str, Any]:
    """How much better `outcome` is than `other` in the mean of a metric, paired over the same targets.

    Raises:
        ValueError: the two did not look for the same targets in galleries of one size.
    """
    a, b = outcome.trial, other.trial
    same_targets = [a.gallery.ids[i] for i in a.targets.tolist()] == [b.gallery.ids[i] for i in b.targets.tolist()]
    if not same_targets or len(a.gallery) != len(b.gallery):
        raise ValueError(f"{a.name} and {b.name} cannot be compared: their targets or galleries differ")
    measure = metric_named(metric)
    ours = measure(outcome.ranks, "expected")[:, turn].numpy()
    theirs = measure(other.ranks, "expected")[:, other_turn].numpy()
    gap, one, two = (
        interval(values, np.mean, settings.resamples, settings.confidence) for values in (ours - theirs, ours, theirs)
    )
    return {
        "metric": metric,
        "of": a.name,
        "over": b.name,
        "difference": float(gap.value),
        "interval": [float(gap.low), float(gap.high)],
        "intervals_overlap": bool(one.low <= two.high and two.low <= one.high),
    }


def tie_warnings(name: str, turns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each metric and turn in which rules for ties matter."""
    return [
        f"{name}, turn {row['turn']}: {metric} lies between {low:.4f} and {high:.4f}, by the rule for ties"
        for row in turns
        for metric, (low, high) in row["ties"].items()
        if high - low > TIE_WARNING
    ]
