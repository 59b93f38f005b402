"""A picture for a person to look at: scenes with boxes and captions under them; not the data set."""

from __future__ import annotations

from PIL import Image, ImageDraw

from data_prep.drawn_scenes.captions import write_captions
from data_prep.drawn_scenes.picture import draw_scene
from data_prep.drawn_scenes.scene import FAMILY, plan_scene

ENLARGED = 3
LINES = 5
LINE_HEIGHT = 12
MARKS = ((255, 60, 60), (255, 220, 40), (70, 230, 90), (70, 160, 255), (240, 110, 255))


def contact_sheet(size: int, seed: int, captions: int, side: int = 4) -> Image.Image:
    """Draw `side` x `side` scenes of different families, the first two of one family.

    Thin grey boxes are the objects; the boxes of the captions under a scene have the colours of their dots.
    """
    across, down = size * ENLARGED + 8, size * ENLARGED + LINES * LINE_HEIGHT + 10
    sheet = Image.new("RGB", (side * across, side * down), "white")
    numbers = [0, 1, *(FAMILY * family for family in range(1, side * side - 1))]
    for place, number in enumerate(numbers):
        scene = plan_scene(seed, number, size)
        picture = Image.fromarray(draw_scene(scene))
        picture = picture.resize((size * ENLARGED, size * ENLARGED), Image.Resampling.NEAREST)
        paper = ImageDraw.Draw(picture)
        for thing in scene.things:
            outline(paper, thing.box, (150, 150, 150), 0)
        left, top = place % side * across + 4, place // side * down + 4
        label = ImageDraw.Draw(sheet)
        said = write_captions(scene, seed, number, captions)[:LINES]
        for line, (caption, mark) in enumerate(zip(said, MARKS, strict=False)):
            outline(paper, caption.box, mark, 2 + 2 * line)
            at = top + size * ENLARGED + 3 + line * LINE_HEIGHT
            label.ellipse((left, at + 2, left + 7, at + 9), fill=mark)
            label.text((left + 11, at), caption.text, fill="black")
        sheet.paste(picture, (left, top))
    return sheet


def outline(paper: ImageDraw.ImageDraw, box: tuple[int, ...], colour: tuple[int, int, int], inside: int) -> None:
    """Draw a box in the enlarged picture, moved inwards so that several of them are seen."""
    x, y, width, height = (ENLARGED * part for part in box)
    reach = min(inside, width // 2 - 1, height // 2 - 1)
    paper.rectangle((x + reach, y + reach, x + width - 1 - reach, y + height - 1 - reach), outline=colour)
