"""Metrics that look at each turn for itself; what depends on earlier turns is in sessions.py."""

from collections.abc import Callable

from jaxtyping import Float64
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
    """1 / rank, whose mean is the MRR. Under `expected` this is one over the mean rank of the tied block."""
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
