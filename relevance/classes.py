"""Images in classes, in three parts that share no class: birds by species, or drawn faces by what they show."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int

from data_prep.attributes import ATTRIBUTES, attribute_matrix
from data_prep.splits import Parts
from relevance.settings import ClassSettings

if TYPE_CHECKING:
    from datasets import Dataset

# Attributes that a drawn face of 48 pixels shows well. A class is a combination of them.
SHOWN = ("Male", "Smiling", "Eyeglasses", "Black_Hair", "Blond_Hair", "Brown_Hair", "Wearing_Hat", "Bangs")
FEWEST = 20  # drawn faces of a class; rarer combinations are left out
_VALIDATION = 5  # one of so many training classes


class ClassImages(Parts):
    """Images of three sets of classes, which share none, each a data set with the columns `id`, `image` and `label`."""


def load_classes(settings: ClassSettings, cache: Path) -> ClassImages:
    """Load the birds of `settings.root`, or draw faces.

    Args:
        cache: folder where drawn faces are kept.
    Raises:
        FileNotFoundError: no images at `root`.
        ValueError: fewer than two classes in a part, or none with two images.
    """
    if settings.root is None:
        half, test, source, left_out = _drawn(settings, cache)
    else:
        from data_prep import cub

        loaded = cub.load(Path(settings.root), on_bad_image=settings.bad_images)
        half, test = (loaded.splits[name].select_columns(["id", "image", "label"]) for name in ("train", "test"))
        source, left_out = loaded.source, loaded.left_out
    labels = np.asarray(half.with_format("numpy")["label"])
    held = np.isin(labels, np.unique(labels)[::_VALIDATION])
    parts = {"train": half.select(np.flatnonzero(~held)), "validation": half.select(np.flatnonzero(held)), "test": test}
    for name, rows in parts.items():
        sizes = Counter(rows["label"])
        if len(sizes) < 2 or max(sizes.values()) < 2:
            raise ValueError(
                f"{source} leaves {len(sizes)} classes of at most {max(sizes.values(), default=0)} images for {name}; "
                "give at least two, with two images or more"
            )
    return ClassImages(**parts, source=source, left_out=left_out)


def _drawn(settings: ClassSettings, cache: Path) -> "tuple[Dataset, Dataset, str, dict[str, int]]":
    """Drawn faces of the two halves of the classes, what they are and what was left out."""
    from datasets import concatenate_datasets

    from data_prep import drawn_faces

    splits = drawn_faces.load(settings.count, settings.size, settings.seed, settings.difficulty, cache=cache)
    faces = concatenate_datasets([splits["train"], splits["test"]])
    shown = attribute_matrix(faces)[:, [ATTRIBUTES.index(name) for name in SHOWN]] > 0
    labels, train, testing = combinations(shown, settings.seed)
    test = np.sort(np.concatenate([rows[: settings.most] for rows in testing])) if testing else np.empty(0, int)
    over = sum(map(len, testing)) - len(test)
    left_out = {
        f"of a class with fewer than {FEWEST} faces": len(faces) - len(train) - len(test) - over,
        f"over {settings.most} faces of a test class": over,
    }
    classes = len(np.unique(labels[train])) + len(testing)
    source = (
        f"{len(train) + len(test):,} drawn faces (not photographs) in {classes} classes of {len(SHOWN)} visible "
        f"attributes, half of the classes each for training and test, seed {settings.seed}"
    )
    rows = faces.select_columns(["id", "image"]).add_column("label", labels.astype(np.int32))
    return rows.select(train), rows.select(test), source, left_out


def combinations(
    shown: Bool[np.ndarray, "face attribute"], seed: int
) -> tuple[Int[np.ndarray, " face"], Int[np.ndarray, " train"], list[Int[np.ndarray, " face_of_class"]]]:
    """Classes of faces that show the same, those with enough faces dealt into two halves.

    Args:
        shown: which attributes each face shows.
        seed: of the dealing.
    Returns:
        class of each face; rows of the training half; rows of each class of the test half.
    """
    codes = shown @ (1 << np.arange(shown.shape[1]))
    _, labels, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    common = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(sizes >= FEWEST))
    half = (len(common) + 1) // 2
    train = np.flatnonzero(np.isin(labels, common[:half]))
    return labels, train, [np.flatnonzero(labels == label) for label in common[half:]]
