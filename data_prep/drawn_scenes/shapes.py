"""Silhouettes of all kinds, in a unit square that each of them fills: which ink goes where; no colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from PIL import ImageDraw

Point = tuple[float, float]


class Ink(IntEnum):
    """What a part of an object is painted with; BODY takes the object's colour and pattern, TRIM a darker shade."""

    NONE = 0
    BODY = 1
    TRIM = 2
    DARK = 3
    LIGHT = 4
    WOOD = 5
    GLASS = 6
    LEAF = 7
    METAL = 8
    GOLD = 9


@dataclass(frozen=True)
class Pen:
    """Draws in unit coordinates, x to the right and y down, on a picture of ink numbers."""

    paper: ImageDraw.ImageDraw
    width: int
    height: int

    def at(self, x: float, y: float) -> Point:
        return x * (self.width - 1), y * (self.height - 1)

    def polygon(self, ink: Ink, *points: Point) -> None:
        self.paper.polygon([self.at(*point) for point in points], fill=int(ink))

    def rectangle(self, ink: Ink, left: float, top: float, right: float, bottom: float) -> None:
        self.paper.rectangle([self.at(left, top), self.at(right, bottom)], fill=int(ink))

    def ellipse(self, ink: Ink, left: float, top: float, right: float, bottom: float) -> None:
        self.paper.ellipse([self.at(left, top), self.at(right, bottom)], fill=int(ink))

    def dome(self, ink: Ink, left: float, top: float, right: float, bottom: float) -> None:
        """The upper half of an ellipse whose full box is given by its top and twice its height."""
        self.paper.pieslice([self.at(left, top), self.at(right, 2 * bottom - top)], 180, 360, fill=int(ink))

    def arc(self, ink: Ink, left: float, top: float, right: float, bottom: float, start: int, end: int) -> None:
        box = [self.at(left, top), self.at(right, bottom)]
        self.paper.arc(box, start, end, fill=int(ink), width=max(2, round(0.09 * self.width)))


def _ball(pen: Pen) -> None:
    pen.ellipse(Ink.BODY, 0.0, 0.0, 1.0, 1.0)


def _house(pen: Pen) -> None:
    pen.rectangle(Ink.BODY, 0.08, 0.4, 0.92, 1.0)
    pen.polygon(Ink.TRIM, (0.0, 0.44), (0.5, 0.0), (1.0, 0.44))
    pen.rectangle(Ink.WOOD, 0.4, 0.66, 0.6, 1.0)


def _tree(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.41, 0.6, 0.59, 1.0)
    pen.ellipse(Ink.BODY, 0.0, 0.22, 0.64, 0.72)
    pen.ellipse(Ink.BODY, 0.36, 0.22, 1.0, 0.72)
    pen.ellipse(Ink.BODY, 0.14, 0.0, 0.86, 0.62)


def _car(pen: Pen) -> None:
    pen.polygon(Ink.BODY, (0.16, 0.42), (0.32, 0.0), (0.7, 0.0), (0.86, 0.42))
    pen.rectangle(Ink.BODY, 0.0, 0.38, 1.0, 0.8)
    pen.polygon(Ink.GLASS, (0.27, 0.36), (0.37, 0.1), (0.49, 0.1), (0.49, 0.36))
    pen.polygon(Ink.GLASS, (0.55, 0.36), (0.55, 0.1), (0.66, 0.1), (0.76, 0.36))
    pen.ellipse(Ink.DARK, 0.1, 0.56, 0.36, 1.0)
    pen.ellipse(Ink.DARK, 0.64, 0.56, 0.9, 1.0)


def _boat(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.46, 0.0, 0.52, 0.72)
    pen.polygon(Ink.BODY, (0.55, 0.0), (1.0, 0.62), (0.55, 0.62))
    pen.polygon(Ink.BODY, (0.43, 0.1), (0.43, 0.62), (0.06, 0.62))
    pen.polygon(Ink.TRIM, (0.0, 0.7), (1.0, 0.7), (0.82, 1.0), (0.18, 1.0))


def _flower(pen: Pen) -> None:
    pen.rectangle(Ink.LEAF, 0.45, 0.5, 0.55, 1.0)
    pen.ellipse(Ink.LEAF, 0.5, 0.74, 0.9, 0.9)
    for left, top in ((0.0, 0.1), (0.16, 0.34), (0.5, 0.34), (0.64, 0.1), (0.32, 0.0)):
        pen.ellipse(Ink.BODY, left, top, left + 0.36, top + 0.28)
    pen.rectangle(Ink.BODY, 0.25, 0.18, 0.75, 0.48)
    pen.ellipse(Ink.GOLD, 0.36, 0.22, 0.64, 0.42)


