"""The linear map of regions into a retriever's space, applied once a gallery; what is scored there lives elsewhere."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from drilldown.similarity import Pictures
from multiturn.encoders.kept import KeptOfGallery
from multiturn.gallery import Gallery
from multiturn.region_scoring import RegionVectors
from multiturn.regions import Regions
from multiturn.scoring import norms_of_rows

_ROWS_AT_ONCE = 1 << 14  # 128 MB of float32 at 2,048 numbers


class Projection(nn.Module):
    """W_I c + b_I, from an encoder's vectors into the retriever's space.

    In evaluation mode the last gallery's vectors are kept as long as that gallery lives and the weights stay.

    Args:
        fingerprint: of the encoder whose vectors it was trained on; a gallery of another one is refused.
        region_dim: length of those vectors.
        dim: of the retriever's space.
    Source:
        papers/drill-down.txt, section 3.1: v_j = W_I c_j + b_I.
    """

    def __init__(self, fingerprint: str, region_dim: int, dim: int) -> None:
        super().__init__()
        self.fingerprint = fingerprint
        self.map = nn.Linear(region_dim, dim)
        self._kept = KeptOfGallery()

    def check(self, gallery: Gallery) -> None:
        """Raise ValueError unless `gallery` holds the vectors that this was made for."""
        gallery.check_made_by(self.fingerprint)
        self._check_width(gallery.vectors)

    def check_regions(self, gallery: Gallery) -> Bool[Tensor, "candidate region"]:
        """The mask of a gallery; raise ValueError if it has one vector a candidate and no regions."""
        if gallery.mask is None:
            raise ValueError(
                f"this retriever looks at regions, and the gallery ({gallery.source}) has one vector a candidate; "
                "encode regions, or choose the model hre"
            )
        return gallery.mask

    def pictures(self, regions: Regions) -> Pictures:
        """A batch of pictures in the retriever's space, with gradients."""
        self._check_width(regions.vectors)
        return Pictures.of(self.map(regions.vectors.to(self.map.weight.dtype)), regions.mask)

    def globals_of(self, regions: Regions) -> Float[Tensor, "picture dim"]:
        """One vector a picture, of the mean of its regions, with gradients."""
        self._check_width(regions.vectors)
        return self.map(_means(regions.vectors, regions.mask).to(self.map.weight.dtype))

    @torch.no_grad()
    def region_vectors(self, gallery: Gallery) -> RegionVectors:
        """A gallery's regions in the retriever's space, laid out for scoring.

        Raises:
            ValueError: the gallery has one vector a candidate and no regions.
        """
        mask = self.check_regions(gallery)
        return self._once("regions", gallery, lambda: RegionVectors(self._mapped(gallery.vectors), mask))

    @torch.no_grad()
    def global_vectors(self, gallery: Gallery) -> tuple[Tensor, Tensor]:
        """One vector a candidate in the retriever's space, and their norms; of regions their mean is taken."""

        def made() -> tuple[Tensor, Tensor]:
            whole = gallery.vectors if gallery.mask is None else _means(gallery.vectors, gallery.mask)
            vectors = self._mapped(whole)
            return vectors, norms_of_rows(vectors)

        return self._once("means", gallery, made)

    def _once(self, what: str, gallery: Gallery, make: Callable[[], Any]) -> Any:
        """What `make` returns, or returned when it was last asked for `what` of this gallery with these weights."""

        def checked() -> Any:
            self.check(gallery)
            return make()

        return self._kept.get(what, gallery, (self.map.weight, self.map.bias), checked, keep=not self.training)

    def _mapped(self, vectors: Float[Tensor, "candidate *region wide"]) -> Float[Tensor, "candidate *region dim"]:
        rows = max(1, _ROWS_AT_ONCE // max(1, vectors[0, ..., 0].numel()))
        parts = vectors.split(rows)
        return torch.cat([self.map(part.to(self.map.weight)) for part in parts])

    def _check_width(self, vectors: Float[Tensor, "item *region wide"]) -> None:
        if vectors.shape[-1] != self.map.in_features:
            raise ValueError(
                f"the gallery's vectors have {vectors.shape[-1]} numbers, the retriever was made for "
                f"{self.map.in_features}; encode the gallery with the retriever's encoder, or train a retriever for it"
            )


def _means(vectors: Float[Tensor, "item region wide"], mask: Bool[Tensor, "item region"]) -> Float[Tensor, "item wide"]:
    parts = zip(vectors.split(1024), mask.split(1024), strict=True)
    return torch.cat([(v.float() * m[..., None]).sum(1) / m.sum(1, keepdim=True) for v, m in parts])
