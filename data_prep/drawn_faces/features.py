"""The inner face: eyes, brows, nose, mouth and glasses."""

from __future__ import annotations

import colorsys

import numpy as np

from data_prep.drawn_faces.appearance import Person, Shot
from data_prep.drawn_faces.canvas import Canvas
from data_prep.drawn_faces.head import Levels, mix

DARK = (0.10, 0.07, 0.07)
EYE_LINE = -0.10


def eye_places(levels: Levels, person: Person, shot: Shot) -> list[tuple[int, float, float]]:
    """Side, x and y of both eyes; a little uneven without `Attractive`."""
    apart = 0.285 + 0.016 * person.eye_distance
    uneven = max(0.0, 1 - levels["Attractive"]) * 0.030 * shot.unevenness[0]
    height = EYE_LINE + 0.012 * person.eye_height
    return [(-1, -apart, height + uneven), (1, apart, height - uneven)]


def paint_eyes(canvas: Canvas, levels: Levels, person: Person, shot: Shot, skin: np.ndarray) -> None:
    """Both eyes with lids, lashes, shadow and bags."""
    makeup, bags, male = levels["Heavy_Makeup"], levels["Bags_Under_Eyes"], levels["Male"]
    attractive = levels["Attractive"]
    wide = 0.125 + 0.006 * person.eye_size + 0.014 * attractive - 0.006 * male
    opened = (0.062 + 0.003 * person.eye_size + 0.016 * attractive - 0.008 * male) * (1 - 0.62 * levels["Narrow_Eyes"])
    opened -= 0.010 * levels["Smiling"] * (1 - 0.5 * levels["Narrow_Eyes"])
    opened = max(opened, 0.014)
    shadow = colorsys.hsv_to_rgb(shot.choices[21], 0.4, 0.35)
    for side, x, y in eye_places(levels, person, shot):
        eye = canvas.window(x - 0.3, y - 0.22, x + 0.3, y + 0.32)
        eye.shade(eye.glow(x - side * 0.05, y - 0.03, 0.18, 0.09), -0.16)
        if makeup:
            eye.paint(eye.glow(x + side * 0.02, y - 0.06, 0.14, 0.075), shadow, 0.75 * makeup)
        if bags:
            fold = eye.curve((x - 0.11, y + 0.10), (x + 0.11, y + 0.10), -0.05, 0.034)
            eye.paint(eye.cover(fold, 0.05), skin * np.array([0.58, 0.50, 0.56]), 0.85 * bags)
            eye.shade(eye.glow(x, y + 0.205, 0.11, 0.025), 0.16 * bags)
        lens = np.maximum(eye.ellipse(x, y + 0.11 - opened, wide * 1.25, 0.11),
                          eye.ellipse(x, y - 0.11 + opened, wide * 1.25, 0.11))  # fmt: skip
        inside = eye.cover(lens)
        eye.paint(inside, (0.95, 0.94, 0.93))
        iris = eye.ellipse(x, y - 0.006, 0.062, 0.062)
        eye.paint(inside * eye.cover(iris), person.eye_colour)
        eye.paint(inside * eye.cover(iris + np.float32(0.034)), (0.03, 0.03, 0.04))
        eye.paint(
            eye.cover(eye.ellipse(x - 0.02, y - 0.02, 0.013, 0.013)),
            (1.0, 1.0, 1.0),
            0.8 * min(1, opened / 0.05),
        )
        lid = eye.curve((x - wide, y + 0.008), (x + wide, y + 0.008), opened + 0.010, 0.014 + 0.016 * makeup)
        eye.paint(eye.cover(lid, 0.006), DARK, min(1.0, 0.7 + 0.3 * makeup))
        crease = eye.curve((x - wide, y - 0.03), (x + wide, y - 0.03), opened + 0.020, 0.008)
        eye.shade(eye.cover(crease, 0.02), -0.18)
        eye.shade(eye.cover(eye.curve((x - wide, y), (x + wide, y), -opened - 0.004, 0.007), 0.01), -0.22)
        if makeup:
            lash = eye.curve((x + side * 0.08, y - 0.01), (x + side * 0.20, y - 0.075), 0.0, 0.014)
            eye.paint(eye.cover(lash), DARK, min(1.0, makeup))


