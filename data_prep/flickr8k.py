"""Flickr8k: 8,000 photographs with five captions each, in the official splits; no tokenising and no vectors."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data_prep.captions import check_caption
from data_prep.commands import run, tell, write
from data_prep.counts import check_counts, count_table
from data_prep.ids import check_distinct, check_id
from data_prep.splits import About, Splits, decodable, part
from data_prep.texts import read_csv, read_utf8
from multiturn.files import find_pictures

# Quoted in annotations: where those are postponed, jsonargparse imports all this for --help.
if TYPE_CHECKING:
    from datasets import Features

ABOUT = About(
    description="Flickr8k: photographs of people and animals in action, with five captions each.",
    homepage="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
    license=(
        "Non-commercial research and educational purposes only; the photographs belong to their owners on Flickr "
        "and must not be redistributed."
    ),
    citation="""@article{hodosh2013framing,
  title = {Framing Image Description as a Ranking Task: Data, Models and Evaluation Metrics},
  author = {Hodosh, Micah and Young, Peter and Hockenmaier, Julia},
  journal = {Journal of Artificial Intelligence Research},
  volume = {47},
  pages = {853--899},
  year = {2013}
}""",
)
CAPTIONS = 5  # of every image
OFFICIAL = {"train": 6_000, "validation": 1_000, "test": 1_000}

# Names of the official archives first, then those of common copies.
_CAPTION_FILES = ("Flickr8k_text/Flickr8k.token.txt", "Flickr8k.token.txt", "captions.csv", "captions.txt")
_IMAGE_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset", "images", "Images")
_SPLIT_FILES = {
    "train": ("Flickr8k_text/Flickr_8k.trainImages.txt", "Flickr_8k.trainImages.txt", "train.txt"),
    "validation": ("Flickr8k_text/Flickr_8k.devImages.txt", "Flickr_8k.devImages.txt", "dev.txt"),
    "test": ("Flickr8k_text/Flickr_8k.testImages.txt", "Flickr_8k.testImages.txt", "test.txt"),
}


def flickr8k_features() -> "Features":
    """Columns: `id` is the file name; `captions` has five texts, as written, in the order of the release."""
    from datasets import Features, Image, List, Value

    return Features(id=Value("string"), image=Image(), captions=List(Value("string")))


def load(
    root: Path,
    on_bad_image: Literal["error", "skip"] = "error",
    check_images: bool = True,
    expected: Mapping[str, int] | None = OFFICIAL,
) -> Splits:
    """Load Flickr8k from the official archives, or from a copy with captions.csv and train, dev and test.txt.

    Images stay on disk and are referred to by path; moving the folder breaks the result. The captions and the lists
    of the splits must be complete; a part of the images will do.

    Args:
        root: the folder that holds the caption file, the lists of the splits and the folder of images.
        on_bad_image: "error" raises for an image that cannot be decoded, "skip" leaves it out and counts it.
        check_images: decode each image once. Without it a bad image raises only when it is used.
        expected: images that each split's list must name; None to take what is there.
    Returns:
        train, validation and test, each in the order of its list, with the columns of `flickr8k_features()`.
    Raises:
        FileNotFoundError: a file or the folder of images is missing.
        ValueError: an entry is not what the release holds (the message names file, line and value), an image has
            other than five captions, a list has other than the expected length, or an image is bad.
    Source:
        Hodosh, Young and Hockenmaier (2013), and the files of their release.
    """
    from datasets import Dataset

    root = Path(root)
    captions, sides = read_captions(root), read_splits(root)
    if expected is not None:
        check_counts({name: len(names) for name, names in sides.items()}, expected, root)
    folder = root / _first(root, _IMAGE_FOLDERS, "the folder of images")
    present = set(find_pictures(folder)[0])
    used = [name for names in sides.values() for name in names]
    left_out = {
        "image is in no split": len(captions.keys() - set(used)),
        "image has no captions": sum(name not in captions for name in used),
        "image file is missing": sum(name in captions and name not in present for name in used),
    }
    names = [name for name in used if name in captions and name in present]
    if not names:
        raise FileNotFoundError(f"{folder} holds {len(present):,} images, none of which a split and the captions name")
    columns = {
        "id": names,
        "image": [str(folder.resolve() / name) for name in names],
        "captions": [captions[name] for name in names],
    }
    rows = decodable(Dataset.from_dict(columns, flickr8k_features()), on_bad_image, check_images, left_out)
    side_of = {name: side for side, members in sides.items() for name in members}
    source = f"Flickr8k, official splits, {len(rows):,} of {len(used):,} images"
    return part(rows, [side_of[name] for name in rows["id"]], tuple(sides), ABOUT, source, left_out)


def read_captions(root: Path) -> dict[str, list[str]]:
    """Read the caption file: image -> its five captions.

    Raises:
        ValueError: a line or caption is bad, or an image has other than five; names file, line and value.
    """
    path = root / _first(root, _CAPTION_FILES, "the captions")
    captions: dict[str, list[str]] = {}
    lines = _token_lines(path) if path.name.endswith("token.txt") else _csv_lines(path)
    for where, name, text in lines:
        captions.setdefault(check_id(name, where), []).append(check_caption(text, where))
    for name, found in captions.items():
        if len(found) != CAPTIONS:
            raise ValueError(f"{path} has {len(found)} captions for image {name} instead of {CAPTIONS}; complete it")
    return captions


def read_splits(root: Path) -> dict[str, list[str]]:
    """Read the three lists of image names.

    Raises:
        ValueError: a name leads out of the folder or comes twice, in one list or in two.
    """
    sides: dict[str, list[str]] = {}
    for side, choices in _SPLIT_FILES.items():
        path = root / _first(root, choices, f"the list of the {side} split")
        lines = read_utf8(path).splitlines()
        sides[side] = [check_id(line.strip(), f"{path} line {at}") for at, line in enumerate(lines, 1) if line.strip()]
        check_distinct(sides[side], path)
    check_distinct((name for names in sides.values() for name in names), f"{root}: the lists of train, dev and test")
    return sides


def _token_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(read_utf8(path).splitlines(), start=1):
        name, tab, text = line.partition("\t")
        if not tab or "#" not in name:
            raise ValueError(f"{path} line {number} is {line[:60]!r} instead of 'name.jpg#0<tab>caption'; correct it")
        yield f"{path} line {number}", name.rpartition("#")[0], text


def _csv_lines(path: Path) -> Iterator[tuple[str, str | None, str | None]]:
    for where, row in read_csv(path, "image", "caption"):
        yield where, row["image"], row["caption"]


def _first(root: Path, choices: tuple[str, ...], what: str) -> str:
    found = next((name for name in choices if (root / name).exists()), None)
    if found is None:
        raise FileNotFoundError(
            f"{root} lacks {what}, looked for {', '.join(choices)}; unpack Flickr8k_text.zip and "
            "Flickr8k_Dataset.zip there, or add the file"
        )
    return found


def verify(root: Path) -> None:
    """Compare a download with the official counts; exit status 1 if one differs. No image is decoded.

    Args:
        root: the folder that holds the captions, the lists of the splits and the folder of images.
    """
    captions, sides = read_captions(root), read_splits(root)
    used = {name for names in sides.values() for name in names}
    files = set(find_pictures(root / _first(root, _IMAGE_FOLDERS, "the folder of images"))[0])
    total = sum(OFFICIAL.values())
    found = {name: len(names) for name, names in sides.items()} | {
        "captions of these": sum(len(captions.get(name, ())) for name in used),
        "image files of these": len(used & files),
        "all images with captions": len(captions),
        "all image files": len(files),
    }
    tell(*count_table(found, OFFICIAL | {"captions of these": total * CAPTIONS, "image files of these": total}))


def prepare(output: Path, root: Path, on_bad_image: Literal["error", "skip"] = "error") -> None:
    """Check the images and write the splits, images included, to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: the folder that holds the captions, the lists of the splits and the folder of images.
        on_bad_image: stop at images that cannot be decoded, or leave them out.
    """
    write(output, lambda: load(root, on_bad_image))


EXAMPLES = """  python -m data_prep.flickr8k verify --root flickr8k
  python -m data_prep.flickr8k prepare --root flickr8k --output prepared/flickr8k
"""


def main(args: list[str] | None = None) -> None:
    """Run the command line."""
    commands = {"verify": verify, "prepare": prepare}
    run("data_prep.flickr8k", "Check Flickr8k and prepare its splits.", EXAMPLES, commands, args)


if __name__ == "__main__":
    main()
