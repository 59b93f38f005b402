"""Everything around the inner face: background, clothes, neck, ears, the head itself and its skin."""

from __future__ import annotations

import colorsys

import numpy as np

from data_prep.drawn_faces.appearance import Person, Shot
from data_prep.drawn_faces.canvas import Canvas, Colour, Plane

Levels = dict[str, float]
LIGHT_SKIN = np.array([0.93, 0.76, 0.65])
DARK_SKIN = np.array([0.42, 0.27, 0.19])
PALE_SKIN = np.array([0.97, 0.91, 0.88])
CHIN = 0.86


def mix(first: Colour, second: Colour, share: float) -> np.ndarray:
    """Blend two colours; `share` of the second, clipped to [0, 1]."""
    share = min(max(share, 0.0), 1.0)
    return np.asarray(first) * (1 - share) + np.asarray(second) * share


def skin_colour(levels: Levels, person: Person) -> np.ndarray:
    """Skin of this person: own tone, paler by `Pale_Skin`."""
    tone = mix(LIGHT_SKIN, DARK_SKIN, person.skin) + np.array([0.012, 0.0, -0.012]) * person.undertone
    return mix(tone, PALE_SKIN, 0.85 * levels["Pale_Skin"])


def paint_background(canvas: Canvas, shot: Shot) -> None:
    """A plain backdrop whose hue, gradient and blurred shapes grow with the shot's clutter."""
    c = shot.choices
    hue = np.array(colorsys.hsv_to_rgb(c[1], 0.45 * c[2], 0.2 + 0.7 * c[3]))
    canvas.image[:] = mix((0.62, 0.64, 0.66), hue, shot.clutter)[:, None, None].astype(np.float32)
    canvas.shade(canvas.x, 0.15 * shot.clutter * (c[4] - 0.5))
    for k in (5, 8):
        other = colorsys.hsv_to_rgb(c[k + 2], 0.5, 0.2 + 0.7 * c[k - 1])
        spot = canvas.glow(2.4 * c[k] - 1.2, 2.0 * c[k + 1] - 1.3, 0.35, 0.5)
        canvas.paint(spot, other, 0.6 * shot.clutter)


def paint_neck(canvas: Canvas, levels: Levels, shot: Shot, skin: np.ndarray) -> None:
    """Neck, shoulders with clothes, necktie and necklace."""
    low = canvas.window(-1.5, 0.5, 1.5, 1.7)
    c = shot.choices
    cloth = np.array(colorsys.hsv_to_rgb(c[11], 0.7 * c[12], 0.15 + 0.7 * c[13]))
    width = 0.33 + 0.09 * levels["Male"] + 0.06 * levels["Chubby"]
    low.paint(low.cover(low.ellipse(0.0, 1.62, 1.25, 0.58), 0.03), cloth)
    throat = np.maximum(np.abs(low.x) - np.float32(width), low.y - np.float32(1.2))
    low.paint(low.cover(throat, 0.02), skin * 0.86)
    low.paint(low.cover(low.ellipse(0.0, 1.12, width + 0.04, 0.17 - 0.05 * levels["Male"])), skin * 0.9)
    low.shade(low.glow(0.0, 0.88, 0.45, 0.17), -0.35)
    paint_necktie(low, levels["Wearing_Necktie"], shot)
    necklace = levels["Wearing_Necklace"]
    if necklace:
        metal = ((0.93, 0.80, 0.42), (0.90, 0.91, 0.95), (0.96, 0.93, 0.88), (0.25, 0.55, 0.60))[int(4 * c[14])]
        arc = np.abs(low.ellipse(0.0, 0.90, width + 0.02, 0.24)) - np.float32(0.022 + 0.014 * c[15])
        beads = 0.75 + 0.25 * np.sin(low.x * np.float32(60))
        low.shade(low.cover(arc - 0.03, 0.03) * (low.y > 0.92), -0.25 * necklace)
        low.paint(low.cover(arc, 0.01) * (low.y > 0.92) * beads, metal, necklace)


