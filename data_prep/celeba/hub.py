"""CelebA from a data set on the Hugging Face Hub, or a folder of parquet files; no official text files.

Such copies carry no file names. Their splits hold the official partition in file order, which gives the names
back; the row counts, and the digests in `release`, prove the order before a name is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from data_prep.attributes import ATTRIBUTES
from data_prep.celeba.annotations import PARTITIONS, Annotations
from data_prep.celeba.release import Release

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

_SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
_IDENTITY_COLUMNS = ("celeb_id", "identity")


def read_hub(hub_id: str, revision: str | None, expected: Release) -> tuple[Annotations, Dataset]:
    """Load a copy of CelebA with `datasets.load_dataset`.

    Args:
        hub_id: "owner/name" on the Hub, or a local folder of parquet files.
        revision: commit, branch or tag on the Hub.
        expected: gives the row count of each split.
    Returns:
        labels with reconstructed file names, and the `image` column in the same order.
    Raises:
        ValueError: a split or column is missing, a split has other than the expected rows, or a column holds
            values that are neither true/false, 0/1 nor -1/1.
    """
    from datasets import Image, concatenate_datasets, load_dataset

    splits = _official_order(load_dataset(hub_id, revision=revision), hub_id, expected)
    rows = concatenate_datasets(splits)
    identity = _identity_column(rows.column_names, hub_id)
    annotations = Annotations(
        names=[f"{number:06d}.jpg" for number in range(1, len(rows) + 1)],
        attributes=np.stack([_signs(rows, name, hub_id) for name in ATTRIBUTES], axis=1),
        identities=_column(rows, identity).astype(np.int32),
        partition=np.repeat(np.arange(len(PARTITIONS), dtype=np.int8), expected.partitions),
    )
    return annotations, rows.select_columns(["image"]).cast_column("image", Image())


def _official_order(found: DatasetDict, hub_id: str, expected: Release) -> list[Dataset]:
    splits = []
    for name, rows in zip(PARTITIONS, expected.partitions, strict=True):
        key = next((alias for alias in _SPLIT_NAMES[name] if alias in found), None)
        if key is None:
            raise ValueError(
                f"{hub_id} has the splits {sorted(map(str, found))} and no {' or '.join(_SPLIT_NAMES[name])}"
                "; file names can be given back only to a copy that keeps the official partition"
            )
        if len(found[key]) != rows:
            raise ValueError(
                f"{hub_id} split {key} has {len(found[key]):,} rows instead of {rows:,}, so file names "
                "cannot be given back to it; choose another revision, or load the official files with root"
            )
        splits.append(found[key])
    return splits


def _identity_column(columns: list[str], hub_id: str) -> str:
    identity = next((name for name in _IDENTITY_COLUMNS if name in columns), "")
    missing = [name for name in ("image", *ATTRIBUTES) if name not in columns]
    missing += [] if identity else [" or ".join(_IDENTITY_COLUMNS)]
    if missing:
        raise ValueError(
            f"{hub_id} has no column {', '.join(missing)} (it has {', '.join(columns)}); choose a copy "
            "of CelebA with identities and all 40 attributes"
        )
    return identity


def _column(rows: Dataset, name: str) -> np.ndarray:
    return rows.select_columns([name]).with_format("arrow")[:][name].to_numpy()


def _signs(rows: Dataset, name: str, hub_id: str) -> np.ndarray:
    """One attribute as -1 and +1, whatever convention the copy stores."""
    values = _column(rows, name)
    kinds = set(np.unique(values).tolist())
    if not (kinds <= {0, 1} or kinds <= {-1, 1}):
        raise ValueError(
            f"{hub_id} column {name} holds {sorted(kinds)[:5]} instead of true/false, 0/1 or -1/1; choose another copy"
        )
    return np.where(values > 0, 1, -1).astype(np.int8)
