"""The table that says whether a folder holds the official CelebA; it decodes no image."""

from __future__ import annotations

from pathlib import Path

from data_prep.celeba.annotations import read_annotations
from data_prep.celeba.images import find_images
from data_prep.celeba.release import (
    OFFICIAL,
    PAPER_PEOPLE_ON_BOTH_SIDES,
    Release,
    labelled,
    measure,
)
from data_prep.counts import count_table


def verify(root: Path, expected: Release = OFFICIAL) -> tuple[str, bool]:
    """Compare a folder's annotations with the official release, and count its image files.

    A part of the images is no disagreement: `load` takes a subset. Annotations that differ are one.

    Returns:
        the table to print, and whether every count agrees.
    Raises:
        FileNotFoundError, ValueError: the files cannot be read; see `read_annotations` and `find_images`.
    """
    annotations = read_annotations(root)
    table, agree = count_table(labelled(measure(annotations, expected.train_images)), labelled(expected))
    folder, files = find_images(root)
    annotated = {Path(name).stem for name in annotations.names}
    present = len(annotated & files.keys())
    unknown = len(files) - present
    lines = [f"{present:,} of {len(annotated):,} image files are present in {folder}"]
    if unknown:
        lines.append(f"{unknown:,} image files have no annotation and are not used")
    if agree and expected == OFFICIAL:
        lines += [
            f"The paper counts {PAPER_PEOPLE_ON_BOTH_SIDES} people on both sides of its split; the official "
            f"identity file gives {OFFICIAL.people_on_both_sides}.",
            "Its other counts agree: its authors had another identity file, or the printed number is wrong.",
        ]
    return "\n".join([*lines, "", table]), agree