def _box(pen: Pen) -> None:
    pen.polygon(Ink.LIGHT, (0.0, 0.26), (0.24, 0.0), (1.0, 0.0), (0.76, 0.26))
    pen.polygon(Ink.TRIM, (0.76, 0.26), (1.0, 0.0), (1.0, 0.74), (0.76, 1.0))
    pen.rectangle(Ink.BODY, 0.0, 0.26, 0.76, 1.0)


def _umbrella(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.465, 0.4, 0.535, 0.9)
    pen.arc(Ink.WOOD, 0.465, 0.76, 0.7, 1.0, 0, 180)
    pen.dome(Ink.BODY, 0.0, 0.0, 1.0, 0.55)
    for left in (0.0, 1 / 3, 2 / 3):
        pen.dome(Ink.NONE, left + 0.02, 0.47, left + 0.31, 0.56)
    pen.rectangle(Ink.WOOD, 0.465, 0.5, 0.535, 0.9)


def _chair(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.06, 0.6, 0.2, 1.0)
    pen.rectangle(Ink.WOOD, 0.8, 0.6, 0.94, 1.0)
    pen.rectangle(Ink.BODY, 0.06, 0.0, 0.94, 0.5)
    pen.rectangle(Ink.TRIM, 0.0, 0.5, 1.0, 0.68)


def _cup(pen: Pen) -> None:
    pen.ellipse(Ink.TRIM, 0.5, 0.14, 1.0, 0.76)
    pen.ellipse(Ink.NONE, 0.6, 0.28, 0.88, 0.62)
    pen.polygon(Ink.BODY, (0.0, 0.0), (0.76, 0.0), (0.68, 1.0), (0.08, 1.0))


def _tent(pen: Pen) -> None:
    pen.polygon(Ink.BODY, (0.0, 1.0), (0.5, 0.0), (1.0, 1.0))
    pen.polygon(Ink.DARK, (0.4, 1.0), (0.5, 0.56), (0.6, 1.0))


def _flag(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.0, 0.0, 0.09, 1.0)
    pen.polygon(Ink.BODY, (0.09, 0.02), (1.0, 0.1), (0.86, 0.35), (1.0, 0.66), (0.09, 0.6))


def _fish(pen: Pen) -> None:
    pen.polygon(Ink.TRIM, (0.66, 0.5), (1.0, 0.02), (1.0, 0.98))
    pen.ellipse(Ink.BODY, 0.0, 0.0, 0.8, 1.0)
    pen.ellipse(Ink.LIGHT, 0.1, 0.24, 0.24, 0.46)
    pen.ellipse(Ink.DARK, 0.14, 0.3, 0.2, 0.4)


def _mushroom(pen: Pen) -> None:
    pen.rectangle(Ink.LIGHT, 0.34, 0.5, 0.66, 1.0)
    pen.dome(Ink.BODY, 0.0, 0.0, 1.0, 0.6)


def _bucket(pen: Pen) -> None:
    pen.arc(Ink.METAL, 0.06, 0.0, 0.94, 0.72, 180, 360)
    pen.polygon(Ink.BODY, (0.0, 0.34), (1.0, 0.34), (0.84, 1.0), (0.16, 1.0))
    pen.rectangle(Ink.TRIM, 0.0, 0.3, 1.0, 0.4)


def _hat(pen: Pen) -> None:
    pen.ellipse(Ink.TRIM, 0.0, 0.64, 1.0, 1.0)
    pen.rectangle(Ink.BODY, 0.2, 0.0, 0.8, 0.84)


def _lamp(pen: Pen) -> None:
    pen.rectangle(Ink.METAL, 0.44, 0.5, 0.56, 0.94)
    pen.ellipse(Ink.METAL, 0.2, 0.86, 0.8, 1.0)
    pen.polygon(Ink.BODY, (0.22, 0.0), (0.78, 0.0), (1.0, 0.58), (0.0, 0.58))


def _drum(pen: Pen) -> None:
    pen.ellipse(Ink.BODY, 0.0, 0.66, 1.0, 1.0)
    pen.rectangle(Ink.BODY, 0.0, 0.18, 1.0, 0.83)
    pen.ellipse(Ink.TRIM, 0.0, 0.0, 1.0, 0.4)
    pen.ellipse(Ink.LIGHT, 0.06, 0.04, 0.94, 0.34)


def _vase(pen: Pen) -> None:
    pen.polygon(Ink.BODY, (0.2, 0.0), (0.8, 0.0), (0.66, 0.2), (0.66, 0.4), (0.34, 0.4), (0.34, 0.2))
    pen.ellipse(Ink.BODY, 0.0, 0.22, 1.0, 0.92)
    pen.rectangle(Ink.TRIM, 0.28, 0.88, 0.72, 1.0)


def _snail(pen: Pen) -> None:
    pen.polygon(Ink.GOLD, (0.3, 1.0), (1.0, 1.0), (1.0, 0.46), (0.86, 0.46), (0.8, 0.8), (0.3, 0.8))
    pen.polygon(Ink.GOLD, (0.88, 0.5), (0.84, 0.2), (0.9, 0.2), (0.94, 0.5))
    pen.ellipse(Ink.BODY, 0.0, 0.0, 0.78, 0.98)