def paint_necktie(low: Canvas, worn: float, shot: Shot) -> None:
    """A collar with a tie between its wings."""
    if not worn:
        return
    c = shot.choices
    tie = colorsys.hsv_to_rgb(c[16], 0.8, 0.25 + 0.4 * c[17])
    wings = np.maximum(np.float32(0.96) - low.y, np.abs(low.x) - (low.y - np.float32(0.80)) * np.float32(1.4))
    wings = np.maximum(wings, np.abs(low.x) - np.float32(0.42))
    low.paint(low.cover(wings), (0.90, 0.91, 0.93), min(1.0, 0.35 + worn))
    knot = np.abs(low.x) - np.float32(0.06) - np.abs(low.y - np.float32(1.08)) * np.float32(0.28)
    low.paint(low.cover(np.maximum(knot, np.float32(0.99) - low.y)), tie, min(1.0, 0.25 + worn))


def head_shape(canvas: Canvas, levels: Levels, person: Person) -> Plane:
    """Signed distance to the outline of the head, ears and hair excluded; negative inside."""
    male, oval, chubby = levels["Male"], levels["Oval_Face"], levels["Chubby"]
    width = 0.645 + 0.02 * person.width + 0.015 * male - 0.055 * oval + 0.085 * chubby
    corner = 2.35 + 0.12 * person.jaw + 0.45 * male - 0.65 * oval + 0.6 * chubby
    chin = CHIN + 0.015 * person.jaw + 0.05 * oval - 0.02 * chubby
    across = np.abs(canvas.x) * np.float32(1 / width)
    up = np.float32(1 / 0.92)
    down = np.float32(1 / chin)
    reach = np.where(canvas.y < 0, -canvas.y * up, canvas.y * down) + np.float32(1e-4)
    power = np.where(canvas.y < 0, np.float32(2.1), np.float32(corner))
    bent = reach**power
    value = across * across + bent - 1
    slope_x = 2 * across * np.float32(1 / width)
    slope_y = power * bent / reach * np.where(canvas.y < 0, up, down)
    return value / np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(1e-3))


def paint_ears(canvas: Canvas, levels: Levels, person: Person, skin: np.ndarray) -> None:
    """Two ears at the width of the head."""
    width = 0.645 + 0.02 * person.width + 0.085 * levels["Chubby"]
    for side in (-1, 1):
        ear = canvas.window(*sorted_box(side * (width - 0.12), side * (width + 0.14)))
        ear.paint(ear.cover(ear.ellipse(side * (width + 0.0), 0.0, 0.09, 0.17)), skin * 0.93)
        ear.shade(ear.glow(side * (width + 0.02), 0.0, 0.035, 0.09), -0.25)


def sorted_box(one: float, other: float) -> tuple[float, float, float, float]:
    """Window of an ear and what hangs from it."""
    return min(one, other), -0.25, max(one, other), 0.62


def paint_earrings(canvas: Canvas, levels: Levels, person: Person, shot: Shot) -> None:
    """Studs, drops or hoops under the ears."""
    worn = levels["Wearing_Earrings"]
    if not worn:
        return
    c = shot.choices
    width = 0.665 + 0.02 * person.width + 0.085 * levels["Chubby"]
    metal = ((0.97, 0.86, 0.45), (0.94, 0.95, 1.0), (0.30, 0.75, 0.78), (0.85, 0.25, 0.30))[int(4 * c[18])]
    size = (0.045 + 0.05 * c[19]) * (0.5 + 0.5 * worn)
    for side in (-1, 1):
        ear = canvas.window(*sorted_box(side * (width - 0.16), side * (width + 0.16)))
        shape = ear.ellipse(side * width, 0.17 + size, size * 0.8, size * (1 + c[20]))
        if c[20] > 0.6:
            shape = np.abs(shape) - np.float32(0.018)
        ear.shade(ear.cover(shape - 0.025, 0.02), -0.3 * worn)
        ear.paint(ear.cover(shape), metal, min(1.0, 0.3 + worn))


