"""Indexes propose candidates for vectors; the exact one is here, and a rank is never decided by any other."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.scoring import Similarity, VectorScores
from multiturn.search import search


@runtime_checkable
class Index(Protocol):
    """Finds the candidates nearest to query vectors, exactly or not."""

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """Scores and positions of the best `k` candidates a query, best first."""
        ...


@dataclass(frozen=True)
class ExactIndex:
    """Compares every query with every candidate.

    Example:
        >>> import torch
        >>> gallery = Gallery(("a", "b", "c"), torch.tensor([[0.0], [1.0], [5.0]]), "numbers", "three numbers")
        >>> scores, positions = ExactIndex(gallery).search(torch.tensor([[4.0]]), k=2)
        >>> positions.tolist(), scores.tolist()
        ([[2, 1]], [[-1.0, -9.0]])
    """

    gallery: Gallery
    similarity: Similarity = "l2"

    def scores(self, queries: Float[Tensor, "query dim"]) -> VectorScores:
        """Scores of all candidates, for `multiturn.search.search`."""
        return VectorScores(queries, self.gallery.vectors, self.gallery.norms, self.similarity)

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """See `Index.search`."""
        found = search(self.scores(queries), k)
        return found.scores, found.positions
