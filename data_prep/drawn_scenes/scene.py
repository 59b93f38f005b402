"""What is in each scene and where: families of scenes with the same things otherwise bound; no words, no pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from data_prep.drawn_scenes.relations import Box
from data_prep.drawn_scenes.words import COLOUR_SHARES, COLOURS, EXTENTS, KINDS, PATTERNS, SETTINGS, SKIES, WALLS, WATER

FAMILY = 10  # pictures; they share their things, so that only who has which colour, size, pattern and place tells
FEWEST, MOST = 6, 12  # objects in a picture
DEALT_AGAIN = 0.5  # share of a picture's objects among which an attribute is dealt anew
HALF_LIGHT = {"sun": 0.065, "moon": 0.065, "window": 0.1}  # of the side
TRIES = 60  # places tried for an object at a time
FAMILY_STREAM, PICTURE_STREAM = 1, 2

Look = tuple[str, str, str, str]  # kind, colour, size, pattern


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    kind: str
    colour: str
    size: str
    pattern: str
    box: Box
    surface: str  # the band that it stands on; '' in the air


@dataclass(frozen=True)
class Scene:
    """One picture before it is drawn.

    Attributes:
        family: number of the family of scenes that share their things.
        side: of the picture, in pixels.
        place: a key of SETTINGS.
        backdrop: of SKIES, or of WALLS inside.
        light: of LIGHTS.
        light_at: middle of the sun, moon or window, as shares of the side.
        edges: lower edge of each band, in pixels; the last is the side.
        things: from the back to the front.
        look: uniform in [0, 1): what the painter varies.
    """

    family: int
    side: int
    place: str
    backdrop: str
    light: str
    light_at: tuple[float, float]
    edges: tuple[int, ...]
    things: tuple[Thing, ...]
    look: tuple[float, ...]

    def band(self, name: str) -> Box:
        """The box of a band of the setting, such as the sky."""
        number = SETTINGS[self.place].bands.index(name)
        top = self.edges[number - 1] if number else 0
        return Box(0, top, self.side, self.edges[number] - top)

    def light_box(self) -> Box:
        """The box of the sun, the moon or the window."""
        return box_of_light(self.light, self.light_at, self.side)


def box_of_light(light: str, at: tuple[float, float], side: int) -> Box:
    """The box of the sun, the moon or the window, with its middle at these shares of the side."""
    left, top = (max(0, int((middle - HALF_LIGHT[light]) * side)) for middle in at)
    right, bottom = (min(side, int((middle + HALF_LIGHT[light]) * side) + 1) for middle in at)
    return Box(left, top, right - left, bottom - top)


def plan_scene(seed: int, number: int, side: int) -> Scene:
    """Choose what is in picture `number` and where.

    Args:
        seed: of the data set.
        number: of the picture; FAMILY of them in a row share their things.
        side: of the picture, in pixels.
    """
    family = number // FAMILY
    pool, home = draw_family(np.random.default_rng([seed, family, FAMILY_STREAM]))
    rng = np.random.default_rng([seed, number, PICTURE_STREAM])
    place, backdrop = home if rng.random() < 0.8 else draw_setting(rng)
    setting = SETTINGS[place]
    horizon = rng.uniform(*setting.horizon)
    lower = [horizon + rng.uniform(*setting.depth)] if len(setting.bands) == 3 else []
    edges = (*(round(edge * side) for edge in [horizon, *lower]), side)
    light = draw_light(rng, setting.bands[0], backdrop)
    light_at = (float(rng.uniform(0.12, 0.88)), float(rng.uniform(0.1, 0.2)))
    kept_free = [] if light == "none" else [box_of_light(light, light_at, side)]
    things: list[Thing] = []
    while len(things) < FEWEST:
        things = put(deal(pool, rng), setting.bands, edges, side, kept_free, rng)
    things.sort(key=lambda thing: (thing.box.y + thing.box.height, thing.box.x))
    return Scene(family, side, place, backdrop, light, light_at, edges, tuple(things), tuple(rng.random(12).tolist()))


def draw_setting(rng: np.random.Generator) -> tuple[str, str]:
    """Choose a place and its sky or wall."""
    place = str(rng.choice(list(SETTINGS)))
    return place, str(rng.choice(list(SKIES if SETTINGS[place].bands[0] == "sky" else WALLS)))


def draw_light(rng: np.random.Generator, top: str, backdrop: str) -> str:
    """Choose sun, moon or window where there can be one."""
    possible = {"clear": "sun", "cloudy": "sun", "sunset": "sun", "night": "moon"}.get(backdrop, "none")
    if top == "wall":
        possible = "window"
    return possible if rng.random() < 0.6 else "none"


def draw_family(rng: np.random.Generator) -> tuple[list[Look], tuple[str, str]]:
    """Choose the things and the setting that a family of scenes shares: few kinds and colours, many objects."""
    shares = np.array([kind.share for kind in KINDS.values()])
    kinds = rng.choice(list(KINDS), size=int(rng.integers(5, 8)), replace=False, p=shares / shares.sum())
    shares = np.array(COLOUR_SHARES)
    colours = rng.choice(list(COLOURS), size=int(rng.integers(3, 6)), replace=False, p=shares / shares.sum())
    count = int(rng.integers(10, 14))
    weights = rng.dirichlet(np.full(len(kinds), 2.0))
    chosen = [*kinds, *rng.choice(kinds, size=count, p=weights)][:count]
    sizes = rng.choice(list(EXTENTS), size=count, p=(0.4, 0.4, 0.2))
    patterns = rng.choice(list(PATTERNS), size=count, p=(0.4, 0.22, 0.2, 0.18))
    looks = zip(chosen, rng.choice(colours, size=count), sizes, patterns, strict=True)
    return [(str(k), str(c), str(s), str(p)) for k, c, s, p in looks], draw_setting(rng)


def deal(pool: list[Look], rng: np.random.Generator) -> list[Look]:
    """Take some of a family's things and deal their colours, sizes and patterns among them anew."""
    count = int(rng.integers(FEWEST + 1, MOST + 1))
    columns = [list(column) for column in zip(*(pool[n] for n in rng.permutation(len(pool))[:count]), strict=True)]
    for column in columns[1:]:
        some = rng.permutation(len(column))[: round(DEALT_AGAIN * len(column))].tolist()
        values = [column[n] for n in some]
        for place, n in enumerate(rng.permutation(len(some)).tolist()):
            column[some[place]] = values[n]
    return list(zip(*columns, strict=True))


