"""The face data that a task asks for, in train, validation and test, whatever data set it comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data_prep.splits import Parts

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


@dataclass(frozen=True)
class FaceSettings:
    """Which faces, and how they are split.

    Args:
        source: 'drawn' needs no download; 'celeba' is also meant where `root` or `hub_id` is given.
        root: CelebA's folder, with Anno/ and Img/ in it.
        hub_id: CelebA on the Hub, instead of `root`: flwrlabs/celeba if neither is given. A folder of Parquet files
            works too.
        revision: of `hub_id`.
        split: of CelebA; 'paper': the first 180,000 file names train, 'official': by person, 'train-crop': the
            official training images alone, the last quarter of the people in them for testing.
        validation_share: share of the training faces held out to choose the best epoch, where the split has no
            validation part.
        bad_images: what to do about files that cannot be decoded.
        count: of drawn faces, all parts together.
        size: of drawn faces, in pixels.
        difficulty: of drawn faces: 0 is clean and frontal. By default the demo's network reads the attributes about
            as well as networks read those of CelebA.
        seed: of drawn faces and of the held-out share.
    """

    source: Literal["drawn", "celeba"] = "drawn"
    root: str | None = None
    hub_id: str | None = None
    revision: str | None = None
    split: Literal["paper", "official", "train-crop"] = "paper"
    validation_share: float = 0.05
    bad_images: Literal["error", "skip"] = "error"
    count: int = 6000
    size: int = 64
    difficulty: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share must lie between 0 and 1, not {self.validation_share}")
        if self.root is not None and self.hub_id is not None:
            raise ValueError(f"give faces.root ({self.root}) or faces.hub_id ({self.hub_id}), not both")


class Faces(Parts):
    """Faces in three parts, each a data set with the columns `id`, `image` and the 40 attributes."""


def load_faces(settings: FaceSettings, cache: Path) -> Faces:
    """Load or draw the faces that `settings` ask for.

    Args:
        cache: folder where drawn faces are kept.
    Raises:
        FileNotFoundError: CelebA is not where `root` says.
        ValueError: files are damaged or not the official ones; too few faces for three parts.
    """
    if settings.source == "drawn" and settings.root is None and settings.hub_id is None:
        from data_prep import drawn_faces

        splits = drawn_faces.load(settings.count, settings.size, settings.seed, settings.difficulty, cache=cache)
        source, left_out = f"{settings.count:,} drawn faces (not photographs), seed {settings.seed}", {}
    else:
        from data_prep import celeba

        loaded = celeba.load(
            None if settings.root is None else Path(settings.root),
            settings.hub_id,
            settings.revision,
            "official" if settings.split == "train-crop" else settings.split,
            settings.bad_images,
        )
        splits, source, left_out = loaded.splits, loaded.source, loaded.left_out
        if settings.split == "train-crop":
            splits, source = (
                _by_person(splits["train"], settings.seed),
                f"{source}; split by person within train",
            )
    train, validation = _with_validation(splits, settings)
    for name, part in (("train", train), ("validation", validation), ("test", splits["test"])):
        if len(part) < 2:
            raise ValueError(f"{source} leaves {len(part)} faces for {name}; use more faces or another faces.split")
    return Faces(train, validation, splits["test"], source, left_out)


def _with_validation(splits: "DatasetDict", settings: FaceSettings) -> tuple["Dataset", "Dataset"]:
    """The validation part that the split has, or a random share of the training faces, taken out of them."""
    if len(splits.get("validation", ())) > 0:
        return splits["train"], splits["validation"]
    parts = splits["train"].train_test_split(settings.validation_share, seed=settings.seed)
    return parts["train"], parts["test"]


def _by_person(faces: "Dataset", seed: int) -> "DatasetDict":
    """Split faces so that nobody is on both sides, a quarter of the people in `test`."""
    import numpy as np
    from datasets import DatasetDict

    people = np.asarray(faces.with_format("numpy")["identity"])
    known = np.unique(people)
    testing = np.random.default_rng(seed).permutation(known)[: max(1, len(known) // 4)]
    inside = np.isin(people, testing)
    return DatasetDict({"train": faces.select(np.flatnonzero(~inside)), "test": faces.select(np.flatnonzero(inside))})