def paint_brows(canvas: Canvas, levels: Levels, person: Person, shot: Shot, hair: np.ndarray) -> None:
    """Two brows: bent by `Arched_Eyebrows`, thick and dark by `Bushy_Eyebrows`."""
    arched, bushy, male = levels["Arched_Eyebrows"], levels["Bushy_Eyebrows"], levels["Male"]
    colour = mix(hair, DARK, 0.45 + 0.35 * bushy)
    thick = 0.016 + 0.007 * male + 0.026 * bushy + 0.004 * levels["Heavy_Makeup"]
    for side, x, y in eye_places(levels, person, shot):
        lift = y - 0.155 - 0.010 * person.brow_height + 0.018 * male - 0.012 * arched
        inner, outer = (x - side * 0.15, lift + 0.015), (x + side * 0.17, lift + 0.012 + 0.02 * arched)
        ends = (inner, outer) if side > 0 else (outer, inner)
        brow = canvas.window(x - 0.3, lift - 0.2, x + 0.3, lift + 0.12)
        stroke = brow.curve(*ends, 0.022 + 0.075 * arched, thick)
        brow.paint(brow.cover(stroke, 0.012), colour, min(1.0, 0.72 + 0.3 * bushy))


def paint_nose(canvas: Canvas, levels: Levels, person: Person, shot: Shot, skin: np.ndarray) -> None:
    """The nose: wide by `Big_Nose`, narrow with a sharp lit tip by `Pointy_Nose`."""
    big, pointy = levels["Big_Nose"], levels["Pointy_Nose"]
    lean = max(0.0, 1 - levels["Attractive"]) * 0.035 * shot.unevenness[1]
    tip = 0.22 + 0.012 * person.nose_length + 0.03 * big + 0.035 * pointy
    wing = (0.105 + 0.006 * person.nose_width + 0.010 * levels["Male"] + 0.090 * big) * (1 - 0.22 * min(pointy, 1))
    nose = canvas.window(-0.35, -0.3, 0.35, 0.45)
    nose.shade(
        nose.cover(nose.curve((lean, -0.2), (lean, tip), 0.0, 0.022 - 0.008 * pointy), 0.03),
        0.10 + 0.22 * pointy,
    )
    for side in (-1, 1):
        flank = nose.curve((side * 0.065, -0.14), (side * wing * 0.85 + lean, tip - 0.04), 0.0, 0.016)
        nose.shade(nose.cover(flank, 0.05), -0.15 - 0.18 * pointy - 0.06 * big)
        nose.paint(nose.cover(nose.ellipse(side * wing * 0.75 + lean, tip, wing * 0.36, 0.045 + 0.018 * big),
        0.02),
                   skin * 0.94, 0.8)  # fmt: skip
        nose.shade(nose.cover(nose.ellipse(side * wing * 0.5 + lean, tip + 0.032, wing * 0.25, 0.017), 0.012), -0.62)
        crease = np.abs(nose.ellipse(side * wing * 0.75 + lean, tip, wing * 0.36, 0.05 + 0.018 * big)) - 0.008
        nose.shade(nose.cover(crease, 0.015) * (side * nose.x > wing * 0.8), -0.28)
    ball = nose.ellipse(lean, tip - 0.01, wing * (0.52 - 0.2 * pointy), 0.055 + 0.02 * big)
    nose.paint(nose.cover(ball, 0.03), skin * (1.03 + 0.03 * pointy), 0.7)
    nose.shade(nose.glow(lean, tip - 0.025, 0.03, 0.03), 0.10 + 0.30 * pointy)
    nose.shade(
        nose.glow(lean, tip + 0.065 - 0.01 * pointy, wing * (1 - 0.4 * pointy), 0.022),
        -0.22 - 0.20 * pointy - 0.12 * big,
    )


