"""The vectors of a gallery as an index takes them: in float32, some at a time, a row each; no index is made here."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.index_settings import By
from multiturn.scoring import Similarity

_NUMBERS_AT_ONCE = 1 << 24  # 64 MB of float32


@dataclass(frozen=True)
class Rows:
    """What is indexed of a gallery.

    Attributes:
        by: 'vectors', or of a gallery of regions 'pooled' or 'regions'.
        owners: the candidate of each row, where that is not the row's own number.
    Raises:
        ValueError: regions are wanted of a gallery without, or vectors of a gallery of regions.
    """

    gallery: Gallery
    similarity: Similarity
    by: By

    def __post_init__(self) -> None:
        if (self.gallery.mask is None) != (self.by == "vectors"):
            has = "one vector" if self.gallery.mask is None else "several regions"
            fit = "by: vectors" if self.gallery.mask is None else "by: pooled or by: regions, with similarity: cosine"
            raise ValueError(f"a candidate of the gallery ({self.gallery.source}) has {has}; index it {fit}")

    @property
    def dim(self) -> int:
        """Numbers in a row."""
        return self.gallery.vectors.shape[-1]

    def __len__(self) -> int:
        mask = self.gallery.mask
        return int(mask.sum()) if mask is not None and self.by == "regions" else len(self.gallery)

    @property
    def owners(self) -> Int[Tensor, " row"] | None:
        """The candidate of each row; None where that is the row's own number."""
        mask = self.gallery.mask
        return mask.cpu().nonzero()[:, 0] if mask is not None and self.by == "regions" else None

    def blocks(self) -> Iterator[Float32[np.ndarray, "row dim"]]:
        """All rows in order.

        Raises:
            ValueError: a vector is zero where a cosine is wanted.
        """
        step = max(1, _NUMBERS_AT_ONCE // self.gallery.vectors[0].numel())
        for first in range(0, len(self.gallery), step):
            yield self._made(torch.arange(first, min(first + step, len(self.gallery))))

    def drawn(self, wanted: int, seed: int) -> Float32[np.ndarray, "row dim"]:
        """So many rows drawn without replacement, or all if there are no more; in the order of the gallery."""
        rng = np.random.default_rng(seed)
        candidates, each = len(self.gallery), len(self) / len(self.gallery)
        # Whole candidates are drawn, so that a gallery in a file is read where they lie and nowhere else.
        count = min(candidates, int(np.ceil(wanted / each)))
        chosen = torch.from_numpy(np.sort(rng.choice(candidates, count, replace=False)))
        step = max(1, _NUMBERS_AT_ONCE // self.gallery.vectors[0].numel())
        return np.concatenate([self._made(some) for some in chosen.split(step)])

    def _made(self, candidates: Int[Tensor, " candidate"]) -> Float32[np.ndarray, "row dim"]:
        place = candidates.to(self.gallery.vectors.device)
        vectors = self.gallery.vectors[place].float().cpu()
        if self.gallery.mask is None:
            rows = (
                unit_rows(vectors, f"candidates from {self.gallery.ids[int(candidates[0])]!r} on")
                if self.similarity == "cosine"
                else vectors
            )
            return rows.numpy()
        mask = self.gallery.mask[place].cpu()
        units = unit_rows(vectors[mask], f"regions from those of {self.gallery.ids[int(candidates[0])]!r} on")
        return units.numpy() if self.by == "regions" else _means(units, mask).numpy()


def unit_rows(vectors: Float[Tensor, "row dim"], what: str) -> Float32[Tensor, "row dim"]:
    """Rows at length 1.

    Raises:
        ValueError: one of them is zero.
    """
    lengths = vectors.double().norm(dim=1, keepdim=True)
    if bool((lengths == 0).any()):
        raise ValueError(f"row {int((lengths == 0).nonzero()[0, 0])} of the {what} is zero and has no cosine")
    return (vectors.double() / lengths).float()


def _means(
    units: Float32[Tensor, "row dim"], mask: Bool[Tensor, "candidate region"]
) -> Float32[Tensor, "candidate dim"]:
    sums = torch.zeros(len(mask), units.shape[1])
    sums.index_add_(0, mask.nonzero()[:, 0], units)
    return sums / mask.sum(1, keepdim=True)
