"""A small painter: soft-edged shapes in face coordinates on a float image; no knowledge of faces.

Shapes are signed distances turned into coverage, so edges are smooth at any size without supersampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "height width"]
Colour = Sequence[float] | Float[np.ndarray, "3"]

# Half the picture's side in face units; a face is about 1.3 wide and 1.8 high.
HALF_SIDE = 1.24
# The face sits this much above the middle, to leave room for the neck.
RAISED = 0.07


@dataclass(frozen=True)
class Canvas:
    """A picture, or a window of one, with the face coordinates of each of its pixels.

    Attributes:
        image: [3, height, width], 0 is black and 1 is full; painted in place, shared by all windows.
        x: face coordinate to the viewer's right, 0 at the middle of the face.
        y: face coordinate downwards, 0 a little below the eyes.
        pixel: side of one pixel in face units.
        to_pixels: [2, 3] map from (x, y, 1) to (column, row) of the full picture.
    """

    image: Float[np.ndarray, "3 height width"]
    x: Plane
    y: Plane
    pixel: float
    to_pixels: Float[np.ndarray, "2 3"]

    @classmethod
    def blank(
        cls, size: int, shift: tuple[float, float] = (0.0, 0.0), angle: float = 0.0, scale: float = 1.0
    ) -> Canvas:
        """Make a black square picture, the face moved, turned by `angle` radians and enlarged by `scale`."""
        unit = scale * size / (2 * HALF_SIDE)
        cosine, sine = np.cos(angle) * unit, np.sin(angle) * unit
        middle = (size - 1) / 2
        to_pixels = np.array(
            [[cosine, -sine, middle + shift[0] * unit], [sine, cosine, middle + (shift[1] - RAISED) * unit]],
            dtype=np.float64,
        )
        row, column = np.mgrid[:size, :size].astype(np.float32)
        column, row = column - np.float32(to_pixels[0, 2]), row - np.float32(to_pixels[1, 2])
        cosine, sine = np.float32(cosine / unit**2), np.float32(sine / unit**2)
        image = np.zeros((3, size, size), dtype=np.float32)
        return cls(image, column * cosine + row * sine, row * cosine - column * sine, 1 / unit, to_pixels)

    def turned(self, turn: float) -> Canvas:
        """Share the picture but slide what is painted to one side, as features do when a head turns.

        Args:
            turn: -1 to 1, to the viewer's left or right; the far side is also narrowed.
        """
        return replace(self, x=(self.x - np.float32(0.1 * turn)) * (1 + np.float32(0.16 * turn) * self.x))

    def window(self, left: float, top: float, right: float, bottom: float) -> Canvas:
        """Restrict painting to a box in face units (a saving only: nothing may be painted outside of it)."""
        corners = np.array([[left - 0.12, right + 0.12] * 2, [top, top, bottom, bottom], [1, 1, 1, 1]])
        columns, rows = self.to_pixels @ corners
        height, width = self.image.shape[1:]
        across = slice(max(int(columns.min()) - 1, 0), min(max(int(columns.max()) + 3, 0), width))
        down = slice(max(int(rows.min()) - 1, 0), min(max(int(rows.max()) + 3, 0), height))
        return replace(self, image=self.image[:, down, across], x=self.x[down, across], y=self.y[down, across])

    def ellipse(self, x: float, y: float, across: float, down: float) -> Plane:
        """Signed distance to an ellipse with these half axes, negative inside; exact near the edge."""
        dx, dy = (self.x - np.float32(x)) / np.float32(across), (self.y - np.float32(y)) / np.float32(down)
        length = np.sqrt(dx * dx + dy * dy)
        dx, dy = dx / np.float32(across), dy / np.float32(down)
        return length * (length - 1) / np.sqrt(dx * dx + dy * dy + np.float32(1e-6))

    def curve(self, start: tuple[float, float], end: tuple[float, float], bend: float, width: float) -> Plane:
        """Signed distance to a bent stroke that thins out towards its ends, negative inside.

        Args:
            bend: how far the middle lies to the left of the way from start to end, as seen on the picture;
                a stroke drawn from left to right rises in the middle when it is positive.
            width: half the thickness in the middle.
        """
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = float(np.hypot(dx, dy))
        ux, uy = np.float32(dx / length), np.float32(dy / length)
        px, py = self.x - np.float32(start[0]), self.y - np.float32(start[1])
        along = (px * ux + py * uy) / np.float32(length)
        clipped = np.clip(along, 0, 1)
        arch = 4 * clipped * (1 - clipped)
        off = np.abs(px * uy - py * ux - np.float32(bend) * arch)
        beyond = np.abs(along - clipped) * np.float32(length)
        return np.sqrt(off * off + beyond * beyond) - np.float32(width) * (np.float32(0.35) + np.float32(0.65) * arch)

    def cover(self, distance: Plane, soft: float = 0.0) -> Plane:
        """Turn a signed distance into coverage in [0, 1], blending over one pixel plus `soft` face units."""
        return np.clip(np.float32(0.5) - distance * np.float32(1 / (self.pixel + soft)), 0, 1)

    def glow(self, x: float, y: float, across: float, down: float) -> Plane:
        """A soft round spot: 1 in its middle, 0.37 on the ellipse with these half axes."""
        dx, dy = (
            (self.x - np.float32(x)) * np.float32(1 / across),
            (self.y - np.float32(y)) * np.float32(1 / down),
        )
        return np.exp(-(dx * dx + dy * dy))

    def paint(self, coverage: Plane, colour: Colour, opacity: float = 1.0) -> None:
        """Blend a colour over the picture."""
        tint = np.asarray(colour, dtype=np.float32)[:, None, None]
        weight = coverage * np.float32(opacity)
        image = self.image
        image += weight * (tint - image)

    def shade(self, coverage: Plane, amount: float) -> None:
        """Darken (negative) or lighten (positive) the picture by this share."""
        image = self.image
        image *= 1 + coverage * np.float32(amount)
