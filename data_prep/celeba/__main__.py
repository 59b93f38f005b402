"""Command line of `python -m data_prep.celeba`: verify a download, prepare the splits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

EXAMPLES = """
examples:
  python -m data_prep.celeba verify --root celeba
  python -m data_prep.celeba prepare --root celeba --split paper --output prepared/celeba
  python -m data_prep.celeba prepare --hub_id flwrlabs/celeba --split official --output prepared/celeba
"""


def verify(root: Path) -> None:
    """Compare a download of CelebA with the official counts; exit status 1 if one differs.

    Args:
        root: folder that holds Anno/ and Img/, or torchvision's celeba/ folder.
    """
    from data_prep.celeba.verify import verify as table_of

    table, agrees = table_of(root)
    print(table)
    if not agrees:
        sys.exit(1)


def prepare(
    output: Path,
    root: Path | None = None,
    hub_id: str | None = None,
    revision: str | None = None,
    split: Literal["paper", "official"] = "paper",
    on_bad_image: Literal["error", "skip"] = "error",
) -> None:
    """Check the images and write the splits, images included, to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: folder that holds Anno/ and Img/, or torchvision's celeba/ folder.
        hub_id: data set on the Hub, or a local folder of parquet files, instead of root.
        revision: commit, branch or tag of the data set on the Hub.
        split: the first 180,000 images against the rest, or the official train, validation and test.
        on_bad_image: stop at images that cannot be decoded, or leave them out.
    """
    from data_prep.celeba.loading import check_free, load, save

    check_free(output)
    faces = load(root, hub_id, revision, split, on_bad_image)
    save(faces, output)
    print(f"{faces.source}, written to {output}")
    for name, part in faces.splits.items():
        print(f"  {name}: {len(part):,}")
    for reason, count in faces.left_out.items():
        print(f"  left out: {count:,} ({reason})")


def main(args: list[str] | None = None) -> None:
    """Run one command; a mistake in the input ends it with a message and exit status 1."""
    import argparse

    from jsonargparse import auto_cli

    try:
        auto_cli(
            {"verify": verify, "prepare": prepare},
            args=args,
            prog="python -m data_prep.celeba",
            description="Check CelebA and prepare its splits.",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            as_positional=False,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
