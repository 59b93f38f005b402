"""One face from its seed: the order of painting and what the camera adds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, UInt8

from data_prep.drawn_faces.appearance import Person, Shot, draw_levels, draw_person, draw_shot
from data_prep.drawn_faces.canvas import Canvas
from data_prep.drawn_faces.features import paint_brows, paint_eyes, paint_glasses, paint_mouth, paint_nose
from data_prep.drawn_faces.hair import (
    hair_colour,
    paint_beard,
    paint_hair_behind,
    paint_hair_in_front,
    paint_hat,
)
from data_prep.drawn_faces.head import (
    Levels,
    head_shape,
    paint_background,
    paint_earrings,
    paint_ears,
    paint_neck,
    paint_skin,
    skin_colour,
)

PERSON_STREAM = 2


def draw_face(
    present: Bool[np.ndarray, " attribute"], person: int, number: int, size: int, seed: int, difficulty: float
) -> UInt8[np.ndarray, "row column 3"]:
    """Draw one picture.

    The pixels depend on the arguments alone. Only `present` decides which attributes show; person, shot and
    the strength of each cue come from the seed, so changing one attribute leaves all else in place.

    Args:
        present: the 40 attributes, in the order of `ATTRIBUTES`; taken as they are, without repair.
        person: number of the person; decides looks beyond the attributes.
        number: number of the picture in its data set.
        size: side in pixels.
        seed: seed of the data set.
        difficulty: 0 is clean and frontal with plain cues; 1 is the default of the data set.
    """
    rng = np.random.default_rng([seed, number])
    levels = draw_levels(present, rng, difficulty)
    shot = draw_shot(rng, difficulty)
    return paint(levels, draw_person(np.random.default_rng([seed, person, PERSON_STREAM])), shot, size)


def paint(levels: Levels, person: Person, shot: Shot, size: int) -> UInt8[np.ndarray, "row column 3"]:
    """Paint from back to front, then expose."""
    canvas = Canvas.blank(size, shot.shift, shot.angle, shot.scale)
    inner = canvas.turned(shot.turn)
    skin, hair = skin_colour(levels, person), hair_colour(levels, person)
    paint_background(canvas, shot)
    paint_hair_behind(canvas, levels, person, hair)
    paint_neck(canvas, levels, shot, skin)
    paint_ears(canvas, levels, person, skin)
    head = head_shape(canvas, levels, person)
    paint_skin(replace(canvas, x=inner.x), levels, person, shot, head, skin)
    paint_beard(inner, levels, head, hair)
    paint_nose(inner, levels, person, shot, skin)
    paint_mouth(inner, levels, person, shot, skin)
    paint_eyes(inner, levels, person, shot, skin)
    paint_brows(inner, levels, person, shot, hair)
    paint_hair_in_front(canvas, levels, person, shot, hair)
    paint_earrings(canvas, levels, person, shot)
    paint_glasses(inner, levels, person, shot)
    paint_hat(canvas, levels, shot)
    paint_occluder(canvas, shot, skin)
    return expose(canvas, levels["Blurry"], shot)


def paint_occluder(canvas: Canvas, shot: Shot, skin: np.ndarray) -> None:
    """Something in front of the picture: a hand at the cheek or a dark blurred shape at the border."""
    if not shot.occlusion:
        return
    c, size = shot.choices, 0.25 + 0.25 * shot.occlusion
    side = -1 if c[2] < 0.5 else 1
    if c[3] < 0.5:
        for finger in range(3):
            start = (side * (0.62 - 0.11 * finger), 1.2)
            end = (side * (0.66 - 0.13 * finger), 0.75 - 0.8 * (size - 0.25) + 0.05 * finger)
            canvas.paint(canvas.cover(canvas.curve(start, end, 0.0, 0.085)), skin * (0.92 - 0.05 * finger))
    else:
        shape = canvas.ellipse(side * 1.0, 1.6 * c[4] - 0.8, size, 0.6)
        canvas.paint(canvas.cover(shape, 0.1), (0.12 + 0.5 * c[5], 0.12 + 0.5 * c[6], 0.15 + 0.4 * c[7]))


def blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of [3, height, width] with this standard deviation in pixels, borders repeated."""
    reach = int(np.ceil(2.5 * radius))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (1, 2):
        length = image.shape[axis]
        padded = np.pad(image, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        image = np.zeros_like(image)
        for start, tap in enumerate(taps):
            image += tap * padded.take(np.arange(start, start + length), axis=axis)
    return image


def expose(canvas: Canvas, blurry: float, shot: Shot) -> UInt8[np.ndarray, "row column 3"]:
    """Light, blur, colour cast, sensor noise, and rounding to bytes."""
    image = canvas.image
    light = np.float32(shot.gain) * (
        1 + np.float32(shot.side_light[0]) * canvas.x + np.float32(shot.side_light[1]) * canvas.y
    )
    image = image * light * np.array(shot.cast, dtype=np.float32)[:, None, None]
    radius = (shot.softness + 0.05 * blurry) / canvas.pixel
    if radius > 0.25:
        image = blurred(image, radius)
    if shot.noise:
        noise = np.random.default_rng(shot.noise_seed).standard_normal(image.shape, dtype=np.float32)
        image = image + noise * np.float32(shot.noise)
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()
