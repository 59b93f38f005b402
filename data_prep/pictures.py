"""Decoding and checking pictures of any kind; which data set they belong to, and resizing, live elsewhere."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image as Picture

# A decoded picture of so many pixels takes 240 MB; Pillow itself warns from 89,478,485 on and refuses twice that.
MOST_PIXELS = 80_000_000
# Starting a worker costs about as much as decoding so many small images.
_IMAGES_PER_PROCESS = 1_000
_EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
# "I" is how Pillow holds the 16 bits of a PGM and the 32 of a TIFF.
_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})


def read_picture(source: str | Path | bytes, name: str = "", most_pixels: int = MOST_PIXELS) -> Picture:
    """Decode a picture as a viewer shows it: upright, 8 bits, RGB.

    EXIF rotation is applied. Of an animation it is the first frame. Transparent places become white. Of 16 bits the
    upper eight are kept. CMYK goes through Pillow's plain conversion, without colour profile. A JPEG with too many
    pixels is decoded at a half, a quarter or an eighth of its size; any other such picture is refused.

    Args:
        source: path, or the bytes of the file.
        name: what to call it in messages; the path by default.
    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, cut short, no picture, too large, or of a kind without an agreed meaning in 8 bits (floating
            point, Lab); the message names the file.
    """
    import PIL.Image
    from PIL import ImageOps

    name = name or (f"picture of {len(source):,} bytes" if isinstance(source, bytes) else str(source))
    try:
        with _strict(), PIL.Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
            _fit(picture, most_pixels)
            picture.load()
            return to_rgb(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise
    except _decoding_errors() as error:
        raise ValueError(
            f"{name} cannot be decoded ({_told(error)}); copy or convert the file again, or remove it"
        ) from error


def to_rgb(picture: Picture) -> Picture:
    """Convert a decoded picture to 8-bit RGB; see `read_picture` for what becomes of 16 bits and transparency.

    Raises:
        ValueError: of a kind without an agreed meaning in 8 bits.
    Example:
        >>> import PIL.Image
        >>> to_rgb(PIL.Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
        (255, 255, 255)
        >>> to_rgb(PIL.Image.new("I;16", (1, 1), 0x8000)).getpixel((0, 0))
        (128, 128, 128)
    """
    import numpy as np
    import PIL.Image

    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture.copy()
    if picture.mode in _SIXTEEN_BIT:
        values = np.asarray(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError(f"its values go from {values.min():,} to {values.max():,}; save it with 8 bits a colour")
        return PIL.Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode not in _EIGHT_BIT:
        raise ValueError(f"its pixels are of kind {picture.mode!r}; save it as RGB with 8 bits a colour")
    if picture.has_transparency_data:
        white = PIL.Image.new("RGBA", picture.size, "white")
        return PIL.Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def check_pictures(
    dataset: Dataset, on_bad_image: Literal["error", "skip"] = "error", processes: int | None = None
) -> tuple[Dataset, list[str]]:
    """Decode every image once, and refuse or drop those that cannot be decoded.

    Each file is read to its end, JPEGs at an eighth of their size: that finds files that are empty, cut short
    or no images, and those that `read_picture` refuses. A JPEG with changed bytes in its middle still decodes, to
    wrong colours, and is not found.

    Args:
        dataset: has the columns `id` and `image`.
        on_bad_image: "error" raises, "skip" drops.
        processes: default: one a core, fewer for few images.
    Returns:
        the images that can be decoded, in the same order, and the `id`s of the others.
    Raises:
        ValueError: an image cannot be decoded and `on_bad_image` is "error"; names the first five.
    """
    if on_bad_image not in ("error", "skip"):
        raise ValueError(f"on_bad_image is {on_bad_image!r}; choose error or skip")
    faults = find_faults(dataset, processes)
    if not faults:
        return dataset, []
    if on_bad_image == "error":
        listed = "; ".join(f"{name} ({fault})" for name, fault in list(faults.values())[:5])
        raise ValueError(
            f"{len(faults):,} of {len(dataset):,} images cannot be decoded, first {listed}; copy or unpack them "
            "again, or pass on_bad_image='skip' to leave them out"
        )
    kept = dataset.select([row for row in range(len(dataset)) if row not in faults])
    return kept, [name for name, _ in faults.values()]


def find_faults(dataset: Dataset, processes: int | None = None) -> dict[int, tuple[str, str]]:
    """Decode every image once.

    Returns:
        row -> `id` and what is wrong, for the images that cannot be decoded, in their order.
    """
    from datasets import Features, Image, Value

    wanted = min(processes or os.cpu_count() or 1, 1 + len(dataset) // _IMAGES_PER_PROCESS)
    undecoded = dataset.select_columns(["image"]).cast_column("image", Image(decode=False))
    faults = undecoded.map(
        _faults,
        batched=True,
        batch_size=200,
        input_columns="image",
        remove_columns="image",
        features=Features({"fault": Value("string")}),
        num_proc=wanted if wanted > 1 else None,
        load_from_cache_file=False,  # a file may have changed since
        desc="decoding images",
    )["fault"][:]
    bad = [row for row, fault in enumerate(faults) if fault]
    names = dataset.select(bad)["id"][:] if bad else []
    return {row: (name, faults[row]) for row, name in zip(bad, names, strict=True)}


def _faults(images: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Why each image, given as bytes or path, cannot be decoded; "" where it can."""
    with _strict():
        sources = [image["path"] if image["bytes"] is None else image["bytes"] for image in images]
        return {"fault": [_fault(source) for source in sources]}


def _fault(source: str | bytes) -> str:
    import PIL.Image

    try:
        with PIL.Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
            _fit(picture, MOST_PIXELS, shrink=8)
            picture.load()
            picture.getexif()
            if picture.mode not in _EIGHT_BIT:
                to_rgb(picture)
    except _decoding_errors() as error:
        return _told(error)
    return ""


def _fit(picture: Picture, most_pixels: int, shrink: int = 1) -> None:
    """Ask a JPEG decoder for a smaller picture, or refuse, where there are too many pixels.

    Args:
        shrink: 1, 2, 4 or 8: never decode a JPEG larger than this part of its size.
    """
    width, height = picture.size
    while shrink < 8 and width * height > most_pixels * shrink**2:
        shrink *= 2
    if shrink > 1:
        # Only JPEG has a draft; other formats stay as large as they are. A second draft would undo the first.
        picture.draft(None, (max(1, width // shrink), max(1, height // shrink)))
    if picture.width * picture.height > most_pixels:
        raise ValueError(
            f"{width:,} x {height:,} pixels are {width * height / 1e6:,.0f} megapixels, "
            f"over the limit of {most_pixels / 1e6:,.0f}: make the picture smaller"
        )


def _decoding_errors() -> tuple[type[Exception], ...]:
    """What Pillow's decoders raise: OSError mostly, and the others for damaged headers, chunks and EXIF blocks."""
    import PIL.Image

    decompression_bomb = PIL.Image.DecompressionBombError
    return (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, struct.error, decompression_bomb)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


@contextmanager
def _strict() -> Iterator[None]:
    """Refuse files that were cut short, even where another library set Pillow's switch to let them pass as gray.

    Pillow's warning of large pictures is silenced: what is too large for us is refused.
    """
    import PIL.Image
    from PIL import ImageFile

    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient
