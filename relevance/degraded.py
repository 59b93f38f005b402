"""Query images made worse before they are encoded: a black square, changed light, or both; seeded by the image's id."""

import hashlib
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset, Features
from datasets import Image as ImageColumn
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from multiturn.encoders import Encoder
from multiturn.pictures import read_picture

Degradation = Literal["none", "cutout", "gamma", "both"]
# The source cuts out 100 x 100 pixels, before a network that reads 299 x 299. Of any other size it is the same share.
CUTOUT = 100 / 299
_AT_ONCE = 256  # degraded pictures in memory


class DegradedImages:
    """An encoder of pictures that are degraded first; implements `multiturn.encoders.Encoder`.

    Args:
        encoder: of pictures.
        degradation: see `degrade`.
        gamma: see `degrade`.
        seed: of the draws.
    """

    def __init__(self, encoder: Encoder, degradation: Degradation, gamma: float = 2.5, seed: int = 0) -> None:
        self.encoder, self.gamma, self.seed = encoder, gamma, seed
        self.degradation: Degradation = degradation
        self.fingerprint = f"{encoder.fingerprint} of {degradation} {gamma:g}, seed {seed}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`; `items` are a data set with the columns `id` and `image`."""
        if self.degradation == "none":
            return self.encoder.encode(items, batch_size, show_progress)
        vectors, features = [], Features(image=ImageColumn())
        for first in range(0, len(items), _AT_ONCE):
            rows = items.select(range(first, min(first + _AT_ONCE, len(items))))
            images = [
                degrade(read_picture(row["image"], row["id"]), row["id"], self.degradation, self.gamma, self.seed)
                for row in rows
            ]
            degraded = Dataset.from_dict({"image": images}, features=features)
            vectors.append(self.encoder.encode(degraded, batch_size, show_progress))
        return torch.cat(vectors) if vectors else torch.empty(0, self.dim)


def degrade(
    picture: Image.Image, name: str, degradation: Degradation, gamma: float = 2.5, seed: int = 0
) -> Image.Image:
    """Make a picture worse; the same picture and seed always give the same.

    Args:
        picture: in RGB.
        name: its id, of which, and of the seed, the draws are a function.
        degradation: 'cutout' blackens a rectangle of 100/299 of width and height at a random place inside the picture;
            'gamma' raises all values, in [0, 1], to a random power between 1 / `gamma` and `gamma`, as often below 1
            (brighter) as above; 'both' does both.
        gamma: 1 changes nothing.
        seed: of the draws.
    Raises:
        ValueError: gamma < 1.
    Source:
        papers/relevance-feedback-cub.txt, "Image Manipulation": a square of 100 x 100 pixels, and RGB values that are
        increased or decreased. At what size of picture, in which colour, and by how much is not stated there.
    """
    if not gamma >= 1:
        raise ValueError(f"gamma is the largest power, 1 or more, not {gamma}")
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    power, down, right = np.random.default_rng(int.from_bytes(digest[:8], "big")).random(3)
    pixels = np.asarray(picture)
    if degradation in ("gamma", "both"):
        pixels = np.round(255 * (pixels / 255) ** gamma ** (2 * power - 1)).astype(np.uint8)
    if degradation in ("cutout", "both"):
        pixels = pixels.copy()
        height, width = (max(1, round(CUTOUT * side)) for side in pixels.shape[:2])
        top, left = (int(share * (side - size + 1)) for share, side, size in
                     zip((down, right), pixels.shape[:2], (height, width), strict=True))  # fmt: skip
        pixels[top : top + height, left : left + width] = 0
    return Image.fromarray(pixels)
