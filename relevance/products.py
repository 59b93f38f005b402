"""Products of a gallery's vectors with each other, computed once for all sessions and turns where they fit."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

CELLS = 1 << 26  # numbers in the table, 256 MB: galleries of up to 8,192 vectors


@dataclass(frozen=True)
class Products:
    """Vectors, and all their products.

    What a session judges lies in the gallery itself, so the products of judged images with all candidates are rows of
    one table, whatever session and turn.

    Attributes:
        vectors: of the gallery, as a method scales them.
        table: their products with each other; None where it would be too large.
    """

    vectors: Float[Tensor, "candidate dim"]
    table: Float[Tensor, "candidate candidate"] | None

    @classmethod
    def of_vectors(cls, vectors: Float[Tensor, "candidate dim"], cells: int = CELLS) -> "Products":
        """With the table, unless it has more than `cells` numbers."""
        return cls(vectors, vectors @ vectors.T if len(vectors) ** 2 <= cells else None)

    def of(self, images: Int[Tensor, "*shape"], some: slice) -> Float[Tensor, "*shape some"]:
        """Products of images with some of all; an image of -1 stands for none, and has any products.

        Example:
            >>> import torch
            >>> products = Products.of_vectors(torch.tensor([[1.0, 0.0], [2.0, 1.0]]))
            >>> products.of(torch.tensor([1]), slice(0, 2))
            tensor([[2., 5.]])
        """
        images = images.clamp(min=0)
        if self.table is None:
            return self.vectors[images] @ self.vectors[some].T
        return self.table[:, some][images]
