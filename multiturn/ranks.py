"""The rank of a target among all candidates, exact and with its ties; what is done with ranks is in metrics.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Tie = Literal["expected", "pessimistic", "optimistic"]
TIES: tuple[Tie, ...] = ("expected", "pessimistic", "optimistic")


@dataclass(frozen=True)
class Ranks:
    """Ranks of targets, counted from 1, with both ends of the block of candidates that tie with the target.

    Attributes:
        best: rank if every tie falls in the target's favour.
        worst: rank if every tie falls against it.
        candidates: how many candidates were ranked.
    Raises:
        ValueError: not 1 <= best <= worst <= candidates.
    """

    best: Int[Tensor, "*table"]
    worst: Int[Tensor, "*table"]
    candidates: int

    def __post_init__(self) -> None:
        fine = (self.best >= 1) & (self.best <= self.worst) & (self.worst <= self.candidates)
        if not bool(fine.all()):
            where = int((~fine).flatten().nonzero()[0, 0])
            best, worst = self.best.flatten()[where].item(), self.worst.flatten()[where].item()
            raise ValueError(f"rank {best}..{worst} is not within 1..{self.candidates}")

    def under(self, tie: Tie) -> Float[Tensor, "*table"]:
        """Ranks under one rule for ties; `expected` is the mean of the tied block."""
        if tie == "expected":
            return (self.best + self.worst).double() / 2
        return (self.best if tie == "optimistic" else self.worst).double()

    def to(self, device: torch.device | str) -> "Ranks":
        """The same ranks on `device`."""
        return Ranks(self.best.to(device), self.worst.to(device), self.candidates)


def join(parts: Sequence[Ranks], dim: int) -> Ranks:
    """Concatenate rank tables of the same gallery along `dim`."""
    best, worst = (torch.cat([getattr(part, end) for part in parts], dim) for end in ("best", "worst"))
    return Ranks(best, worst, parts[0].candidates)


def ranks_of_targets(scores: Float[Tensor, "session candidate"], target: Int[Tensor, " session"]) -> Ranks:
    """Rank each session's target in a full table of scores, by counting what beats it.

    `multiturn.search.search` gives the same ranks without the table.

    Args:
        scores: higher is better; any finite scale.
        target: position of the target, in [0, candidate).
    Raises:
        ValueError: a score is NaN or infinite (a diverged model must not look like a good one), or a target lies
            outside the table.
    Source:
        Sorting and looking the target up, as released code often does, gives a NaN-scored target the best rank
        and breaks ties by the sort's whim.
    Example:
        >>> ranks = ranks_of_targets(torch.tensor([[0.2, 0.9, 0.9, 0.5]]), torch.tensor([1]))
        >>> ranks.best.item(), ranks.worst.item(), ranks.under("expected").item()
        (1, 2, 1.5)
    """
    check_targets(target, scores.shape[1])
    check_finite(scores)
    own = scores.gather(1, target[:, None])
    best = 1 + (scores > own).sum(1)
    return Ranks(best, best - 1 + (scores == own).sum(1), scores.shape[1])


def rank_of_target(
    scores: Float[Tensor, "session candidate"], target: Int[Tensor, " session"]
) -> Int[Tensor, " session"]:
    """Rank of each session's target, counting from 1; a tie counts against the target.

    Example:
        >>> rank_of_target(torch.tensor([[0.2, 0.9, 0.5]]), torch.tensor([2]))
        tensor([2])
    """
    return ranks_of_targets(scores, target).worst


def check_finite(scores: Float[Tensor, "session candidate"]) -> None:
    """Raise ValueError, naming the first place, if a score is NaN or infinite."""
    if not bool(torch.isfinite(scores).all()):
        session, candidate = (~torch.isfinite(scores)).nonzero()[0].tolist()
        value = scores[session, candidate].item()
        raise ValueError(
            f"the score of candidate {candidate} in session {session} is {value}; a model that diverged cannot be "
            "ranked: lower its learning rate or look for NaN in its input"
        )


def check_targets(target: Int[Tensor, " session"], candidates: int) -> None:
    """Raise ValueError if a target's position lies outside the gallery."""
    outside = (target < 0) | (target >= candidates)
    if bool(outside.any()):
        value = target[outside][0].item()
        raise ValueError(f"target {value} is not in the gallery, whose positions are 0..{candidates - 1}")
