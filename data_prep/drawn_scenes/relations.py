"""What the words for place and relation mean, in pixels: the one rule by which captions are true."""

from __future__ import annotations

from typing import NamedTuple

APART = 0.12  # of the side: centres closer than this are neither left nor right, above nor below each other
SLANT = 0.7  # a direction holds when the other distance is at most this share of it
NEAR = 0.06  # of the side: the widest gap between things that are near each other
SHORE = 0.07  # of the side: how far from the water's edge a thing may end that is near the shore
THIRD, MIDDLE = 0.35, 0.1  # on the left is a centre left of 0.35; in the middle, one within 0.1 of the middle


class Box(NamedTuple):
    """Upper left corner and size, in whole pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


def around(*boxes: Box) -> Box:
    """The smallest box that holds all of them."""
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.width for box in boxes), max(box.y + box.height for box in boxes)
    return Box(left, top, right - left, bottom - top)


def gap(first: Box, second: Box) -> int:
    """Pixels between two boxes, the larger of the horizontal and the vertical gap; negative if they overlap."""
    across = max(first.x, second.x) - min(first.x + first.width, second.x + second.width)
    down = max(first.y, second.y) - min(first.y + first.height, second.y + second.height)
    return max(across, down)


def relations(first: Box, second: Box, side: int) -> list[str]:
    """How the first box lies to the second: left, right, above, below, near, or several of them.

    Args:
        side: of the picture, in pixels.
    Example:
        >>> relations(Box(0, 0, 10, 10), Box(14, 2, 10, 10), 96)
        ['left', 'near']
    """
    (x1, y1), (x2, y2) = first.middle, second.middle
    right, down = x2 - x1, y2 - y1
    held = []
    if abs(right) >= APART * side and abs(down) <= SLANT * abs(right):
        held.append("left" if right > 0 else "right")
    if abs(down) >= APART * side and abs(right) <= SLANT * abs(down):
        held.append("above" if down > 0 else "below")
    if gap(first, second) <= NEAR * side:
        held.append("near")
    return held


def place(box: Box, side: int) -> tuple[str, str]:
    """Which third of the picture a box's middle lies in: left, middle, right, or ''; top, middle, bottom, or ''.

    Example:
        >>> place(Box(5, 44, 10, 10), 96)
        ('left', 'middle')
    """

    def third(share: float, low: str, high: str) -> str:
        if share <= THIRD:
            return low
        if share >= 1 - THIRD:
            return high
        return "middle" if abs(share - 0.5) <= MIDDLE else ""

    x, y = box.middle
    return third(x / side, "left", "right"), third(y / side, "top", "bottom")
