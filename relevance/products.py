"""Products of a gallery's vectors with each other, computed once for all sessions and turns where they fit."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

CELLS = 1 << 26  # numbers in the table, 256 MB: galleries of up to 8,192 vectors
COLUMNS = 512  # so that what all sessions look up in a part of such a gallery stays in the processor's caches


@dataclass(frozen=True)
class Products:
    """Vectors, and all their products, in parts of some hundred columns.

    What a session judges lies in the gallery itself, so the products of judged images with all candidates are rows of
    one table, whatever session and turn.

    Attributes:
        vectors: of the gallery, as a method scales them.
        parts: of the vectors, in their order.
        table: products of all vectors with those of each part; None where it would be too large.
    """

    vectors: Float[Tensor, "candidate dim"]
    parts: tuple[slice, ...]
    table: tuple[Float[Tensor, "candidate _"], ...] | None

    @classmethod
    def of_vectors(
        cls, vectors: Float[Tensor, "candidate dim"], cells: int = CELLS, columns: int = COLUMNS
    ) -> "Products":
        """With the table, unless it has more than `cells` numbers; `columns` are in a part."""
        parts = tuple(slice(first, first + columns) for first in range(0, len(vectors), columns))
        fits = len(vectors) ** 2 <= cells
        return cls(vectors, parts, tuple(vectors @ vectors[part].T for part in parts) if fits else None)

    def of(self, images: Int[Tensor, " image"], number: int) -> Float[Tensor, "image column"]:
        """Products of images with a part.

        Example:
            >>> import torch
            >>> products = Products.of_vectors(torch.tensor([[1.0, 0.0], [2.0, 1.0]]))
            >>> products.of(torch.tensor([1]), 0)
            tensor([[2., 5.]])
        """
        if self.table is None:
            return self.vectors[images] @ self.vectors[self.parts[number]].T
        return self.table[number].index_select(0, images)
