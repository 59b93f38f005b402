"""A sheet of captioned pictures in rows, as one PNG file: pages of a search, sessions turn by turn; no statistics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from multiturn.files import atomic_file

if TYPE_CHECKING:
    from datasets import Dataset

CELL = 120  # pixels across a picture
GAP = 10
LINE = 24  # height of a row's title
TEXT = 16  # height of a line under a picture
INK, QUIET, FOUND, WRONG = "#1d2329", "#5a6570", "#009e73", "#d55e00"


@dataclass(frozen=True)
class Cell:
    """A picture of a sheet.

    Attributes:
        id: of the picture, in the data set that `write_sheet` is given.
        lines: under it.
        frame: colour around it; None draws no frame.
    """

    id: str
    lines: Sequence[str] = ()
    frame: str | None = None


@dataclass(frozen=True)
class SheetRow:
    """Pictures beside each other, with a line above them."""

    title: str
    cells: Sequence[Cell]


class Thumbnails:
    """Pictures of a data set by id, all fitted into one box that has the first one's proportions.

    Args:
        images: with the columns `id` and `image`.
        ids: of the pictures that will be asked for.
    Raises:
        ValueError: no id, one that the data set has not, or a row without a picture (its id is named).
    """

    def __init__(self, images: "Dataset", ids: Iterable[str]) -> None:
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            raise ValueError("there is no picture to draw")
        rows = {name: row for row, name in enumerate(images["id"])}
        if missing := [name for name in wanted if name not in rows]:
            raise ValueError(
                f"no image of {missing[0]!r} among the {len(rows)} images given ({len(missing)} are missing)"
            )
        found = {name: images[rows[name]]["image"] for name in wanted}
        if empty := [name for name, image in found.items() if image is None]:
            raise ValueError(f"{empty[0]!r} has no image ({len(empty)} have none)")
        first = found[wanted[0]]
        self.height = round(CELL * first.height / first.width)
        self._boxed = {name: self._fit(image.convert("RGB")) for name, image in found.items()}

    def __getitem__(self, name: str) -> Image.Image:
        return self._boxed[name]

    def _fit(self, image: Image.Image) -> Image.Image:
        scale = min(CELL / image.width, self.height / image.height)
        fitted = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        box = Image.new("RGB", (CELL, self.height), "#eeeeee")
        box.paste(fitted, ((CELL - fitted.width) // 2, (self.height - fitted.height) // 2))
        return box


def write_sheet(rows: Sequence[SheetRow], images: "Dataset", path: Path, title: str) -> None:
    """Draw rows of pictures into a PNG file, all or nothing.

    Args:
        rows: from top to bottom; they may differ in length.
        images: with the columns `id` and `image`.
        path: file to write.
        title: what the sheet shows, kept in the file for those who cannot see it.
    Raises:
        ValueError: no picture, or one that `images` has not.
    """
    pictures = Thumbnails(images, (cell.id for row in rows for cell in row.cells))
    under = TEXT * max(len(cell.lines) for row in rows for cell in row.cells)
    block = LINE + pictures.height + under + GAP
    across = max(len(row.cells) for row in rows)
    sheet = Image.new("RGB", (GAP + across * (CELL + GAP), GAP + len(rows) * block), "white")
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = GAP + number * block
        write(pen, GAP, top + LINE // 2, row.title, INK, 14, "lm")
        for column, cell in enumerate(row.cells):
            left, below = GAP + column * (CELL + GAP), top + LINE + pictures.height
            sheet.paste(pictures[cell.id], (left, top + LINE))
            for line, text in enumerate(cell.lines):
                write(pen, left + CELL // 2, below + TEXT // 2 + line * TEXT + 2, text, QUIET, 12, "mm")
            if cell.frame:
                draw_frame(pen, left, top + LINE, pictures.height, cell.frame)
    save_png(sheet, path, title)


def draw_frame(pen: ImageDraw.ImageDraw, left: int, top: int, height: int, colour: str) -> None:
    """Draw a frame around the picture whose corner is at `left`, `top`."""
    pen.rectangle((left - 4, top - 4, left + CELL + 3, top + height + 3), None, colour, 4)


def write(pen: ImageDraw.ImageDraw, x: int, y: int, text: str, colour: str, size: int, anchor: str) -> None:
    """Write a line of text; `anchor` is Pillow's."""
    pen.text((x, y), text, fill=colour, font=ImageFont.load_default(size), anchor=anchor)


def save_png(picture: Image.Image, path: Path, title: str) -> None:
    """Write a PNG file with a title in it, all or nothing."""
    about = PngImagePlugin.PngInfo()
    about.add_text("Title", title)
    with atomic_file(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=about)
