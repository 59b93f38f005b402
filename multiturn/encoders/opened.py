"""Pictures one by one with their ids, from a data set or a list; batches and decoding in workers live in `towers`."""

from collections.abc import Iterator, Sequence
from typing import Any

from datasets import Dataset
from PIL import Image

from multiturn.encoders.towers import to_rgb


def opened(items: Any) -> Iterator[tuple[str, Image.Image]]:
    """Yield id and picture, in RGB, of each item.

    Args:
        items: a data set with an `image` column, and an `id` column or else the row number is the id; or a list of
            pictures, whose ids are their places.
    Raises:
        ValueError: neither, or a picture cannot be decoded; it is named.
    """
    if isinstance(items, Dataset):
        if "image" not in items.column_names:
            raise ValueError(f"the data set has the columns {items.column_names}, but no `image`")
        # Decoded row by row, so that a picture that cannot be is named.
        images = items.select_columns(["image"])
        names = [str(name) for name in items["id"]] if "id" in items.column_names else [*map(str, range(len(items)))]
        for row, name in enumerate(names):
            yield name, _decoded(name, images, row)
    elif isinstance(items, Sequence) and not isinstance(items, str | bytes):
        for row in range(len(items)):
            yield str(row), _decoded(str(row), items, row)
    else:
        raise ValueError(f"give a data set with an `image` column or a list of pictures, not {type(items).__name__}")


def _decoded(name: str, images: Any, row: int) -> Image.Image:
    try:
        image = images[row]["image"] if isinstance(images, Dataset) else images[row]
        if not isinstance(image, Image.Image):
            raise ValueError(f"it is a {type(image).__name__}, no picture")
        return to_rgb(image)
    # What Pillow's decoders raise: OSError mostly, and the others for damaged headers and chunks.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as reason:
        raise ValueError(
            f"image {name!r} cannot be decoded ({type(reason).__name__}: {reason}); replace it or leave it out"
        ) from reason
