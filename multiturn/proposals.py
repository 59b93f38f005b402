"""What an index is asked for scores of one or several query vectors; index.py makes pages of its answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from multiturn.region_scoring import StateScores
from multiturn.scoring import Scores, Similarity, VectorScores

if TYPE_CHECKING:
    from multiturn.index import Index


@runtime_checkable
class CombinedScores(Scores, Protocol):
    """Scores made of those of several query vectors of a session, with some candidates put last."""

    @property
    def vectors(self) -> Float[Tensor, "candidate dim"]:
        """The gallery's, as they are scored."""
        ...

    @property
    def similarity(self) -> Similarity:
        """Of all query vectors."""
        ...

    @property
    def of_queries(self) -> Sequence[VectorScores]:
        """One of each query vector; none while all candidates are alike."""
        ...

    @property
    def put_last(self) -> int:
        """How many candidates of a session come last, at most."""
        ...


def proposals(scores: Scores, index: "Index", k: int) -> Int[Tensor, "session wide"]:
    """Positions among which the best `k` candidates of each session probably are; -1 where there is none.

    Raises:
        ValueError: scores that have no query vectors.
    """
    match scores:
        case VectorScores():
            return index.propose(scores.queries, k)
        case CombinedScores():
            nothing = torch.empty(scores.shape[0], 0, dtype=torch.long, device=scores.device)
            found = [index.propose(one.queries, k + scores.put_last).to(scores.device) for one in scores.of_queries]
            return torch.cat([nothing, *found], 1)
        case StateScores():
            return _by_states(scores, index, k)
    raise without_vectors(scores)


def _by_states(scores: StateScores, index: "Index", k: int) -> Int[Tensor, "session wide"]:
    """What is proposed for each state, and for the mean of a session's states if it has several."""
    sessions = scores.shape[0]
    total = torch.zeros(sessions, scores.regions.vectors.shape[2], dtype=torch.float64, device=scores.device)
    found = [torch.full((sessions, 1), -1, device=scores.device)]
    for number, column in enumerate(scores.columns):
        held = (scores.places == number).sum(1)
        units = column.units
        total += held[:, None] * units
        found.append(_for_some(held > 0, units, index, k))
    several = (scores.places >= 0).sum(1) > 1
    # Opposite states may cancel each other, and nothing has the direction of zero.
    found.append(_for_some(several & (total.norm(dim=1) > 1e-6), total, index, k))
    return torch.cat(found, 1)


def _for_some(
    wanted: Bool[Tensor, " session"], queries: Float64[Tensor, "session dim"], index: "Index", k: int
) -> Int[Tensor, "session wide"]:
    if not bool(wanted.any()):
        return torch.full((len(wanted), 0), -1, device=wanted.device)
    proposed = index.propose(queries[wanted].float(), k).to(wanted.device)
    found = torch.full((len(wanted), proposed.shape[1]), -1, device=wanted.device)
    found[wanted] = proposed
    return found


def without_vectors(scores: Scores) -> ValueError:
    """What to raise where scores have no query vectors."""
    return ValueError(f"{type(scores).__name__} has no query vectors that an index could look for; leave the index out")
