"""What varies between drawn pictures: the person, the shot, how strongly each attribute shows; no drawing.

Every draw is made in a fixed order whatever the attributes are, so two pictures from one seed that differ in
one attribute differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from data_prep.attributes import ATTRIBUTES

# How far the strength of a cue strays from absent (0) and present (1) at difficulty 1. Objects are there or
# not; matters of degree overlap. Sets and spreads were chosen by eye.
OBJECTS = frozenset(
    {"5_o_Clock_Shadow", "Bald", "Bangs", "Blurry", "Eyeglasses", "Goatee", "Mustache"}
    | {"Receding_Hairline", "Sideburns", "Wearing_Earrings", "Wearing_Hat", "Wearing_Necklace"}
    | {"Wearing_Necktie"}
)
MATTERS_OF_DEGREE = frozenset(
    {"Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Big_Lips", "Big_Nose", "Bushy_Eyebrows"}
    | {"Chubby", "Double_Chin", "High_Cheekbones", "Narrow_Eyes", "Oval_Face", "Pale_Skin"}
    | {"Pointy_Nose", "Rosy_Cheeks", "Straight_Hair", "Wavy_Hair", "Young"}
)
SPREAD_OF_OBJECTS = 0.3
SPREAD_OF_DEGREES = 0.45
SPREAD_OF_OTHERS = 0.25

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Person:
    """What the pictures of one person share beyond the attributes; standard normals unless stated."""

    skin: float  # 0 is light, 1 is dark
    undertone: float
    width: float
    jaw: float
    eye_distance: float
    eye_size: float
    eye_height: float
    eye_colour: Triple
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lips: float
    brow_height: float
    hair_shade: Triple  # where no hair colour attribute holds
    hair_darkness: float  # 0 to 1, within the named colour
    hair_volume: float
    hair_length: float  # 0 to 1
    parting: float


EYE_COLOURS = (
    (0.22, 0.13, 0.08),
    (0.30, 0.19, 0.10),
    (0.24, 0.38, 0.52),
    (0.28, 0.42, 0.30),
    (0.38, 0.40, 0.42),
)
NEUTRAL_HAIR = ((0.22, 0.16, 0.13), (0.42, 0.20, 0.12), (0.50, 0.39, 0.26), (0.30, 0.22, 0.18))


def draw_person(rng: np.random.Generator) -> Person:
    """Draw the looks of one person."""
    normal = np.clip(rng.standard_normal(12), -2, 2).tolist()
    uniform = rng.random(7).tolist()
    return Person(
        skin=uniform[0] ** 2.2,
        undertone=normal[0],
        width=normal[1],
        jaw=normal[2],
        eye_distance=normal[3],
        eye_size=normal[4],
        eye_height=normal[5],
        eye_colour=EYE_COLOURS[int(uniform[1] * len(EYE_COLOURS))],
        nose_length=normal[6],
        nose_width=normal[7],
        mouth_width=normal[8],
        mouth_height=normal[9],
        lips=normal[10],
        brow_height=normal[11],
        hair_shade=NEUTRAL_HAIR[int(uniform[2] * len(NEUTRAL_HAIR))],
        hair_darkness=uniform[3],
        hair_volume=uniform[4],
        hair_length=uniform[5],
        parting=uniform[6] - 0.5,
    )


@dataclass(frozen=True)
class Shot:
    """What belongs to one picture: pose, light, background, things worn, noise.

    The first part is scaled by the difficulty (all zero at difficulty 0, `scale` one); the second is choice.
    """

    shift: tuple[float, float]
    angle: float
    scale: float
    turn: float
    gain: float
    side_light: tuple[float, float]
    cast: Triple
    noise: float
    clutter: float
    occlusion: float  # 0 for none, else size in (0, 1]
    softness: float
    unevenness: Float[np.ndarray, " 6"]
    choices: Float[np.ndarray, " 24"]
    """uniform in [0, 1): styles and colours of background, clothes and things worn"""
    noise_seed: int


def draw_shot(rng: np.random.Generator, difficulty: float) -> Shot:
    """Draw pose, light and surroundings of one picture.

    Args:
        difficulty: scales every nuisance; 0 is frontal, evenly lit, still and clean.
    """
    normal = np.clip(rng.standard_normal(12), -2, 2).tolist()
    choices = rng.random(24)
    occlusion_roll, occlusion_size = rng.random(2).tolist()
    unevenness = np.clip(rng.standard_normal(6), -2, 2)
    noise_seed = int(rng.integers(2**32))
    d = difficulty
    hidden = occlusion_roll < 0.1 * d
    red, green, blue = np.clip(1 + 0.035 * d * np.array(normal[8:11]), 0.7, 1.3).tolist()
    return Shot(
        shift=(
            float(np.clip(0.045 * d * normal[0], -0.3, 0.3)),
            float(np.clip(0.045 * d * normal[1], -0.3, 0.3)),
        ),
        angle=float(np.clip(0.07 * d * normal[2], -0.5, 0.5)),
        scale=float(np.exp(np.clip(0.05 * d * normal[3], -0.25, 0.25))),
        turn=float(np.clip(0.5 * d * normal[4], -1.2, 1.2)),
        gain=float(np.exp(np.clip(0.13 * d * normal[5], -0.6, 0.4))),
        side_light=(
            float(np.clip(0.13 * d * normal[6], -0.5, 0.5)),
            float(np.clip(0.06 * d * normal[7], -0.3, 0.3)),
        ),
        cast=(red, green, blue),
        noise=0.018 * d * (0.4 + choices[0]),
        clutter=min(d, 1.0),
        occlusion=(0.4 + 0.6 * occlusion_size) * hidden,
        softness=min(0.012 * d * (1 + normal[11] / 2), 0.06),
        unevenness=unevenness,
        choices=choices,
        noise_seed=noise_seed,
    )


def draw_levels(
    present: Bool[np.ndarray, " attribute"], rng: np.random.Generator, difficulty: float
) -> dict[str, float]:
    """Draw how strongly each attribute shows in one picture.

    At difficulty 0 an absent attribute is at 0 and a present one at 1. At higher difficulty present cues fade
    and some absent matters of degree show a little: a weak smile, a nose that is nearly big. Objects never
    show when they are absent.

    Returns:
        strengths in [0, 1.25] by attribute name; from one state of `rng` a present attribute is at least
        0.25 stronger than it would be if it were absent.
    """
    stray = np.clip(rng.standard_normal(len(ATTRIBUTES)), -1.6, 1.6)
    levels = {}
    for name, here, noise in zip(ATTRIBUTES, present.tolist(), stray.tolist(), strict=True):
        if name in OBJECTS:
            level = here * (1 - min(SPREAD_OF_OBJECTS * difficulty * abs(noise), 0.65))
        else:
            spread = SPREAD_OF_DEGREES if name in MATTERS_OF_DEGREE else SPREAD_OF_OTHERS
            level = here + min(max(spread * difficulty * noise, -0.75), 0.75)
        levels[name] = min(max(level, 0.0), 1.25)
    return levels