def put(
    looks: list[Look],
    bands: tuple[str, ...],
    edges: tuple[int, ...],
    side: int,
    kept_free: list[Box],
    rng: np.random.Generator,
) -> list[Thing]:
    """Put things where they belong and none over another, the largest first; what finds no room is smaller or left out.

    Things in the air end above the horizon or a little below it; the others stand below it, and what floats stands
    on water where there is water.
    """
    things: list[Thing] = []
    sizes = list(EXTENTS)
    for kind, colour, size, pattern in sorted(looks, key=lambda look: -sizes.index(look[2])):
        for smaller in reversed(sizes[: sizes.index(size) + 1]):
            taken = [*kept_free, *(thing.box for thing in things)]
            box = find_room(kind, smaller, bands, edges, side, taken, rng)
            if box is not None:
                things.append(Thing(kind, colour, smaller, pattern, box, surface_under(kind, box, bands, edges)))
                break
    return things


def find_room(
    kind: str,
    size: str,
    bands: tuple[str, ...],
    edges: tuple[int, ...],
    side: int,
    taken: list[Box],
    rng: np.random.Generator,
) -> Box | None:
    """Find a place for one thing at least a pixel from all others, or None."""
    longest, aspect = rng.uniform(*EXTENTS[size]) * side, KINDS[kind].aspect
    width, height = round(longest * min(1, aspect)), round(longest * min(1, 1 / aspect))
    lowest, highest = standing_room(kind, bands, edges, side, height)
    bottoms = rng.uniform(highest, max(lowest, highest + 1), TRIES).astype(int).clip(height + 1, side - 1)
    lefts = rng.integers(1, side - width, TRIES)
    corners = np.stack([lefts, bottoms - height], axis=1)
    free = np.flatnonzero(is_free(corners, (width, height), np.array(taken, dtype=np.int64).reshape(-1, 4)))
    return Box(int(corners[free[0], 0]), int(corners[free[0], 1]), width, height) if len(free) else None


def is_free(
    corners: Int[np.ndarray, "try 2"], size: tuple[int, int], taken: Int[np.ndarray, "box 4"]
) -> Bool[np.ndarray, " try"]:
    """Whether boxes of one size at these upper left corners keep a pixel from all taken boxes."""
    start, end = corners[:, None], corners[:, None] + np.array(size)
    apart = (end + 1 <= taken[:, :2]) | (taken[:, :2] + taken[:, 2:] + 1 <= start)
    return np.all(np.any(apart, axis=2), axis=1)


def standing_room(
    kind: str, bands: tuple[str, ...], edges: tuple[int, ...], side: int, height: int
) -> tuple[float, float]:
    """Lowest and highest line that a thing of this kind may stand, or hover, on."""
    horizon = edges[0]
    if KINDS[kind].flies:
        return horizon + 0.04 * side, height + 1.0
    if KINDS[kind].floats and bands[1] in WATER:
        return edges[1] - 0.01 * side, horizon + 0.05 * side
    return side - 1.0, (horizon if bands[1] not in WATER else edges[1]) + 0.05 * side


def surface_under(kind: str, box: Box, bands: tuple[str, ...], edges: tuple[int, ...]) -> str:
    """The band that a thing stands on, '' for what flies."""
    if KINDS[kind].flies:
        return ""
    bottom = box.y + box.height
    return next(band for band, edge in zip(bands, edges, strict=True) if bottom <= edge)
