"""The drawn faces as a data set: drawn in parallel, split by person, kept on disk; not what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int

from data_prep.attributes import ATTRIBUTES, face_features
from data_prep.drawing import draw_in_order, kept, png_bytes
from data_prep.drawing import save_whole as save_whole
from data_prep.drawn_faces.population import draw_population

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

# Raise it with every change that alters a pixel or a label: it is part of the cache's name.
VERSION = "1.0.0"
LICENCE = "Apache-2.0"
FEWEST_FACES = 40
SMALLEST, LARGEST = 32, 256
DESCRIPTION = (
    "Faces drawn by a program, not photographs: no person in it exists. Each of CelebA's 40 attributes is "
    "visible in the drawing; how often attributes occur, alone, in pairs and within a person, follows "
    "aggregated CelebA figures (Liu et al., ICCV 2015). For trying out and testing; results on it say "
    "nothing about real faces."
)
CITATION = (
    "@inproceedings{liu2015celeba, title={Deep Learning Face Attributes in the Wild}, "
    "author={Liu, Ziwei and Luo, Ping and Wang, Xiaogang and Tang, Xiaoou}, "
    "booktitle={International Conference on Computer Vision (ICCV)}, year={2015}, "
    "note={source of the attribute statistics only}}"
)


def load(
    count: int = 6000,
    size: int = 64,
    seed: int = 0,
    difficulty: float = 1.0,
    test_share: float = 0.25,
    cache: Path | None = None,
    processes: int | None = None,
) -> DatasetDict:
    """Draw the face data set, or read it from the cache.

    The faces are drawn, not photographs. The pixels depend on the arguments but not on `processes`.

    Args:
        count: pictures in both splits together, at least 40; of about count / 4 people.
        size: side of the square pictures in pixels, 32 to 256.
        seed: not negative; another seed gives other people.
        difficulty: 0 is frontal, clean and plain; more moves, dims and hides more and weakens the cues.
        test_share: wanted share of pictures in `test`, in (0, 1); met to within one person's pictures.
        cache: folder to keep the result in and to look for it first; None draws anew each time.
        processes: how many draw at once; None takes one a core, and one alone for few pictures.
    Returns:
        splits `train` and `test` with no person in both, and the columns of `face_features`.
    Raises:
        ValueError: an argument is out of its range.
    Example:
        >>> load(count=40, size=32, processes=1)["train"][0]["image"].size
        (32, 32)
    """
    check(count, size, difficulty, test_share)
    if cache is None:
        return draw_dataset(count, size, seed, difficulty, test_share, processes)
    name = f"drawn-{count}x{size}px-seed{seed}-difficulty{float(difficulty)}-test{float(test_share)}-v{VERSION}"
    return kept(lambda: draw_dataset(count, size, seed, difficulty, test_share, processes), Path(cache) / name)


def check(count: int, size: int, difficulty: float, test_share: float) -> None:
    """Refuse arguments out of range."""
    if count < FEWEST_FACES:
        raise ValueError(f"count is {count}; draw at least {FEWEST_FACES} faces, or both splits lack attributes")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size}; give a side from {SMALLEST} to {LARGEST} pixels")
    if not (math.isfinite(difficulty) and difficulty >= 0):
        raise ValueError(f"difficulty is {difficulty}; give a finite number from 0, which is plainest; 1 is usual")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share is {test_share}; give a share between 0 and 1, both excluded, such as 0.25")


def draw_dataset(
    count: int, size: int, seed: int, difficulty: float, test_share: float, processes: int | None
) -> DatasetDict:
    """Draw all pictures and split them by person."""
    from datasets import DatasetDict

    person, present = draw_population(count, seed)
    pictures = list(draw_pictures(person, present, size, seed, difficulty, processes))
    in_test = np.isin(person, people_of_test(person, seed, test_share))
    splits = {"train": np.flatnonzero(~in_test), "test": np.flatnonzero(in_test)}
    return DatasetDict({split: to_split(split, rows, person, present, pictures) for split, rows in splits.items()})


def people_of_test(person: Int[np.ndarray, " face"], seed: int, test_share: float) -> Int[np.ndarray, " test_person"]:
    """Choose the people of the test split: at least one, and not all."""
    pictures = np.bincount(person)
    order = np.random.default_rng([seed, 0, 3]).permutation(len(pictures))
    filled = np.cumsum(pictures[order])
    enough = int(np.searchsorted(filled, test_share * len(person))) + 1
    return order[: min(enough, len(order) - 1)]


def draw_pictures(
    person: Int[np.ndarray, " face"],
    present: Bool[np.ndarray, "face attribute"],
    size: int,
    seed: int,
    difficulty: float,
    processes: int | None,
) -> Iterator[bytes]:
    """Yield the pictures as PNG files, in order, with a progress bar."""
    draw = partial(draw_png, size=size, seed=seed, difficulty=difficulty)
    return draw_in_order(draw, present, person.tolist(), range(len(person)), what="faces", processes=processes)


def draw_png(
    present: Bool[np.ndarray, " attribute"], person: int, number: int, size: int, seed: int, difficulty: float
) -> bytes:
    """Draw one picture as the bytes of a PNG file."""
    from data_prep.drawn_faces.face import draw_face

    return png_bytes(draw_face(present, person, number, size, seed, difficulty))


def to_split(
    split: str,
    rows: Int[np.ndarray, " row"],
    person: Int[np.ndarray, " face"],
    present: Bool[np.ndarray, "face attribute"],
    pictures: list[bytes],
) -> Dataset:
    """Put the given rows into a data set with the columns that all face data sets share."""
    from datasets import Dataset, DatasetInfo, NamedSplit, Version

    names = [f"drawn-{row:06d}.png" for row in rows]
    columns = {
        "id": names,
        "image": [{"bytes": pictures[row], "path": name} for row, name in zip(rows, names, strict=True)],
        "identity": person[rows],
    }
    columns |= {name: present[rows, column] for column, name in enumerate(ATTRIBUTES)}
    info = DatasetInfo(
        description=DESCRIPTION,
        version=Version(VERSION),
        license=LICENCE,
        citation=CITATION,
        features=face_features(),
        dataset_name="drawn",
    )
    return Dataset.from_dict(columns, features=face_features(), info=info, split=NamedSplit(split))
