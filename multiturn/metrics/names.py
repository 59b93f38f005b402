"""The one table of metrics: the name that is the key everywhere, what it computes, its unit and its direction."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from multiturn.metrics.sessions import area, bri, carried_rank, carried_recall, hits_at, rounds_to_hit
from multiturn.metrics.turns import Metric, percentile, percentile_of_n, rank, recall_at, reciprocal_rank

Unit = Literal["share", "rank", "turns", "plain"]


@dataclass(frozen=True)
class Named:
    """A metric as tables know it.

    Attributes:
        spelling: its name, with K and J for whole numbers and METRIC for another name.
        make: given K (and J), `first` and `start`, the function of ranks; those of turns.py need neither of the last.
        unit: a `share` lies in [0, 1] and is printed in percent.
        rising: whether higher is better.
        per_turn: whether it has a value for each turn, or one for a session.
        statistic: over sessions.
        hits: whether an earlier hit counts, so that there is no value before the first turn that can hit.
    """

    spelling: str
    make: Callable[..., Metric]
    unit: Unit
    rising: bool = True
    per_turn: bool = True
    statistic: Callable[..., np.ndarray] = np.mean
    hits: bool = False


def _alone(metric: Metric) -> Callable[..., Metric]:
    return lambda first, start: metric


def _area(inner: str, first: int, start: int) -> Metric:
    if not (described(inner).per_turn and described(inner).unit == "share"):
        raise ValueError(f"there is no area under {inner!r}: it is no share with a value for each turn; use area:R@10")
    return area(metric_named(inner, first, start), first, start)


METRICS = (
    Named("percentile", _alone(percentile), "share"),
    Named("percentile_of_n", _alone(percentile_of_n), "share"),
    Named("R@K", lambda k, first, start: recall_at(k), "share"),
    Named("reciprocal_rank", _alone(reciprocal_rank), "plain"),
    Named("rank", _alone(rank), "rank", rising=False),
    Named("mean_rank", _alone(rank), "rank", rising=False),
    Named("median_rank", _alone(rank), "rank", rising=False, statistic=np.median),
    Named("Hits@K", hits_at, "share", hits=True),
    Named("carry@K", carried_rank, "rank", rising=False, hits=True),
    Named("carry@K:R@J", lambda k, j, first, start: carried_recall(j, k, first, start), "share", hits=True),
    Named("BRI", _alone(bri), "plain", rising=False, per_turn=False),
    Named("rounds@K", rounds_to_hit, "turns", rising=False, per_turn=False),
    Named("area:METRIC", _area, "share", per_turn=False),
)


def _found(name: str) -> tuple[Named, list[int | str]] | None:
    for one in METRICS:
        pattern = re.sub(r"(?<=@)[KJ]", r"([1-9]\\d*)", one.spelling).replace("METRIC", "(.+)")
        if match := re.fullmatch(pattern, name):
            return one, [int(text) if text.isdigit() else text for text in match.groups()]
    return None


def known(name: str) -> bool:
    """Whether the table has a metric of this name; other measures of a task are not in it."""
    return _found(name) is not None


def described(name: str) -> Named:
    """The entry of the table that a name stands for.

    Raises:
        ValueError: no such metric; the message lists them.
    Example:
        >>> described("Hits@10").spelling, described("BRI").rising
        ('Hits@K', False)
    """
    found = _found(name)
    if found is None:
        raise ValueError(
            f"unknown metric {name!r}; known: {', '.join(one.spelling for one in METRICS)} with whole numbers K and J "
            "from 1"
        )
    return found[0]


def metric_named(name: str, first: int = 1, start: int = 0) -> Metric:
    """Find a metric by the name that tables print.

    Args:
        name: a spelling of `METRICS` with numbers in place of its letters, such as R@10 or carry@10:R@1.
        first: number of the first turn at which a target can be hit.
        start: number of the turn in the first column of the ranks.
    Raises:
        ValueError: no such metric; the message lists them.
    Example:
        >>> import torch
        >>> from multiturn.ranks import Ranks
        >>> ranks = Ranks(torch.tensor([1, 3]), torch.tensor([1, 3]), 5)
        >>> metric_named("R@2")(ranks, "expected").tolist()
        [1.0, 0.0]
    """
    named = described(name)
    found = _found(name)
    return named.make(*(found[1] if found else ()), first=first, start=start)
