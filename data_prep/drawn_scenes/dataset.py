"""The drawn scenes as a data set: drawn in parallel, split by family, kept on disk; not what is drawn or said."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from data_prep.drawing import draw_in_order, kept, png_bytes
from data_prep.drawn_scenes.captions import IDS_PER_PICTURE, write_captions
from data_prep.drawn_scenes.scene import FAMILY, plan_scene

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

# Raise it with every change that alters a pixel or a word: it is part of the cache's name.
VERSION = "1.0.0"
LICENCE = "Apache-2.0"
FEWEST_SCENES = 40
SMALLEST, LARGEST = 64, 256
FEWEST_CAPTIONS, MOST_CAPTIONS = 1, 30
SPLIT_STREAM = 4
DESCRIPTION = (
    "Scenes drawn by a program, not photographs: 6 to 12 toy-like objects with kind, colour, size, pattern and place, "
    "and captions of regions, each true of its picture. Pictures come in families of ten that share their objects "
    "but not who has which colour, size, pattern and place, so one caption hardly ever tells a picture and all of "
    "them nearly always do. For trying out and testing; results on it say nothing about photographs."
)


def load(
    count: int = 4000,
    size: int = 96,
    seed: int = 0,
    captions: int = 10,
    test_share: float = 0.25,
    validation_share: float = 0.1,
    cache: Path | None = None,
    processes: int | None = None,
) -> DatasetDict:
    """Draw the scenes with their captions, or read them from the cache.

    The scenes are drawn, not photographs. Pixels and words depend on the arguments but not on `processes`. More
    captions or more pictures leave the pictures that were there already as they are.

    Args:
        count: pictures in all splits together, at least 40.
        size: side of the square pictures in pixels, 64 to 256.
        seed: not negative; another seed gives other scenes.
        captions: of each picture, 1 to 30, in the order of their region ids.
        test_share: wanted share of pictures in `test`, in (0, 1); met to within one family of ten.
        validation_share: wanted share of pictures in `validation`, in (0, 1); together less than 1.
        cache: folder to keep the result in and to look for it first; None draws anew each time.
        processes: how many draw at once; None takes one a core, and one alone for few pictures.
    Returns:
        splits `train`, `validation` and `test` with no family in two of them, and the columns of `scene_features`.
    Raises:
        ValueError: an argument is out of its range.
    Example:
        >>> scene = load(count=40, size=64, processes=1)["train"][0]
        >>> scene["image"].size, len(scene["captions"])
        ((64, 64), 10)
    """
    check(count, size, seed, captions, test_share, validation_share)

    def draw() -> DatasetDict:
        return draw_dataset(count, size, seed, captions, test_share, validation_share, processes)

    if cache is None:
        return draw()
    shares = f"test{float(test_share)}-validation{float(validation_share)}"
    return kept(draw, Path(cache) / f"scenes-{count}x{size}px-seed{seed}-captions{captions}-{shares}-v{VERSION}")


def check(count: int, size: int, seed: int, captions: int, test_share: float, validation_share: float) -> None:
    """Refuse arguments out of range."""
    if count < FEWEST_SCENES:
        raise ValueError(f"count is {count}; draw at least {FEWEST_SCENES} scenes, so that every split has some")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size}; give a side from {SMALLEST} to {LARGEST} pixels")
    if seed < 0:
        raise ValueError(f"seed is {seed}; give a whole number from 0")
    if not FEWEST_CAPTIONS <= captions <= MOST_CAPTIONS:
        raise ValueError(f"captions is {captions}; give {FEWEST_CAPTIONS} to {MOST_CAPTIONS} a picture")
    for name, share in (("test_share", test_share), ("validation_share", validation_share)):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}; give a share between 0 and 1, both excluded, such as 0.1")
    if test_share + validation_share >= 1:
        raise ValueError(f"test_share {test_share} and validation_share {validation_share} leave nothing to train on")


def scene_features() -> Features:
    """Columns of the drawn scenes; every box is x, y, width and height in pixels, from the upper left corner.

    `family` numbers the pictures that share their objects. A caption's `names` are the objects that it speaks of.
    """
    from datasets import Features, Image, List, Value

    string, box = Value("string"), List(Value("int32"), length=4)
    return Features(
        {
            "id": string,
            "image": Image(),
            "family": Value("int32"),
            "setting": {"place": string, "backdrop": string, "light": string},
            "captions": List({"region_id": Value("int64"), "text": string, "box": box, "names": List(string)}),
            "objects": List({"kind": string, "colour": string, "size": string, "pattern": string, "box": box}),
        }
    )


def draw_dataset(
    count: int,
    size: int,
    seed: int,
    captions: int,
    test_share: float,
    validation_share: float,
    processes: int | None,
) -> DatasetDict:
    """Draw all pictures and split them by family."""
    from datasets import DatasetDict

    draw = partial(draw_row, size=size, seed=seed, captions=captions)
    rows = list(draw_in_order(draw, range(count), what="scenes", processes=processes))
    splits = split_families(count, seed, test_share, validation_share)
    return DatasetDict({name: to_split(name, [rows[n] for n in numbers]) for name, numbers in splits.items()})


def split_families(
    count: int, seed: int, test_share: float, validation_share: float
) -> dict[str, Int[np.ndarray, " number"]]:
    """Numbers of the pictures of each split: whole families, at least one each."""
    families = -(-count // FAMILY)
    order = np.random.default_rng([seed, 0, SPLIT_STREAM]).permutation(families)
    test = min(max(1, round(test_share * families)), families - 2)
    validation = min(max(1, round(validation_share * families)), families - test - 1)
    parts = {"train": order[test + validation :], "validation": order[test : test + validation], "test": order[:test]}
    family = np.arange(count) // FAMILY
    return {name: np.flatnonzero(np.isin(family, part)) for name, part in parts.items()}


def draw_row(number: int, size: int, seed: int, captions: int) -> dict:
    """Draw one picture and write its captions, as a row of the data set."""
    from data_prep.drawn_scenes.picture import draw_scene

    scene, name = plan_scene(seed, number, size), f"scene-{number:06d}.png"
    regions = [
        {
            "region_id": number * IDS_PER_PICTURE + place,
            "text": caption.text,
            "box": list(caption.box),
            "names": list(caption.names),
        }
        for place, caption in enumerate(write_captions(scene, seed, number, captions))
    ]
    objects = [
        {"kind": thing.kind, "colour": thing.colour, "size": thing.size, "pattern": thing.pattern, "box": [*thing.box]}
        for thing in scene.things
    ]
    return {
        "id": name,
        "image": {"bytes": png_bytes(draw_scene(scene)), "path": name},
        "family": scene.family,
        "setting": {"place": scene.place, "backdrop": scene.backdrop, "light": scene.light},
        "captions": regions,
        "objects": objects,
    }


def to_split(split: str, rows: list[dict]) -> Dataset:
    """Put rows into a data set with the columns of `scene_features`."""
    from datasets import Dataset, DatasetInfo, NamedSplit, Version

    features = scene_features()
    info = DatasetInfo(
        description=DESCRIPTION,
        version=Version(VERSION),
        license=LICENCE,
        features=features,
        dataset_name="drawn_scenes",
    )
    return Dataset.from_list(rows, features=features, info=info, split=NamedSplit(split))
