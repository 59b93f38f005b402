"""Any picture as 8-bit RGB, upright, in bounded memory: the one place where pictures are decoded; nothing resizes here.

Everything that looks at pixels reads them through `read_picture`: checks of data sets, encoders, training, pages.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# A decoded picture of so many pixels takes 240 MB; Pillow itself warns from 89,478,485 on and refuses twice that.
MOST_PIXELS = 80_000_000
_EIGHT_BIT = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
# "I" is how Pillow holds the 16 bits of a PGM and the 32 of a TIFF.
_SIXTEEN_BIT = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I"})


def read_picture(source: str | Path | bytes | Picture, name: str = "", most_pixels: int = MOST_PIXELS) -> Picture:
    """Decode a picture as a viewer shows it: upright, 8 bits, RGB.

    EXIF rotation is applied. Of an animation it is the first frame. Transparent places become white. Of 16 bits the
    upper eight are kept. CMYK goes through Pillow's plain conversion, without colour profile. A JPEG with too many
    pixels is decoded at a half, a quarter or an eighth of its size; any other such picture is refused before it is
    decoded.

    Args:
        source: path, the bytes of the file, or a picture that Pillow has opened.
        name: what to call it in messages; the path by default.
        most_pixels: that are decoded.
    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, cut short, no picture, too large, or of a kind without an agreed meaning in 8 bits (floating
            point, Lab); the message names the file.
    """
    import PIL.Image
    from PIL import ImageOps

    try:
        with _strict():
            if isinstance(source, PIL.Image.Image):
                return to_rgb(ImageOps.exif_transpose(_loaded(source, most_pixels)))
            with PIL.Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
                return to_rgb(ImageOps.exif_transpose(_loaded(picture, most_pixels)))
    except FileNotFoundError:
        raise
    except _decoding_errors() as error:
        raise ValueError(
            f"{name or _called(source)} cannot be decoded ({_told(error)}); copy or convert the file again, "
            "or remove it"
        ) from error


def to_rgb(picture: Picture) -> Picture:
    """Convert a decoded picture to 8-bit RGB; see `read_picture` for what becomes of 16 bits and transparency.

    Returns:
        the picture itself where it is RGB already.
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
        return picture
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


def fault_of(source: str | bytes) -> str:
    """Why `read_picture` would refuse a file; "" where it would not.

    A file is read to its end, a JPEG at an eighth of its size: that is much faster, and finds the same faults.
    """
    import PIL.Image

    try:
        with _strict(), PIL.Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
            _loaded(picture, MOST_PIXELS, shrink=8)
            picture.getexif()
            if picture.mode not in _EIGHT_BIT:
                to_rgb(picture)
    except _decoding_errors() as error:
        return _told(error)
    return ""


def _loaded(picture: Picture, most_pixels: int, shrink: int = 1) -> Picture:
    """Decode; ask a JPEG decoder for a smaller picture, or refuse, where there are too many pixels.

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
    picture.load()
    return picture


def _called(source: str | Path | bytes | Picture) -> str:
    if isinstance(source, bytes):
        return f"picture of {len(source):,} bytes"
    return str(source) if isinstance(source, str | Path) else f"picture of {source.width} x {source.height} pixels"


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
