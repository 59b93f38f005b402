"""Checking the pictures of a data set; decoding them lives in `multiturn.pictures`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from multiturn.pictures import fault_of

if TYPE_CHECKING:
    from datasets import Dataset

# Starting a worker costs about as much as decoding so many small images.
_IMAGES_PER_PROCESS = 1_000


def check_pictures(
    dataset: Dataset, on_bad_image: Literal["error", "skip"] = "error", processes: int | None = None
) -> tuple[Dataset, list[str]]:
    """Decode every image once, and refuse or drop those that cannot be decoded.

    Each file is read to its end, JPEGs at an eighth of their size: that finds files that are empty, cut short
    or no images, and those that `multiturn.pictures.read_picture` refuses. A JPEG with changed bytes in its middle
    still decodes, to wrong colours, and is not found.

    Args:
        dataset: has the columns `id` and `image`.
        on_bad_image: "error" raises, "skip" drops.
        processes: default: one a core, fewer for few images.
    Returns:
        the images that can be decoded, in the same order, and the `id`s of the others.
    Raises:
        ValueError: an image cannot be decoded and `on_bad_image` is "error"; names the first five.
    """
    if on_bad_image not in ("error", "skip"):
        raise ValueError(f"on_bad_image is {on_bad_image!r}; choose error or skip")
    faults = find_faults(dataset, processes)
    if not faults:
        return dataset, []
    if on_bad_image == "error":
        listed = "; ".join(f"{name} ({fault})" for name, fault in list(faults.values())[:5])
        raise ValueError(
            f"{len(faults):,} of {len(dataset):,} images cannot be decoded, first {listed}; copy or unpack them "
            "again, or pass on_bad_image='skip' to leave them out"
        )
    kept = dataset.select([row for row in range(len(dataset)) if row not in faults])
    return kept, [name for name, _ in faults.values()]


def find_faults(dataset: Dataset, processes: int | None = None) -> dict[int, tuple[str, str]]:
    """Decode every image once.

    Returns:
        row -> `id` and what is wrong, for the images that cannot be decoded, in their order.
    """
    from datasets import Features, Image, Value

    wanted = min(processes or os.cpu_count() or 1, 1 + len(dataset) // _IMAGES_PER_PROCESS)
    undecoded = dataset.select_columns(["image"]).cast_column("image", Image(decode=False))
    faults = undecoded.map(
        _faults,
        batched=True,
        batch_size=200,
        input_columns="image",
        remove_columns="image",
        features=Features({"fault": Value("string")}),
        num_proc=wanted if wanted > 1 else None,
        load_from_cache_file=False,  # a file may have changed since
        desc="decoding images",
    )["fault"][:]
    bad = [row for row, fault in enumerate(faults) if fault]
    names = dataset.select(bad)["id"][:] if bad else []
    return {row: (name, faults[row]) for row, name in zip(bad, names, strict=True)}


def _faults(images: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Why each image, given as bytes or path, cannot be decoded; "" where it can."""
    return {"fault": [fault_of(image["path"] if image["bytes"] is None else image["bytes"]) for image in images]}
