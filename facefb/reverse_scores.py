"""Scores by one or several example vectors, with candidates that are out of the question put last; no state here."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.scoring import Scores, Similarity, VectorScores


class ExampleScores:
    """The best of several scores of each candidate, and dropped candidates below all others.

    Args:
        parts: of the same sessions and candidates; where there are several, a session takes each candidate's best.
        dropped: positions that come last in each session, all alike; -1 fills up.
        least: a bound below all scores of `parts`, one a session.
        vectors: the candidates'.
    """

    similarity: Similarity = "l2"

    def __init__(
        self,
        parts: Sequence[Scores],
        dropped: Int[Tensor, "session dropped"],
        least: Float64[Tensor, " session"],
        vectors: Float[Tensor, "candidate dim"],
    ) -> None:
        self._parts, self._dropped, self.vectors = parts, dropped, vectors
        self.of_queries = tuple(part for part in parts if isinstance(part, VectorScores))
        self.put_last = dropped.shape[1]
        self.shape, self.device, self.offset = parts[0].shape, parts[0].device, parts[0].offset
        self._shift = [(part.offset - self.offset).float()[:, None] for part in parts]
        slack = torch.stack([part.slack for part in parts]).amax(0)
        if len(parts) > 1:
            # Moving a block from its own offset to the common one rounds it once more.
            largest = least.abs() + torch.stack([part.offset.abs() for part in parts]).amax(0)
            slack = slack + 8 * 2.0**-24 * (largest + slack)
        self.slack = slack
        # The same float32 number in blocks and in exact scores, so that rounding makes no difference between them.
        self._floor = (least - 1 - self.offset).float()

    def block(self, first: int, last: int) -> Float[Tensor, "session block"]:
        """See `multiturn.scoring.Scores.block`."""
        block = self._parts[0].block(first, last)
        for part, shift in zip(self._parts[1:], self._shift[1:], strict=True):
            block = torch.maximum(block, part.block(first, last) + shift)
        inside = (self._dropped >= first) & (self._dropped < last)
        session, column = inside.nonzero(as_tuple=True)
        if len(session):
            block = block.clone()
            block[session, self._dropped[session, column] - first] = self._floor[session].to(block.dtype)
        return block

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """See `multiturn.scoring.Scores.exact`."""
        best = torch.stack([part.exact(session, candidate) for part in self._parts]).amax(0)
        gone = (self._dropped[session] == candidate[:, None]).any(1)
        return torch.where(gone, (self._floor.double() + self.offset)[session], best)


def similarity(score: float) -> float:
    """Turn a score -d^2 into the 1 / (1 + d^2) that the source prints; the order is the same.

    Source:
        papers/reverse-visual-search.txt, equation 1.
    Example:
        >>> similarity(0.0), similarity(-3.0)
        (1.0, 0.25)
    """
    return 1 / (1 - score)
