"""Images in classes, in three parts that share no class: birds by species, or drawn faces by what they show."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_prep.attributes import ATTRIBUTES, attribute_matrix
from relevance.settings import ClassSettings

if TYPE_CHECKING:
    from datasets import Dataset

# Attributes that a drawn face of 48 pixels shows well. A class is a combination of them.
SHOWN = ("Male", "Smiling", "Eyeglasses", "Black_Hair", "Blond_Hair", "Brown_Hair", "Wearing_Hat", "Bangs")
FEWEST = 20  # drawn faces of a class; rarer combinations are left out
_VALIDATION = 5  # one of so many training classes


@dataclass(frozen=True)
class ClassImages:
    """Images of three sets of classes, each a data set with the columns `id`, `image` and `label`.

    Attributes:
        train: to learn features from.
        validation: of other classes, to choose the best epoch by.
        test: of other classes again, searched in the report.
        source: as tables print it.
        left_out: why images were left out, and how many.
    """

    train: "Dataset"
    validation: "Dataset"
    test: "Dataset"
    source: str
    left_out: dict[str, int]


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
    columns = [ATTRIBUTES.index(name) for name in SHOWN]
    codes = (attribute_matrix(faces)[:, columns] > 0) @ (1 << np.arange(len(SHOWN)))
    _, labels, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    common = np.random.default_rng([settings.seed, 1]).permutation(np.flatnonzero(sizes >= FEWEST))
    training, testing = common[: (len(common) + 1) // 2], common[(len(common) + 1) // 2 :]
    rows = faces.select_columns(["id", "image"]).add_column("label", labels.astype(np.int32))
    few = [np.flatnonzero(labels == label)[: settings.most] for label in testing]
    test = np.sort(np.concatenate(few)) if few else np.empty(0, int)
    train = np.flatnonzero(np.isin(labels, training))
    left_out = {
        f"of a class with fewer than {FEWEST} faces": int(sizes[sizes < FEWEST].sum()),
        f"over {settings.most} faces of a test class": int(sizes[testing].sum()) - len(test),
    }
    source = (
        f"{len(train) + len(test):,} drawn faces (not photographs) in {len(common)} classes of {len(SHOWN)} visible "
        f"attributes, half of the classes each for training and test, seed {settings.seed}"
    )
    return rows.select(train), rows.select(test), source, left_out
