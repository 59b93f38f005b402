"""Words as queries in a gallery: the encoder that reads them, and the cosines that they find by; no photos here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from facefb.reverse_query import described, encoder_of
from multiturn.encoders import Encoder
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.gallery import Gallery
from multiturn.index import Index, search_proposed
from multiturn.scoring import VectorScores
from multiturn.search import Found, search

# Encoders of images whose model has a tower for texts beside.
PAIRED = {"open_clip": "open_clip_text", "transformers": "transformers_text"}
_COMPARED = "projected"  # vectors that CLIP and SigLIP compare


@dataclass(frozen=True)
class WordedGallery:
    """A gallery of images or texts, the encoder of words in its space, and what its manifest says of the data."""

    gallery: Gallery
    encoder: Encoder | RegionEncoder | FaceEncoder
    data: Mapping[str, Any]

    def by(self, texts: Sequence[str], top: int, index: Index | None = None) -> Found:
        """Search by words; several texts are searched by the mean of their vectors at length 1.

        Args:
            texts: at least one.
            top: candidates to find; all where there are fewer.
            index: an approximate one of cosines; without, the search is exact.
        Returns:
            positions, and the cosines as scores.
        Raises:
            ValueError: an index of another gallery or similarity.
        """
        vectors = self.encoder.encode(list(texts))
        assert isinstance(vectors, Tensor)
        query = normalize(vectors.float(), dim=1).mean(0, keepdim=True)
        device = self.gallery.vectors.device
        scores = VectorScores(query.to(device), self.gallery.vectors, self.gallery.norms, "cosine")
        page = min(top, len(self.gallery))
        return search(scores, page) if index is None else search_proposed(scores, index, page).found


def open_for_words(
    path: Path, device: torch.device | str = "cpu", moved: Mapping[str, str] | None = None
) -> WordedGallery:
    """Load a gallery that `python -m data_prep.encode` made, with what reads words in the same space.

    That is the gallery's own encoder where it holds texts; of images it is the text tower of the same model and
    weights, if there is one.

    Args:
        path: its folder, or the file in it.
        device: where to encode and search.
        moved: see `facefb.reverse_query.described`.
    Raises:
        FileNotFoundError: no gallery, or no weights where the manifest says.
        ValueError: no manifest; images of an encoder without a text tower; regions; or weights that are not those
            that made the gallery.
    """
    settings, manifest = described(path, moved)
    if manifest["regions"] is not None:
        raise ValueError(f"{path} holds regions; words are searched for among candidates with one vector each")
    reads = reader_of(settings, path)
    gallery = Gallery.load(path)
    own = encoder_of(settings, device)
    gallery.check_made_by(own.fingerprint)
    if settings.kind == "transformers" and f"-image-{_COMPARED}-" not in own.fingerprint:
        raise ValueError(f"{path} holds vectors of {settings.name} that no text is compared with; search by --image")
    encoder = own if reads is settings else encoder_of(reads, device)
    if encoder.dim != gallery.vectors.shape[1]:
        raise ValueError(
            f"texts of {reads.name} become {encoder.dim} numbers, its images in {path} have "
            f"{gallery.vectors.shape[1]}: these are two spaces; search by --image"
        )
    return WordedGallery(gallery.to(device), encoder, manifest["data"])


def reader_of(settings: EncoderSettings, path: Path) -> EncoderSettings:
    """The encoder of words in the space of an encoder: `settings` themselves if that is one of texts.

    Args:
        settings: of the encoder of a gallery.
        path: of that gallery, for messages.
    Raises:
        ValueError: there is none.
    """
    if settings.items == "text":
        return settings
    if settings.kind not in PAIRED:
        raise ValueError(
            f"{path} holds images encoded by {settings.kind}, which reads no words; search by --image, or encode the "
            "images with open_clip, or with CLIP or SigLIP of transformers"
        )
    if settings.pooling not in (None, _COMPARED):
        raise ValueError(
            f"{path} holds images pooled as {settings.pooling!r}, which no text is compared with; search by --image, "
            f"or encode with pooling {_COMPARED}"
        )
    pooling = _COMPARED if settings.kind == "transformers" else None
    return EncoderSettings(
        PAIRED[settings.kind],
        settings.name,
        settings.weights,
        pooling=pooling,
        normalise=settings.normalise,
        dtype=settings.dtype,
    )