def _teapot(pen: Pen) -> None:
    pen.ellipse(Ink.TRIM, 0.0, 0.3, 0.4, 0.8)
    pen.ellipse(Ink.NONE, 0.08, 0.42, 0.32, 0.7)
    pen.polygon(Ink.TRIM, (0.7, 0.56), (0.9, 0.28), (1.0, 0.28), (0.8, 0.86))
    pen.ellipse(Ink.BODY, 0.14, 0.18, 0.86, 1.0)
    pen.ellipse(Ink.TRIM, 0.42, 0.0, 0.58, 0.22)


def _bottle(pen: Pen) -> None:
    pen.rectangle(Ink.WOOD, 0.34, 0.0, 0.66, 0.1)
    pen.rectangle(Ink.BODY, 0.3, 0.08, 0.7, 0.4)
    pen.dome(Ink.BODY, 0.0, 0.26, 1.0, 0.46)
    pen.rectangle(Ink.BODY, 0.0, 0.44, 1.0, 1.0)


def _balloon(pen: Pen) -> None:
    pen.rectangle(Ink.DARK, 0.46, 0.7, 0.54, 1.0)
    pen.polygon(Ink.TRIM, (0.36, 0.84), (0.5, 0.7), (0.64, 0.84))
    pen.ellipse(Ink.BODY, 0.0, 0.0, 1.0, 0.76)


def _kite(pen: Pen) -> None:
    pen.polygon(Ink.DARK, (0.46, 0.7), (0.54, 0.7), (0.7, 0.86), (0.52, 1.0), (0.44, 1.0), (0.6, 0.86))
    pen.polygon(Ink.BODY, (0.5, 0.0), (1.0, 0.36), (0.5, 0.8), (0.0, 0.36))


def _bird(pen: Pen) -> None:
    pen.polygon(Ink.TRIM, (0.0, 0.3), (0.3, 0.5), (0.2, 0.84))
    pen.polygon(Ink.GOLD, (0.86, 0.2), (1.0, 0.32), (0.86, 0.4))
    pen.ellipse(Ink.BODY, 0.1, 0.26, 0.8, 1.0)
    pen.ellipse(Ink.BODY, 0.58, 0.04, 0.92, 0.54)
    pen.polygon(Ink.TRIM, (0.34, 0.56), (0.3, 0.0), (0.62, 0.5))
    pen.ellipse(Ink.DARK, 0.76, 0.18, 0.83, 0.3)


def _plane(pen: Pen) -> None:
    pen.polygon(Ink.TRIM, (0.0, 0.06), (0.12, 0.06), (0.24, 0.5), (0.06, 0.5))
    pen.ellipse(Ink.BODY, 0.0, 0.22, 1.0, 0.84)
    pen.polygon(Ink.TRIM, (0.4, 0.6), (0.66, 0.6), (0.4, 1.0), (0.28, 1.0))
    pen.polygon(Ink.TRIM, (0.4, 0.3), (0.62, 0.3), (0.44, 0.0), (0.34, 0.0))
    pen.ellipse(Ink.GLASS, 0.78, 0.34, 0.9, 0.52)


def _butterfly(pen: Pen) -> None:
    for left in (0.0, 0.54):
        pen.ellipse(Ink.BODY, left, 0.0, left + 0.46, 0.6)
        pen.ellipse(Ink.BODY, 0.12 + 0.76 * left, 0.48, 0.48 + 0.76 * left, 1.0)
    pen.ellipse(Ink.DARK, 0.45, 0.12, 0.55, 0.92)


def _rocket(pen: Pen) -> None:
    pen.polygon(Ink.GOLD, (0.34, 0.8), (0.5, 1.0), (0.66, 0.8))
    pen.polygon(Ink.TRIM, (0.0, 0.9), (0.26, 0.5), (0.74, 0.5), (1.0, 0.9))
    pen.ellipse(Ink.BODY, 0.18, 0.0, 0.82, 1.1)
    pen.rectangle(Ink.NONE, 0.18, 0.86, 0.82, 1.0)
    pen.polygon(Ink.GOLD, (0.32, 0.86), (0.5, 1.0), (0.68, 0.86))
    pen.ellipse(Ink.GLASS, 0.4, 0.2, 0.6, 0.36)


SHAPES: dict[str, Callable[[Pen], None]] = {
    shape.__name__.removeprefix("_"): shape
    for shape in (
        *(_ball, _house, _tree, _car, _boat, _flower, _box, _umbrella, _chair, _cup),
        *(_tent, _flag, _fish, _mushroom, _bucket, _hat, _lamp, _drum, _vase, _snail),
        *(_teapot, _bottle, _balloon, _kite, _bird, _plane, _butterfly, _rocket),
    )
}
