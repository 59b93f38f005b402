"""Command line of `python -m data_prep.visual_genome`: verify a download, prepare the splits, count words."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from data_prep.commands import run, tell, write

EXAMPLES = """  python -m data_prep.visual_genome verify --root visual_genome --splits splits
  python -m data_prep.visual_genome prepare --root visual_genome --splits splits --output prepared/visual_genome
  python -m data_prep.visual_genome prepare --root visual_genome --pixels false --output prepared/captions
  python -m data_prep.visual_genome words --root visual_genome --output words.txt
"""


def verify(root: Path, splits: Path | None = None) -> None:
    """Compare a download with the published counts; exit status 1 if one differs. No image is decoded.

    Args:
        root: the folder that holds region_descriptions.json and image_data.json, or rg_jsons/, or a CSV file.
        splits: the folder that holds the released lists of ids; by default root/splits.
    """
    from data_prep.visual_genome.verify import verify as table_of

    tell(*table_of(root, splits))


def prepare(
    output: Path,
    root: Path,
    splits: Path | None = None,
    seed: int = 0,
    fewest_captions: int = 10,
    pixels: bool = True,
    on_bad_image: Literal["error", "skip"] = "error",
) -> None:
    """Check captions and images and write the splits to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: the folder that holds region_descriptions.json and image_data.json, or rg_jsons/, or a CSV file.
        splits: the folder that holds the released lists of ids; by default root/splits, or a seeded draw.
        seed: of that draw.
        fewest_captions: leave out images with fewer captions.
        pixels: false for captions alone.
        on_bad_image: stop at images that cannot be decoded, or leave them out.
    """
    from data_prep.visual_genome.loading import load

    write(output, lambda: load(root, splits, seed, fewest_captions, pixels, on_bad_image))


def words(root: Path, output: Path | None = None, more_than: int = 10) -> None:
    """Count the vocabulary of all region captions, and write its entries, one a line, in order of their numbers.

    Args:
        root: the folder that holds the captions.
        output: text file to write; without it the size alone is printed.
        more_than: keep words that come more often than this.
    """
    from data_prep.visual_genome.reading import read_phrases
    from data_prep.visual_genome.vocabulary import vocabulary
    from multiturn.files import write_text

    found = vocabulary(read_phrases(root), more_than)
    print(f"{len(found):,} entries: words that come more than {more_than} times, and 4 special ones")
    if output is not None:
        write_text(output, "\n".join(found.words) + "\n")


def main(args: list[str] | None = None) -> None:
    """Run the command line."""
    commands = {"verify": verify, "prepare": prepare, "words": words}
    run("data_prep.visual_genome", "Check Visual Genome and prepare its splits.", EXAMPLES, commands, args)


if __name__ == "__main__":
    main()
