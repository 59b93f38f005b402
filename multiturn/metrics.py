"""What is reported of ranks: one function a metric, one table of names, and intervals; ranks come from ranks.py."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from multiturn.ranks import Ranks, Tie

Metric = Callable[[Ranks, Tie], Tensor]


def percentile(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, "*table"]:
    """Ranking percentile (N - r) / (N - 1): the best rank gives 1, the worst 0.

    Always read R@K beside it: on 22,599 images a percentile of .99 is still rank 226.
    """
    return (ranks.candidates - ranks.under(tie)) / (ranks.candidates - 1)


def percentile_of_n(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, "*table"]:
    """Ranking percentile in its other definition, (N - r) / N: the best rank gives 1 - 1/N, the worst 0."""
    return (ranks.candidates - ranks.under(tie)) / ranks.candidates


def rank(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, "*table"]:
    """The rank itself, from 1."""
    return ranks.under(tie)


def reciprocal_rank(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, "*table"]:
    """1 / rank. Under `expected` this is one over the mean rank of the tied block."""
    return 1 / ranks.under(tie)


def recall_at(k: int) -> Metric:
    """Share of sessions whose target is among the first `k`, at each turn for itself (Drill-down's R@k).

    Under `expected`, a tied block that straddles the k-th place counts for the share of it that fits.

    Example:
        >>> import torch
        >>> tied = Ranks(torch.tensor([1]), torch.tensor([1000]), 1000)    # constant scores
        >>> [recall_at(10)(tied, tie).item() for tie in ("pessimistic", "expected", "optimistic")]
        [0.0, 0.01, 1.0]
    """

    def recall(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, "*table"]:
        if tie != "expected":
            return (ranks.under(tie) <= k).double()
        inside = (ranks.worst.clamp(max=k) - ranks.best + 1).clamp(min=0)
        return inside.double() / (ranks.worst - ranks.best + 1)

    return recall


_NAMED: dict[str, Metric] = {
    "percentile": percentile,
    "percentile_of_n": percentile_of_n,
    "reciprocal_rank": reciprocal_rank,
    "rank": rank,
}


def metric_named(name: str) -> Metric:
    """Find a metric by the name that tables print.

    Args:
        name: 'percentile', 'percentile_of_n', 'reciprocal_rank', 'rank', or 'R@K' with a whole number K.
    Raises:
        ValueError: no such metric; the message lists them.
    Example:
        >>> import torch
        >>> ranks = Ranks(torch.tensor([1, 3]), torch.tensor([1, 3]), 5)
        >>> metric_named("R@2")(ranks, "expected").tolist()
        [1.0, 0.0]
    """
    if match := re.fullmatch(r"R@([1-9]\d*)", name):
        return recall_at(int(match[1]))
    if name not in _NAMED:
        raise ValueError(f"unknown metric {name!r}; known: {', '.join(_NAMED)} and R@K for a whole number K")
    return _NAMED[name]


@dataclass(frozen=True)
class Interval:
    """A statistic of sessions and its bootstrap interval, one entry a turn."""

    value: Float[np.ndarray, "*turn"]
    low: Float[np.ndarray, "*turn"]
    high: Float[np.ndarray, "*turn"]


def interval(
    per_session: Float[np.ndarray, "session *turn"],
    statistic: Callable[..., np.ndarray] = np.mean,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap a statistic over sessions: whole sessions are drawn, so the turns of one stay together.

    Args:
        per_session: one value a session (and turn).
        statistic: takes an array and `axis`; the mean by default, np.median for a median rank.
        resamples: bootstrap samples.
        confidence: share of the resampled statistics between `low` and `high`.
    Source:
        The percentile bootstrap of scipy.stats.bootstrap.
    """
    from scipy.stats import bootstrap

    value = np.asarray(statistic(per_session, axis=0))
    if len(per_session) < 2 or np.ptp(per_session, axis=0).max() == 0:
        return Interval(value, value, value)
    result = bootstrap(
        (per_session,),
        statistic,
        n_resamples=resamples,
        batch=max(1, 20_000_000 // per_session.size),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(value, np.asarray(low), np.asarray(high))
