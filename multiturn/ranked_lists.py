"""Metrics of lists with several relevant candidates: precision, recall, average precision; ranks of one are in ranks.

Every function takes which candidates are relevant, in the order in which a list ranks them, best first.
"""

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor


def in_ranked_order(
    scores: Float[Tensor, "session candidate"],
    relevant: Bool[Tensor, "session candidate"],
    left_out: Int[Tensor, "session out"] | None = None,
) -> Bool[Tensor, "session ranked"]:
    """Sort relevance by score, best first; equal scores stand in the order of their positions, as a page shows them.

    Args:
        scores: higher is better.
        relevant: whether a candidate is what the session wants.
        left_out: positions that the list does not hold, such as the query itself; as many distinct ones in each
            session, so that all lists are of one length.
    Example:
        >>> in_ranked_order(torch.tensor([[0.1, 0.9, 0.5]]), torch.tensor([[True, False, True]])).tolist()
        [[False, True, True]]
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranked = relevant.gather(1, order)
    if left_out is None or left_out.shape[1] == 0:
        return ranked
    kept = ~(order[:, :, None] == left_out[:, None, :]).any(2)
    return ranked[kept].view(len(scores), -1)


def precision_at(k: int, ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """Share of the first `k` that is relevant; a shorter list counts as filled up with wrong ones."""
    return ranked[:, :k].sum(1).double() / k


def lift_at(k: int, ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """How many times as often the first `k` are relevant as by chance; 0 where nothing is relevant.

    Precision divided by the list's own prevalence. Its mean over sessions is another number than the mean precision
    divided by the mean prevalence: in that ratio, what is common counts most, of which no list can hold much more than
    chance does; in this mean, what is rare does.

    Example:
        >>> lift_at(1, torch.tensor([[True, False, False, False], [True, True, True, False]])).tolist()
        [4.0, 1.3333...]
    """
    return precision_at(k, ranked) * ranked.shape[1] / ranked.sum(1).clamp(min=1)


def recall_of_relevant_at(k: int, ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """Share of the relevant ones that is among the first `k`; 0 where nothing is relevant."""
    return ranked[:, :k].sum(1).double() / ranked.sum(1).clamp(min=1)


def hit_at(k: int, ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """1 if at least one of the first `k` is relevant, else 0; metric learning calls it Recall@k."""
    return ranked[:, :k].any(1).double()


def average_precision(ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """Mean, over the relevant ones, of the precision of the list up to each; 0 where nothing is relevant.

    Example:
        >>> average_precision(torch.tensor([[True, False, True]])).tolist()
        [0.8333...]
    """
    found = ranked.cumsum(1, dtype=torch.int32)
    places = torch.arange(1, ranked.shape[1] + 1, device=ranked.device)
    precision = torch.where(ranked, found / places, 0.0).sum(1, dtype=torch.float64)
    return precision / ranked.sum(1).clamp(min=1)


def r_precision(ranked: Bool[Tensor, "session ranked"]) -> Float64[Tensor, " session"]:
    """Share of relevant ones among the first R, where R is how many there are; 0 where nothing is relevant."""
    relevant = ranked.sum(1)
    places = torch.arange(ranked.shape[1], device=ranked.device)
    return (ranked & (places < relevant[:, None])).sum(1).double() / relevant.clamp(min=1)
