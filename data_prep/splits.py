"""What every loader returns, described and saved the same way; reading a data set is the loader's own business."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, DatasetInfo

logger = logging.getLogger(__name__)

UNDECODABLE = "image cannot be decoded"


@dataclass(frozen=True)
class Splits:
    """A data set in its splits, and what is not in it."""

    splits: DatasetDict
    left_out: dict[str, int]  # reason -> how many; empty where nothing was left out
    source: str  # what a table prints: data set, origin, split, how many of how many images


@dataclass(frozen=True)
class Parts:
    """Images in the three parts that a task wants.

    Attributes:
        train: to learn from.
        validation: to choose the best epoch by.
        test: to report on; nothing is ever chosen by them.
        source: as tables print it.
        left_out: why images were left out, and how many.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    source: str
    left_out: dict[str, int]


@dataclass(frozen=True)
class About:
    """What a data set is, who made it and what one may do with it."""

    description: str
    homepage: str
    license: str
    citation: str
    version: str = "1.0.0"  # of the columns


def described(about: About, source: str, left_out: dict[str, int]) -> DatasetInfo:
    """Put origin, licence and what was left out into the form that `datasets` saves beside the rows."""
    from datasets import DatasetInfo

    told = "".join(f" Left out: {count:,} ({reason})." for reason, count in left_out.items() if count)
    return DatasetInfo(
        description=f"{about.description} {source}.{told}",
        citation=about.citation,
        homepage=about.homepage,
        license=about.license,
        version=about.version,
    )


def decodable(
    rows: Dataset, on_bad_image: Literal["error", "skip"], check_images: bool, left_out: dict[str, int]
) -> Dataset:
    """Drop the rows whose picture cannot be decoded, and add their number to `left_out`.

    Args:
        rows: has the columns `id` and `image`.
        on_bad_image: "error" raises instead of dropping.
        check_images: without it nothing is decoded and every row stays.
    Raises:
        ValueError: a picture cannot be decoded and `on_bad_image` is "error"; names the first five.
    """
    from data_prep.pictures import check_pictures

    if not check_images:
        return rows
    kept, bad = check_pictures(rows, on_bad_image)
    if bad:
        left_out[UNDECODABLE] = len(bad)
        logger.warning("left out %s images that cannot be decoded, first %s", f"{len(bad):,}", bad[:5])
    return kept


def part(
    rows: Dataset, sides: list[str], names: tuple[str, ...], about: About, source: str, left_out: dict[str, int]
) -> Splits:
    """Cut rows into named splits that all carry the same description.

    Args:
        sides: the split of each row.
        names: of all splits, in their order. One without rows stays, and is warned of.
    """
    from datasets import DatasetDict

    rows.info.update(described(about, source, left_out))
    places = {name: [place for place, side in enumerate(sides) if side == name] for name in names}
    splits = DatasetDict({name: rows.select(places[name]) for name in names})
    for name, found in splits.items():
        if len(found) == 0:
            logger.warning("%s: no image in the %s split", source, name)
    return Splits(splits, {reason: count for reason, count in left_out.items() if count}, source)


def save(loaded: Splits, output: Path) -> None:
    """Write the splits, images included, to a folder that `datasets.load_from_disk` reads.

    The folder appears whole or not at all. Its dataset_info.json says the source and what was left out.

    Raises:
        FileExistsError: the folder is there already.
    """
    check_free(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        # Without a shard of its own an empty split could not be read back.
        shards = {name: None if len(rows) else 1 for name, rows in loaded.splits.items()}
        # The annotation of num_shards forgets that None lets it choose.
        loaded.splits.save_to_disk(workplace / "splits", num_shards=shards)  # pyright: ignore
        check_free(output)
        os.replace(workplace / "splits", output)
    finally:
        shutil.rmtree(workplace)


def check_free(output: Path) -> None:
    """Refuse a folder that exists, before hours of work go into it.

    Raises:
        FileExistsError: it is there already.
    """
    if output.exists():
        raise FileExistsError(f"{output} is there already; remove it or choose another output folder")
