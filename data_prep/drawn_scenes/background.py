"""What lies behind the objects: sky or wall, ground, sun, clouds, texture and shadows."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from data_prep.drawn_scenes.scene import HALF_LIGHT, Scene
from data_prep.drawn_scenes.words import KINDS, SETTINGS

FINE = 2  # fine pixels to a pixel, each way
Colour = tuple[int, int, int]

# Upper and lower colour of each band.
TOPS: dict[str, tuple[Colour, Colour]] = {
    "clear": ((92, 160, 232), (190, 222, 248)),
    "cloudy": ((110, 164, 222), (200, 222, 240)),
    "sunset": ((120, 84, 140), (250, 170, 96)),
    "night": ((14, 18, 46), (44, 52, 96)),
    "stormy": ((62, 68, 82), (120, 126, 138)),
    "cream": ((240, 230, 204), (226, 212, 182)),
    "mint": ((188, 224, 204), (170, 208, 188)),
    "lilac": ((206, 192, 226), (190, 174, 212)),
    "peach": ((246, 206, 178), (232, 190, 160)),
    "slate": ((104, 118, 134), (88, 102, 118)),
}
GROUNDS: dict[str, tuple[Colour, Colour]] = {
    "grass": ((120, 176, 84), (86, 148, 62)),
    "sea": ((40, 108, 160), (78, 152, 190)),
    "sand": ((238, 218, 164), (222, 196, 138)),
    "lake": ((96, 146, 170), (70, 122, 152)),
    "dunes": ((228, 186, 120), (208, 160, 96)),
    "snow": ((226, 234, 242), (244, 247, 250)),
    "pavement": ((176, 174, 170), (160, 158, 154)),
    "road": ((92, 92, 96), (76, 76, 80)),
    "floor": ((186, 140, 96), (164, 118, 76)),
    "table": ((216, 226, 236), (196, 208, 222)),
}
DUSK = {"night": 0.5, "stormy": 0.75, "sunset": 0.85}  # how bright the ground is under these skies


def paint_background(scene: Scene) -> Float[np.ndarray, "row column 3"]:
    """Paint everything behind the objects, 0 is black and 1 is full."""
    fine = scene.side * FINE
    rows = np.concatenate([gradient(scene, band) for band in SETTINGS[scene.place].bands])
    picture = Image.fromarray(np.broadcast_to(rows[:, None], (fine, fine, 3)).astype(np.uint8))
    paper = ImageDraw.Draw(picture)
    rng = np.random.default_rng(int(scene.look[0] * 2**32))
    paint_top(paper, scene, rng)
    for band in SETTINGS[scene.place].bands[1:]:
        paint_texture(paper, scene, band, rng)
    image = np.asarray(picture.reduce(FINE), dtype=np.float32) / np.float32(255)
    return image * shadows(scene)[..., None]


def gradient(scene: Scene, band: str) -> Float[np.ndarray, "row 3"]:
    """Colour of each fine row of a band."""
    box = scene.band(band)
    upper, lower = TOPS[scene.backdrop] if box.y == 0 else GROUNDS[band]
    down = np.linspace(0, 1, box.height * FINE)[:, None]
    light = DUSK.get(scene.backdrop, 1.0) if box.y else 1.0
    tint = 1 + 0.06 * (np.array(scene.look[1:4]) - 0.5)
    return np.clip((np.array(upper) * (1 - down) + np.array(lower) * down) * tint * light, 0, 255)


def paint_top(paper: ImageDraw.ImageDraw, scene: Scene, rng: np.random.Generator) -> None:
    """Paint sun, moon or window, stars, clouds, or the lines of a wall."""
    fine, bottom = scene.side * FINE, scene.edges[0] * FINE
    if scene.backdrop == "night":
        for x, y in zip(rng.uniform(0, fine, 26), rng.uniform(0, 0.9 * bottom, 26), strict=True):
            paper.rectangle((x, y, x + 1, y + 1), fill=(250, 246, 214))
    if scene.backdrop in ("cloudy", "stormy"):
        puff = (250, 252, 254) if scene.backdrop == "cloudy" else (84, 88, 100)
        for start in range(3 if scene.backdrop == "cloudy" else 6):
            paint_cloud(
                paper, ((start % 3 + rng.random()) * fine / 3, rng.uniform(0.15, 0.7) * bottom), fine, puff, rng
            )
    x, y = scene.light_at[0] * fine, scene.light_at[1] * fine
    if scene.light in ("sun", "moon"):
        radius = HALF_LIGHT[scene.light] * fine
        warm = (255, 214, 120) if scene.backdrop == "sunset" else (255, 236, 130)
        paper.ellipse(
            (x - radius, y - radius, x + radius, y + radius), warm if scene.light == "sun" else (236, 236, 222)
        )
    if scene.light == "window":
        half = HALF_LIGHT[scene.light] * fine
        paper.rectangle(
            (x - half, y - half, x + half, y + half), fill=(168, 206, 236), outline=(250, 250, 250), width=5
        )
        paper.line((x - half, y, x + half, y), fill=(250, 250, 250), width=3)
        paper.line((x, y - half, x, y + half), fill=(250, 250, 250), width=3)


def paint_cloud(
    paper: ImageDraw.ImageDraw, at: tuple[float, float], fine: int, colour: Colour, rng: np.random.Generator
) -> None:
    """Paint a cloud of four puffs."""
    for dx, dy, size in ((-0.07, 0.015, 0.7), (0, -0.01, 1.0), (0.07, 0.01, 0.8), (0.02, 0.025, 0.9)):
        half = fine * 0.05 * size * rng.uniform(0.85, 1.15)
        x, y = at[0] + dx * fine, at[1] + dy * fine
        paper.ellipse((x - 1.35 * half, y - 0.75 * half, x + 1.35 * half, y + 0.75 * half), fill=colour)


def paint_texture(paper: ImageDraw.ImageDraw, scene: Scene, band: str, rng: np.random.Generator) -> None:
    """Paint blades, waves, ripples, boards or lines over a band of the ground."""
    box = scene.band(band)
    fine, top, bottom = scene.side * FINE, box.y * FINE, (box.y + box.height) * FINE
    middle = gradient(scene, band).mean(axis=0)
    darker, lighter = (tuple((middle * factor).clip(0, 255).astype(int).tolist()) for factor in (0.86, 1.12))
    if band == "road":
        for left in range(int(scene.look[4] * 40) - 40, fine, 56):
            paper.rectangle((left, (top + bottom) // 2 - 2, left + 26, (top + bottom) // 2 + 2), fill=(232, 232, 226))
    elif band == "floor":
        for y in range(top, bottom, 16):
            paper.line((0, y, fine, y), fill=darker, width=1)
            for x in range(y * 7 % 60, fine, 72):
                paper.line((x, y, x, y + 16), fill=darker, width=1)
    elif band in ("table", "pavement"):
        for x in range(int(scene.look[4] * 20), fine, 24):
            paper.line((x, top, x + (x - fine // 2) // 3, bottom), fill=darker, width=1)
    else:
        strokes = fine * (bottom - top) // 900
        xs, ys = rng.uniform(0, fine, strokes), rng.uniform(top, bottom - 3, strokes)
        for stroke, (x, y) in enumerate(zip(xs.tolist(), ys.tolist(), strict=True)):
            end = (x + 1, y + 4) if band == "grass" else (x + 9, y)
            paper.line((x, y, *end), fill=lighter if stroke % 2 else darker, width=1)


def shadows(scene: Scene) -> Float[np.ndarray, "row column"]:
    """How much light reaches each pixel: less under what stands on the ground."""
    light = Image.new("L", (scene.side * FINE, scene.side * FINE), 255)
    paper = ImageDraw.Draw(light)
    for thing in scene.things:
        if KINDS[thing.kind].flies:
            continue
        x, y, width, height = (FINE * part for part in thing.box)
        flat = 0.1 * min(width, height)
        paper.ellipse((x + 0.04 * width, y + height - flat, x + 1.02 * width, y + height + flat), fill=190)
    return np.asarray(light.reduce(FINE), dtype=np.float32) / np.float32(255)
