"""Command line: `python -m data_prep.drawn_faces --output FOLDER` writes the data set and two sheets."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from pathlib import Path

EXAMPLES = """examples:
  python -m data_prep.drawn_faces --output runs/drawn
  python -m data_prep.drawn_faces --output runs/large --count 20000 --size 96 --difficulty 1.3
"""


def write(
    output: Path,
    count: int = 6000,
    size: int = 64,
    seed: int = 0,
    difficulty: float = 1.0,
    test_share: float = 0.25,
    processes: int | None = None,
) -> None:
    """Draw faces with CelebA's 40 attributes and write them with two sheets to look at.

    FOLDER/faces is the data set (read it with datasets.load_from_disk), FOLDER/contact.png shows 64 faces,
    and FOLDER/attributes.png shows each attribute absent and present in one and the same face.

    Args:
        output: folder to write to; it is created, and a data set already in it is not overwritten.
        count: pictures, at least 40.
        size: side of a picture in pixels, 32 to 256.
        seed: another seed gives other people.
        difficulty: 0 is frontal, clean and plain; more moves, dims and hides more and weakens the cues.
        test_share: share of the pictures in the test split, in (0, 1).
        processes: how many draw at once; by default one a core.
    """
    from data_prep.drawn_faces.dataset import load, save_whole
    from data_prep.drawn_faces.sheets import attribute_sheet, contact_sheet

    if (output / "faces").exists():
        raise SystemExit(f"{output}/faces is already there; remove it or give another --output")
    faces = load(count, size, seed, difficulty, test_share, processes=processes)
    save_whole(faces, output / "faces")
    contact_sheet(max(size, 96), seed, difficulty).save(output / "contact.png")
    attribute_sheet(max(size, 96), seed, difficulty / 2).save(output / "attributes.png")
    for split, rows in faces.items():
        print(f"{split}: {len(rows):,} faces of {len(set(rows['identity'])):,} people")
    print(f"written to {output}: faces/, contact.png, attributes.png")


if __name__ == "__main__":
    from jsonargparse import DefaultHelpFormatter, auto_cli

    class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
        """Keeps the line breaks of the examples."""

    auto_cli(write, as_positional=False, epilog=EXAMPLES, formatter_class=HelpFormatter)
