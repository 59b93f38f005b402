"""Command line: `python -m data_prep.drawn_scenes --output FOLDER` writes the data set and a sheet to look at."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from pathlib import Path

EXAMPLES = """examples:
  python -m data_prep.drawn_scenes --output runs/scenes
  python -m data_prep.drawn_scenes --output runs/large --count 20000 --size 128 --captions 15
"""


def write(
    output: Path,
    count: int = 4000,
    size: int = 96,
    seed: int = 0,
    captions: int = 10,
    test_share: float = 0.25,
    validation_share: float = 0.1,
    processes: int | None = None,
) -> None:
    """Draw scenes of several objects with region captions and write them with a sheet to look at.

    FOLDER/scenes is the data set (read it with datasets.load_from_disk), and FOLDER/contact.png shows 16 scenes
    with their boxes and five captions each.

    Args:
        output: folder to write to; it is created, and a data set already in it is not overwritten.
        count: pictures, at least 40.
        size: side of a picture in pixels, 64 to 256.
        seed: another seed gives other scenes.
        captions: of each picture, 1 to 30.
        test_share: share of the pictures in the test split, in (0, 1).
        validation_share: share of the pictures in the validation split, in (0, 1).
        processes: how many draw at once; by default one a core.
    """
    from data_prep.drawing import save_whole
    from data_prep.drawn_scenes.dataset import load
    from data_prep.drawn_scenes.sheets import contact_sheet

    if (output / "scenes").exists():
        raise SystemExit(f"{output}/scenes is already there; remove it or give another --output")
    scenes = load(count, size, seed, captions, test_share, validation_share, processes=processes)
    save_whole(scenes, output / "scenes")
    contact_sheet(size, seed, captions).save(output / "contact.png")
    for split, rows in scenes.items():
        print(f"{split}: {len(rows):,} scenes, {captions * len(rows):,} captions")
    print(f"written to {output}: scenes/, contact.png")


if __name__ == "__main__":
    from jsonargparse import DefaultHelpFormatter, auto_cli

    class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
        """Keeps the line breaks of the examples."""

    auto_cli(write, as_positional=False, epilog=EXAMPLES, formatter_class=HelpFormatter)
