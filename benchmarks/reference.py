"""Ranks the slow way, in float64 and one query at a time: what every fast result is checked against."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

ROUNDING = 1e-12  # relative; float64 sums of some hundred squares, added up in any order, agree to this
_ROWS = 1 << 13  # at once: 16 MB of float64 at 256 dimensions


def squared_distances(vectors: Float[Tensor, "candidate dim"], query: Float[Tensor, " dim"]) -> Float64[Tensor, " c"]:
    """Squared distances from one query to all vectors, in float64."""
    wide = query.double()
    return torch.cat([(part.double() - wide).square_().sum(1) for part in vectors.split(_ROWS)])


def rank_bracket(distances: Float64[Tensor, " candidate"], target: int) -> tuple[int, int]:
    """Lowest and highest rank that the target can have, if distances equal within rounding may be ties.

    Example:
        >>> rank_bracket(torch.tensor([0.5, 2.0, 0.1, 2.0], dtype=torch.float64), 1)
        (3, 4)
    """
    own = float(distances[target])
    return 1 + int((distances < own * (1 - ROUNDING)).sum()), int((distances <= own * (1 + ROUNDING)).sum())


def is_nearest(distances: Float64[Tensor, " candidate"], position: int) -> bool:
    """Whether no candidate is nearer than the one at `position`, by more than rounding."""
    return float(distances[position]) <= float(distances.min()) * (1 + ROUNDING)
