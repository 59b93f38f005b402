"""Metrics of whole sessions: what an earlier turn found counts later; single turns are in turns.py.

All take a table of sessions by turns. `start` is the number of the turn in its first column, `first` that of the
first turn at which a target can be hit: turn 0 comes before any reply, so it counts only where `first` is 0. Under
the rule `expected`, ties are taken to be broken anew, at random, in every turn.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from multiturn.metrics.turns import Metric, recall_at
from multiturn.ranks import Ranks, Tie

Table = Float64[Tensor, "session turn"]


def hits_at(k: int, first: int = 1, start: int = 0) -> Metric:
    """Share of sessions whose target was among the first `k` at this turn or an earlier one (ChatIR's Hits@k).

    Under `expected` it is the chance of a hit at any of the turns: 1 - product over turns of (1 - R@k).

    Example:
        >>> ranks = torch.tensor([[90, 7, 30]])
        >>> hits_at(10)(Ranks(ranks, ranks, 100), "expected").tolist()
        [[0.0, 1.0, 1.0]]
    """

    def hits(ranks: Ranks, tie: Tie = "expected") -> Table:
        return 1 - _missed(ranks, tie, k, first - start)

    return hits


def first_hit(k: int, first: int = 1, start: int = 0) -> Metric:
    """Chance that a turn is the first with the target among the first `k`; each session sums to its last Hits@k."""

    def chance(ranks: Ranks, tie: Tie = "expected") -> Table:
        missed = _missed(ranks, tie, k, first - start)
        return torch.cat([1 - missed[:, :1], -missed.diff(dim=1)], 1)

    return chance


def rounds_to_hit(k: int, first: int = 1, start: int = 0) -> Metric:
    """Number of the turn of the first hit among the first `k`, or of the last turn where there is none.

    Its mean over sessions is the restricted mean of survival analysis, up to the last turn. One value a session.

    Example:
        >>> ranks = torch.tensor([[90, 30, 7], [90, 30, 20]])
        >>> rounds_to_hit(10)(Ranks(ranks, ranks, 100), "expected").tolist()
        [2.0, 2.0]
    """

    def rounds(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, " session"]:
        chance = first_hit(k, first, start)(ranks, tie)
        numbers = torch.arange(start, start + chance.shape[1], dtype=chance.dtype)
        return (chance * numbers).sum(1) + (1 - chance.sum(1)) * numbers[-1]

    return rounds


def carried_rank(k: int, first: int = 1, start: int = 0) -> Metric:
    """Rank of the target where a session stops at its first hit among the first `k` and keeps that rank.

    Under `pessimistic` and `optimistic` these are the worst and the best rank that any breaking of the ties leads
    to. To take every rank at the end of its block would not bound them: an early, lucky hit at rank `k` is kept,
    while a session that misses it goes on and may reach rank 1.

    Source:
        The protocol of Ask&Confirm: dialogues end once the target ranks within ten, and the rank is carried.
    Example:
        >>> ranks = torch.tensor([[90, 7, 30]])
        >>> carried_rank(10)(Ranks(ranks, ranks, 100), "expected").tolist()
        [[90.0, 7.0, 7.0]]
    """

    def carried(ranks: Ranks, tie: Tie = "expected") -> Table:
        skip = max(first - start, 0)
        if tie != "expected":
            return _extreme(ranks, k, skip, worst=tie == "pessimistic")
        hit = (ranks.best + ranks.worst.clamp(max=k)).double() / 2
        on = (ranks.best.clamp(min=k + 1) + ranks.worst).double() / 2
        missed, chance = _missed(ranks, tie, k, skip), first_hit(k, skip)(ranks, tie)
        found = (chance * hit).cumsum(1) + missed * on
        return torch.cat([ranks.under(tie)[:, :skip], found[:, skip:]], 1)

    return carried


def carried_recall(j: int, k: int, first: int = 1, start: int = 0) -> Metric:
    """R@j of `carried_rank`: sessions stop at their first hit among the first `k` and keep that rank."""

    def recall(ranks: Ranks, tie: Tie = "expected") -> Table:
        if tie != "expected":
            return (carried_rank(k, first, start)(ranks, tie) <= j).double()
        skip = max(first - start, 0)
        within, both = recall_at(j)(ranks, tie), recall_at(min(j, k))(ranks, tie)
        missed = _missed(ranks, tie, k, skip)
        before = torch.cat([torch.ones_like(missed[:, :1]), missed[:, :-1]], 1)
        stopped = (before * both)[:, skip:].cumsum(1)
        beyond = (before * (within - recall_at(k)(ranks, tie)).clamp(min=0))[:, skip:]
        return torch.cat([within[:, :skip], stopped + beyond], 1)

    return recall


def area(metric: Metric, first: int = 1, start: int = 0) -> Metric:
    """Area under a metric over the turns, by trapezoids, divided by the turns it spans: 1 if it is always 1.

    One value a session; of one turn alone it is the metric itself.
    """

    def under(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, " session"]:
        values = metric(ranks, tie)
        values = values[:, min(max(first - start, 0), values.shape[1] - 1) :]
        return values[:, 0] if values.shape[1] == 1 else torch.trapezoid(values) / (values.shape[1] - 1)

    return under


def bri(ranks: Ranks, tie: Tie = "expected") -> Float64[Tensor, " session"]:
    """Best log Rank Integral: area under the log of the best rank so far, over T turns; lower is better, 0 is best.

    (1/2T) ln(p0 pT) + (1/T) sum of ln pt for t = 1 .. T-1, where pt is the best rank up to turn t. The first column
    is p0, so that a session's start counts. Under `expected`, a tied block stands at its mean rank.

    Raises:
        ValueError: the table has one turn only.
    Source:
        PlugIR (Lee et al., 2024).
    Example:
        >>> ranks = torch.tensor([[100, 10, 100], [100, 100, 10]])
        >>> [round(value, 1) for value in bri(Ranks(ranks, ranks, 1000)).tolist()]
        [2.9, 4.0]
    """
    if ranks.best.shape[1] < 2:
        raise ValueError("BRI compares turns and needs at least two, the start and one reply; leave it out")
    logs = ranks.under(tie).log().cummin(1).values
    return torch.trapezoid(logs) / (logs.shape[1] - 1)


def _missed(ranks: Ranks, tie: Tie, k: int, skip: int) -> Table:
    """Chance that no turn so far had the target among the first `k`; the first `skip` turns cannot hit."""
    recall = recall_at(k)(ranks, tie)
    recall[:, : max(skip, 0)] = 0
    return (1 - recall).cumprod(1)


def _extreme(ranks: Ranks, k: int, skip: int, worst: bool) -> Table:
    """Worst or best carried rank that some breaking of the ties leads to."""
    end, none = (torch.maximum, -torch.inf) if worst else (torch.minimum, torch.inf)
    best, last = ranks.best.double(), ranks.worst.double()
    hit, on = (last.clamp(max=k), last) if worst else (best, best.clamp(min=k + 1))
    extreme = torch.full_like(best[:, 0], none)  # among the sessions that may have stopped
    going = torch.ones_like(best[:, 0], dtype=torch.bool)  # whether one may have not
    columns = [
        ranks.under("pessimistic" if worst else "optimistic")[:, turn] for turn in range(min(skip, best.shape[1]))
    ]
    for turn in range(skip, best.shape[1]):
        extreme = torch.where(going & (best[:, turn] <= k), end(extreme, hit[:, turn]), extreme)
        going = going & (last[:, turn] > k)
        columns.append(torch.where(going, end(extreme, on[:, turn]), extreme))
    return torch.stack(columns, 1)
