"""Small JPEG files of the gallery's images, made when first asked for; who may see them is not decided here."""

from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image

from multiturn.pictures import read_picture

SIDE = 320  # pixels of the longer side: sharp at the size in which a page shows it, on dense displays too
KEPT = 4096  # files in memory, some 15 kB each


class Thumbnails:
    """The images of a gallery by id.

    Args:
        images: a data set with the columns `id` and `image`.
    """

    def __init__(self, images: Any) -> None:
        self._images = images
        self._rows = {name: row for row, name in enumerate(images["id"])}
        self._file = lru_cache(KEPT)(self._made)

    def file(self, name: str) -> bytes:
        """The JPEG file of an image.

        Raises:
            KeyError: there is no image of this id.
            ValueError: it cannot be decoded.
        """
        return self._file(name)

    def _made(self, name: str) -> bytes:
        image = self._images[self._rows[name]]["image"]
        if image is None:
            raise KeyError(name)
        picture = read_picture(image, name)
        if max(picture.size) < SIDE:
            scale = SIDE / max(picture.size)
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        file = BytesIO()
        # No metadata: a comment or a title could name the image.
        picture.save(file, format="JPEG", quality=85)
        return file.getvalue()
