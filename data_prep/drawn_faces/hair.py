"""Hair of the head and the face, and hats on top of it."""

from __future__ import annotations

import colorsys

import numpy as np

from data_prep.drawn_faces.appearance import Person, Shot
from data_prep.drawn_faces.canvas import Canvas, Plane
from data_prep.drawn_faces.head import Levels, mix

# Darkest and lightest shade of each named colour.
SHADES = {
    "Black_Hair": ((0.03, 0.03, 0.04), (0.10, 0.085, 0.085)),
    "Brown_Hair": ((0.26, 0.15, 0.08), (0.40, 0.25, 0.14)),
    "Blond_Hair": ((0.72, 0.54, 0.28), (0.92, 0.79, 0.52)),
    "Gray_Hair": ((0.56, 0.56, 0.57), (0.84, 0.84, 0.85)),
}


def hair_colour(levels: Levels, person: Person) -> np.ndarray:
    """The named colour as far as it holds, over the person's own shade that has no name."""
    colour = np.array(person.hair_shade)
    for name, (dark, light) in SHADES.items():
        colour = mix(colour, mix(light, dark, person.hair_darkness), 0.95 * levels[name])
    return colour


def strands(canvas: Canvas, levels: Levels, person: Person) -> Plane:
    """Light and dark along the hair, -1 to 1: waves by `Wavy_Hair`, fine lines by `Straight_Hair`."""
    wavy, straight = np.float32(levels["Wavy_Hair"]), np.float32(levels["Straight_Hair"])
    phase = np.float32(3 * person.parting)
    bent = canvas.x + wavy * np.float32(0.06) * np.sin(canvas.y * np.float32(11) + phase)
    fine = np.sin(bent * np.float32(52))
    broad = np.sin(np.abs(bent) * np.float32(20) + canvas.y * (np.float32(13) * wavy))
    return fine * (np.float32(0.25) + np.float32(0.55) * straight) + broad * (
        np.float32(0.12) + np.float32(0.65) * wavy
    )


def hair_length(levels: Levels, person: Person) -> float:
    """How far down hair hangs at the sides, in face units: to the ears of men, the shoulders of women."""
    woman = 1 - min(levels["Male"], 1.0)
    return -0.12 + 0.12 * person.hair_length + woman * (0.5 + 0.75 * person.hair_length)


def paint_hair_behind(canvas: Canvas, levels: Levels, person: Person, colour: np.ndarray) -> None:
    """Hair behind head and neck."""
    bald = min(levels["Bald"], 1.0)
    if bald > 0.3:
        return
    wavy = levels["Wavy_Hair"]
    width = 0.72 + 0.05 * person.hair_volume + 0.07 * wavy - 0.03 * levels["Straight_Hair"]
    top = 0.98 + 0.06 * person.hair_volume
    down = hair_length(levels, person)
    short = min(levels["Male"], 1.0)
    ripple = np.float32(0.045 * wavy) * np.sin(canvas.y * np.float32(13)) if wavy else np.float32(0)
    cap = canvas.ellipse(0.0, -0.1 - 0.22 * short, width - 0.01 * short, top - 0.1 - 0.22 * short)
    falling = (
        np.abs(canvas.x)
        + ripple
        - np.float32(width - 0.14 * short)
        - (canvas.y + np.float32(0.1)) * np.float32(0.12 - 0.7 * short)
    )
    falling = np.maximum(falling, np.float32(-0.1) - canvas.y)
    mass = np.maximum(np.minimum(cap, falling), canvas.y - np.float32(down) - ripple)
    cover = canvas.cover(mass, 0.02)
    canvas.paint(cover, colour * 0.72)
    canvas.shade(cover * strands(canvas, levels, person), 0.22)


def paint_hair_in_front(canvas: Canvas, levels: Levels, person: Person, shot: Shot, colour: np.ndarray) -> None:
    """Hair on top: the hairline, a fringe by `Bangs`, a bare shining skull by `Bald`."""
    bald, receding, bangs = min(levels["Bald"], 1.0), levels["Receding_Hairline"], levels["Bangs"]
    male = min(levels["Male"], 1.0)
    width = 0.70 + 0.04 * person.hair_volume + 0.05 * levels["Wavy_Hair"] * (1 - 0.5 * male)
    top = 0.97 + 0.07 * person.hair_volume
    skull = canvas.ellipse(0.0, -0.04 - 0.24 * male, width, top - 0.04 - 0.24 * male)
    x = canvas.x - np.float32(0.25 * person.parting * (1 - 0.6 * receding))
    across = x * x
    line = np.float32(-0.60 - 0.14 * receding) + across * np.float32(0.75 + 0.5 * (1 - male))
    if receding:  # Two bays above the temples leave a tongue of hair in the middle.
        bays = canvas.glow(0.30, -0.72, 0.16, 0.5) + canvas.glow(-0.30, -0.72, 0.16, 0.5)
        line = line - np.float32(0.24 * receding) * bays
    if bangs:
        teeth = np.float32(0.035) * np.sin(canvas.x * np.float32(31)) + np.float32(0.06) * canvas.x
        fringe = np.float32(-0.60 + 0.27 * bangs) + teeth + np.maximum(np.abs(canvas.x) - np.float32(0.42), 0)
        line = np.maximum(line, fringe)
    ends = canvas.y - np.float32(hair_length(levels, person))
    sides = np.maximum(ends, (np.float32(0.57) + ends * np.float32(0.12 * male) - np.abs(canvas.x)))
    hair = np.maximum(skull, np.minimum(canvas.y - line, sides))
    tone = strands(canvas, levels, person)
    cover = canvas.cover(hair, 0.025)
    if bald:  # What stays is a thin rim above the ears.
        rim = np.maximum(np.abs(canvas.ellipse(0.0, 0.0, 0.67, 0.85)) - 0.03, np.abs(canvas.y + np.float32(0.12)) - 0.2)
        cover = cover * np.float32(max(0.0, 1 - 1.6 * bald)) + canvas.cover(rim, 0.03) * np.float32(0.6 * bald)
    canvas.paint(cover, colour)
    canvas.shade(cover * tone, 0.26)
    canvas.shade(cover * canvas.glow(0.15, -0.8, 0.3, 0.13), 0.25)
    edge = canvas.cover(np.abs(canvas.y - line) - 0.015, 0.05) * (1 - cover) * canvas.cover(skull)
    canvas.shade(edge, -0.18 * (1 - bald))
    if bald:
        shine = canvas.glow(0.12, -0.68, 0.15, 0.07) + 0.6 * canvas.glow(-0.2, -0.6, 0.08, 0.05)
        canvas.paint(shine, (1.0, 1.0, 1.0), 0.55 * bald)