def paint_skin(canvas: Canvas, levels: Levels, person: Person, shot: Shot, shape: Plane, skin: np.ndarray) -> None:
    """The head filled with skin, rounded by shading, with cheeks, chin and age."""
    canvas.paint(canvas.cover(shape), skin)
    inside = canvas.cover(shape)
    canvas.shade(np.clip(1 + shape * np.float32(4.5), 0, 1) * inside, -0.24)
    canvas.shade(canvas.glow(0.0, -0.48, 0.4, 0.22), 0.07)
    canvas.shade(canvas.glow(0.0, 0.73, 0.15, 0.08), 0.05)
    chubby, high = levels["Chubby"], levels["High_Cheekbones"]
    for side in (-1, 1):
        cheek = canvas.window(*((-0.85, -0.25, 0.05, 0.8) if side < 0 else (-0.05, -0.25, 0.85, 0.8)))
        fleshy = 0.06 * levels["Smiling"]
        cheek.shade(cheek.glow(side * 0.38, 0.13, 0.15, 0.08), 0.03 + 0.17 * high)
        cheek.shade(cheek.glow(side * (0.47 - 0.03 * high), 0.37, 0.10, 0.13), -0.22 * high)
        cheek.shade(cheek.glow(side * 0.40, 0.36, 0.15, 0.15), 0.14 * chubby + fleshy)
        cheek.shade(cheek.cover(cheek.curve((side * 0.24, 0.28), (side * 0.36, 0.60), side * 0.04, 0.02),
        0.05),
                    -0.22 * chubby)  # fmt: skip
        rosy = 0.6 * levels["Rosy_Cheeks"] + 0.13 * levels["Heavy_Makeup"]
        cheek.paint(cheek.glow(side * 0.39, 0.22, 0.15, 0.12), mix((0.92, 0.30, 0.32), skin, 0.1), rosy)
    paint_chin(canvas, levels, skin)
    paint_age(canvas, levels, shot, skin)


def paint_chin(canvas: Canvas, levels: Levels, skin: np.ndarray) -> None:
    """A second chin: a fold below the mouth and a roll of skin under the jaw."""
    double = levels["Double_Chin"]
    if not double:
        return
    chin = canvas.window(-0.6, 0.55, 0.6, 1.15)
    roll = np.maximum(chin.ellipse(0.0, 0.74, 0.44, 0.29), np.float32(0.72) - chin.y)
    chin.paint(chin.cover(roll, 0.03), skin * 0.95, min(1.0, double))
    chin.shade(
        chin.cover(np.abs(chin.ellipse(0.0, 0.66, 0.34, 0.20)) - 0.018, 0.04) * (chin.y > 0.74),
        -0.38 * double,
    )
    chin.shade(
        chin.cover(np.abs(chin.ellipse(0.0, 0.74, 0.44, 0.29)) - 0.012, 0.03) * (chin.y > 0.82),
        -0.35 * double,
    )


def paint_age(canvas: Canvas, levels: Levels, shot: Shot, skin: np.ndarray) -> None:
    """Wrinkles and sagging without `Young`; blotches without `Attractive`."""
    old = max(0.0, 1 - levels["Young"])
    if old:
        brow = canvas.window(-0.5, -0.6, 0.5, -0.3)
        for height in (-0.53, -0.44):
            brow.shade(brow.cover(brow.curve((-0.32, height), (0.32, height), 0.03, 0.012), 0.03), -0.25 * old)
        for side in (-1, 1):
            half = canvas.window(*((-0.7, -0.3, 0.0, 0.75) if side < 0 else (0.0, -0.3, 0.7, 0.75)))
            for end in (-0.2, -0.06):
                crow = half.curve((side * 0.47, -0.12), (side * 0.58, end), 0.0, 0.012)
                half.shade(half.cover(crow, 0.02), -0.30 * old)
            fold = half.curve((side * 0.17, 0.22), (side * 0.31, 0.52), -side * 0.03, 0.016)
            half.shade(half.cover(fold, 0.04), -0.36 * old)
            half.shade(half.glow(side * 0.36, 0.62, 0.09, 0.05), -0.10 * old)
    plain = max(0.0, 1 - levels["Attractive"])
    u = shot.unevenness
    for k in range(3):
        spot = canvas.glow(0.22 * u[k], 0.15 + 0.22 * u[k + 3], 0.10, 0.08)
        canvas.paint(spot, skin * np.array([0.86, 0.66, 0.62]), 0.40 * plain)
