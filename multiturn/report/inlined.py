"""Small JPEG pictures that are written into a page itself, together within a budget of bytes; no page is made here."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from multiturn.pictures import read_picture

BUDGET = 1_500_000  # bytes of all pictures of a gallery as they stand in the page: it stays within a few MB
# Pixels of the longer side and JPEG quality. A page shows 92 pixels; the first size is sharp on dense displays.
SIZES = ((160, 80), (112, 75), (80, 70), (56, 60))


@dataclass(frozen=True)
class Inlined:
    """Pictures of a page.

    Attributes:
        pictures: JPEG files in base64, by id.
        missing: ids of which there is no image.
        left_out: ids whose pictures the budget had no room for.
    """

    pictures: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def inline_pictures(images: Any, wanted: Sequence[str], budget: int = BUDGET) -> Inlined:
    """Make thumbnails in the largest of `SIZES` that keeps within the budget.

    Args:
        images: a data set with the columns `id` and `image`.
        wanted: ids, one for every place of the page, the most important first: if even the smallest size is too much,
            room is given in this order.
        budget: bytes of all places together, in base64.
    Raises:
        ValueError: an image that cannot be decoded (its id is named).
    """
    rows = {name: row for row, name in enumerate(images["id"])}
    places = Counter(wanted)
    found = {name: images[rows[name]]["image"] if name in rows else None for name in places}
    missing = tuple(name for name, image in found.items() if image is None)
    small = {name: _fitted(read_picture(image, name), SIZES[0][0]) for name, image in found.items() if image}
    encoded: dict[str, str] = {}
    for side, quality in SIZES:
        encoded = {name: _jpeg(_fitted(image, side), quality) for name, image in small.items()}
        if sum(len(text) * places[name] for name, text in encoded.items()) <= budget:
            return Inlined(encoded, missing)
    left = budget
    kept: dict[str, str] = {}
    for name, text in encoded.items():
        if len(text) * places[name] <= left:
            left -= len(text) * places[name]
            kept[name] = text
    return Inlined(kept, missing, tuple(name for name in encoded if name not in kept))


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """The image within a square, in its own proportions; a smaller one stays as it is."""
    fitted = image.copy()
    fitted.thumbnail((side, side), Image.Resampling.LANCZOS)
    return fitted


def _jpeg(image: Image.Image, quality: int) -> str:
    file = BytesIO()
    image.save(file, format="JPEG", quality=quality, optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