def paint_mouth(canvas: Canvas, levels: Levels, person: Person, shot: Shot, skin: np.ndarray) -> None:
    """Lips and what is between them.

    A smile widens the mouth and lifts its corners; an open mouth parts the lips. Both at once show more
    teeth.
    """
    smile, opened, stick = levels["Smiling"], levels["Mouth_Slightly_Open"], levels["Wearing_Lipstick"]
    plain = max(0.0, 1 - levels["Attractive"])
    x, y = 0.020 * shot.unevenness[2] * plain, 0.475 + 0.010 * person.mouth_height
    half = 0.20 + 0.010 * person.mouth_width + 0.065 * smile
    full = (0.038 + 0.003 * person.lips + 0.040 * levels["Big_Lips"]) * (1 - 0.16 * levels["Male"])
    gap = 0.052 * opened + 0.010 * smile * opened
    sag = 0.012 + 0.085 * smile
    lift = -0.055 * smile
    tilt = 0.032 * shot.unevenness[3] * plain
    left, right = (x - half, y + lift + tilt), (x + half, y + lift - tilt)
    reds = ((0.78, 0.08, 0.16), (0.72, 0.10, 0.35), (0.88, 0.25, 0.33), (0.55, 0.06, 0.14))
    natural = skin * np.array([0.88, 0.66, 0.64])
    colour = mix(natural, reds[int(4 * shot.choices[22])], 0.95 * stick)
    mouth = canvas.window(-0.45, 0.2, 0.45, 0.85)
    upper = mouth.curve(left, right, -sag + gap / 2 + full * 0.6, full * 0.75)
    lower = mouth.curve(left, right, -sag - gap - full * 0.8, full)
    both = np.minimum(upper, lower)
    parted = gap > 0.004
    hole = mouth.curve(left, right, -sag - gap / 3, gap * 0.75)
    if parted:
        both = np.minimum(both, hole)
    mouth.paint(mouth.cover(both, 0.008), colour)
    mouth.shade(mouth.cover(upper, 0.01), -0.10)
    mouth.shade(mouth.glow(x, y - lift + gap + sag + full * 0.6, 0.08, 0.018), 0.10 + 0.22 * stick)
    if parted:
        mouth.paint(mouth.cover(hole), (0.26, 0.07, 0.08))
        bright = min(1.0, 0.45 + 0.5 * smile)
        teeth = mouth.curve((left[0] * 0.86, left[1]), (right[0] * 0.86, right[1]), -sag, gap * 0.48)
        mouth.paint(mouth.cover(teeth), (0.96, 0.95, 0.92), bright)
    else:
        mouth.paint(mouth.cover(mouth.curve(left, right, -sag, 0.010), 0.008), (0.30, 0.10, 0.10), 0.8)
    for corner_x, corner_y in (left, right):
        mouth.shade(mouth.glow(corner_x, corner_y, 0.03, 0.03), -0.18 - 0.18 * smile)
    mouth.shade(mouth.glow(x, y + sag + gap + 2.6 * full, 0.12, 0.025), -0.16)
    for side in (-1, 1):
        dimple = mouth.curve((side * 0.20, 0.26), (side * (half + 0.07), y + lift), side * 0.035, 0.012)
        mouth.shade(mouth.cover(dimple, 0.04), -0.20 * smile)


def paint_glasses(canvas: Canvas, levels: Levels, person: Person, shot: Shot) -> None:
    """Spectacles, round or square, sometimes sunglasses."""
    worn = levels["Eyeglasses"]
    if not worn:
        return
    c = shot.choices
    frame = ((0.06, 0.05, 0.06), (0.25, 0.13, 0.07), (0.55, 0.55, 0.58), (0.10, 0.10, 0.25))[int(4 * c[23])]
    thick = 0.016 + 0.022 * c[20]
    dark = c[19] < 0.18
    tall = 0.125 + 0.04 * c[18]
    opacity = min(1.0, 0.3 + worn)
    glasses = canvas.window(-0.85, -0.4, 0.85, 0.2)
    places = eye_places(levels, person, shot)
    for side, x, y in places:
        dx, dy = (
            np.abs(glasses.x - np.float32(x)) / np.float32(0.19),
            np.abs(glasses.y - np.float32(y + 0.02)),
        )
        dy = dy / np.float32(tall)
        square = dx**4 + dy**4 if c[17] > 0.5 else (dx * dx + dy * dy)
        rim = (square ** np.float32(0.25 if c[17] > 0.5 else 0.5) - 1) * np.float32(0.15)
        if dark:
            glasses.paint(glasses.cover(rim), (0.06, 0.06, 0.08), 0.92 * opacity)
        else:
            glasses.paint(
                glasses.cover(rim) * glasses.glow(x - 0.06, y - 0.05, 0.08, 0.06),
                (1.0, 1.0, 1.0),
                0.25 * opacity,
            )
        glasses.paint(glasses.cover(np.abs(rim) - np.float32(thick)), frame, opacity)
        arm = glasses.curve((x + side * 0.19, y), (side * 0.72, y - 0.02), 0.0, 0.022)
        glasses.paint(glasses.cover(arm), frame, opacity)
    middle = (places[0][2] + places[1][2]) / 2
    reach = places[1][1] - 0.19
    bridge = glasses.curve((-max(reach, 0.04), middle), (max(reach, 0.04), middle), 0.03, 0.024)
    glasses.paint(glasses.cover(bridge), frame, opacity)