def paint_beard(canvas: Canvas, levels: Levels, head: Plane, colour: np.ndarray) -> None:
    """Stubble, beard, goatee, moustache and sideburns; the lips are painted after.

    Without `No_Beard` and without any of the named beards the jaw has a thin full beard.
    """
    shadow, goatee, moustache = levels["5_o_Clock_Shadow"], levels["Goatee"], levels["Mustache"]
    burns, beard = levels["Sideburns"], max(0.0, 1 - levels["No_Beard"] / 0.7)
    dark = mix(colour, (0.08, 0.06, 0.05), 0.35)
    if shadow or beard:
        low = canvas.ellipse(0.0, 0.02, 0.50, 0.34)
        jaw = canvas.cover(np.maximum(head, np.maximum(-low, np.float32(0.22) - canvas.y)), 0.10)
        canvas.paint(jaw, (0.25, 0.25, 0.28), 0.36 * shadow)
        canvas.paint(jaw, dark, 0.62 * beard)
        lip = canvas.curve((-0.25, 0.43), (0.25, 0.43), 0.06, 0.04)
        canvas.paint(canvas.cover(lip, 0.05), dark, 0.5 * beard)
    low = canvas.window(-0.75, -0.35, 0.75, 1.0)
    if goatee:
        patch = np.minimum(low.ellipse(0.0, 0.74, 0.18, 0.16), np.abs(low.ellipse(0.0, 0.52, 0.28, 0.25)) - 0.025)
        patch = np.maximum(patch, np.float32(0.44) - low.y)
        low.paint(low.cover(patch, 0.03), dark, min(1.0, 0.3 + 0.7 * goatee))
    if moustache:
        patch = low.curve((-0.27, 0.46), (0.27, 0.46), 0.085, 0.045 + 0.015 * moustache)
        low.paint(low.cover(patch, 0.025), dark, min(1.0, 0.3 + 0.7 * moustache))
    if burns:
        strip = np.maximum(np.abs(np.abs(low.x) - np.float32(0.585)) - np.float32(0.055), np.abs(low.y - 0.10) - 0.34)
        low.paint(low.cover(strip, 0.03), dark, min(1.0, 0.9 * burns))


def paint_hat(canvas: Canvas, levels: Levels, shot: Shot) -> None:
    """A beanie, a cap or a brimmed hat over the top of the hair."""
    worn = levels["Wearing_Hat"]
    if not worn:
        return
    c = shot.choices
    cloth = np.array(colorsys.hsv_to_rgb(c[6], 0.8 * c[7], 0.12 + 0.75 * c[8]))
    opacity = min(1.0, 0.5 + worn)
    low = -0.50 + 0.08 * c[9]
    crown = np.maximum(canvas.ellipse(0.0, -0.35, 0.78, 0.80), canvas.y - np.float32(low))
    cover = canvas.cover(crown)
    canvas.paint(cover, cloth, opacity)
    canvas.shade(np.clip(1 + crown * 5, 0, 1) * cover, -0.25)
    if c[10] < 0.35:  # beanie: a ribbed band
        band = np.maximum(canvas.ellipse(0.0, -0.35, 0.80, 0.82), np.abs(canvas.y - np.float32(low + 0.0)) - 0.09)
        canvas.paint(canvas.cover(band), cloth * 0.8, opacity)
        canvas.shade(canvas.cover(band) * np.sin(canvas.x * np.float32(40)), 0.15)
    elif c[10] < 0.7:  # cap: a peak over the forehead
        peak = canvas.curve((-0.56, low + 0.05), (0.56, low + 0.05), 0.05, 0.095)
        canvas.paint(canvas.cover(peak), cloth * 0.62, opacity)
    else:  # brim all round, with a band
        canvas.paint(canvas.cover(np.maximum(crown, np.float32(low - 0.17) - canvas.y)), cloth * 0.4, opacity)
        canvas.paint(canvas.cover(canvas.ellipse(0.0, low, 1.08, 0.085)), cloth * 0.85, opacity)
    canvas.shade(canvas.glow(0.0, low + 0.12, 0.5, 0.06), -0.25)
