"""From a planned scene to pixels: patterns, objects and shadows over the background."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw

from data_prep.drawn_scenes.background import paint_background
from data_prep.drawn_scenes.scene import Scene, Thing
from data_prep.drawn_scenes.shapes import SHAPES, Ink, Pen
from data_prep.drawn_scenes.words import INKS

FINE = 4  # fine pixels to a pixel, each way
MARKED, RIM = 10, 11  # codes after the inks: the second colour of a pattern; the first of the darker colours
FIXED_INKS = {
    Ink.DARK: (0.13, 0.12, 0.14),
    Ink.LIGHT: (0.95, 0.92, 0.84),
    Ink.WOOD: (0.50, 0.33, 0.18),
    Ink.GLASS: (0.72, 0.88, 0.96),
    Ink.LEAF: (0.20, 0.50, 0.16),
    Ink.METAL: (0.62, 0.64, 0.68),
    Ink.GOLD: (0.95, 0.74, 0.22),
}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def draw_scene(scene: Scene) -> UInt8[np.ndarray, "row column 3"]:
    """Draw a planned scene; the pixels depend on it alone."""
    image = paint_background(scene)
    for number, thing in enumerate(scene.things):
        paint_thing(image, thing, scene.look[number % len(scene.look)])
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def paint_thing(image: Float[np.ndarray, "row column 3"], thing: Thing, look: float) -> None:
    """Paint one object into its box, in place, lit from above.

    Args:
        look: in [0, 1): turns the stripes and shifts the shade a little.
    """
    box = thing.box
    fine = Image.fromarray(palette(thing.colour, look)[codes(thing, look)])
    small = np.asarray(fine.reduce(FINE), dtype=np.float32) / np.float32(255)
    light = np.linspace(1.06, 0.86, box.height, dtype=np.float32)[:, None, None]
    window = image[box.y : box.y + box.height, box.x : box.x + box.width]
    window += small[..., 3:] * (small[..., :3] * light - window)


def codes(thing: Thing, look: float) -> UInt8[np.ndarray, "row column"]:
    """The row of `palette` of each fine pixel of an object."""
    width, height = thing.box.width * FINE, thing.box.height * FINE
    paper = Image.new("L", (width, height))
    SHAPES[thing.kind](Pen(ImageDraw.Draw(paper), width, height))
    inks = np.array(paper)
    covered = inks > 0
    inks[(inks == Ink.BODY) & marks(thing.pattern, width, height, look)] = MARKED
    inks[rim(covered)] += RIM
    return inks


def palette(colour: str, look: float) -> UInt8[np.ndarray, "code 4"]:
    """Colour and opacity of each ink, and, RIM rows further, of the darker rim of what it paints.

    The rim lets white stand out from snow and green from grass.
    """
    body = np.array(INKS[colour], dtype=np.float32) * np.float32(0.94 + 0.12 * (7 * look % 1))
    table = np.zeros((2 * RIM, 4), dtype=np.float32)
    for ink, fixed in FIXED_INKS.items():
        table[ink, :3] = fixed
    table[Ink.BODY, :3], table[Ink.TRIM, :3], table[MARKED, :3] = body, 0.68 * body + 0.04, second_colour(body)
    table[1:RIM, 3] = 1
    table[RIM:] = table[:RIM] * np.array([0.55, 0.55, 0.55, 1], dtype=np.float32)
    return (np.clip(table, 0, 1) * 255 + 0.5).astype(np.uint8)


def second_colour(colour: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Colour of stripes, dots and checks: white on dark colours, dark on light ones."""
    if float(LUMA @ colour) > 0.55:
        return colour * np.float32(0.28)
    return np.array([0.98, 0.97, 0.94], dtype=np.float32)


def marks(pattern: str, width: int, height: int, look: float) -> Bool[np.ndarray, "#row #column"]:
    """Where a pattern has its second colour, in fine pixels; one row or column stands for all like it."""
    if pattern == "plain":
        return np.zeros((1, 1), dtype=bool)
    y, x = (axis.astype(np.float32) for axis in np.ogrid[:height, :width])
    step = np.float32(FINE * max(max(width, height) / FINE / 6, 2.1))  # half a period, at least 2 pixels
    x, y = (x - width / 2) / step, (y - height / 2) / step
    if pattern == "striped":
        slant = np.float32(0.7071)
        across = (y, x, slant * x + slant * y, slant * x - slant * y)[int(4 * look)]
        return np.floor(across + np.float32(0.5)) % 2 == 1
    if pattern == "checked":
        return (np.floor(x) + np.floor(y)) % 2 == 0
    x, y = x / np.float32(1.9), y / np.float32(1.9)
    row = np.floor(y + np.float32(0.5))
    dx, dy = (x + np.float32(0.5) * (row % 2) + np.float32(0.5)) % 1 - np.float32(0.5), y - row
    return dx * dx + dy * dy < np.float32(0.09)


def rim(covered: Bool[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """The outermost fine pixels of an object, about three quarters of a pixel wide."""
    reach = FINE - 1
    inner = np.zeros_like(covered)
    inner[reach:-reach, reach:-reach] = (
        covered[2 * reach :, reach:-reach]
        & covered[: -2 * reach, reach:-reach]
        & covered[reach:-reach, 2 * reach :]
        & covered[reach:-reach, : -2 * reach]
    )
    return covered & ~inner
