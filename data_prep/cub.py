"""CUB-200-2011: birds in one folder a species, half of the species for training, half for testing; no vectors."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from data_prep.commands import run, tell, write
from data_prep.counts import count_table
from data_prep.ids import check_distinct, check_id, check_number
from data_prep.splits import About, Splits, decodable, part
from data_prep.texts import read_utf8
from multiturn.files import find_pictures

# Quoted in annotations: where those are postponed, jsonargparse imports all this for --help.
if TYPE_CHECKING:
    from datasets import Dataset, Features

SplitName = Literal["auto", "official", "halves"]
ABOUT = About(
    description="Caltech-UCSD Birds-200-2011: photographs of 200 species of birds.",
    homepage="https://www.vision.caltech.edu/datasets/cub_200_2011/",
    license="Non-commercial research and educational purposes only; Caltech does not own the copyright of the images.",
    citation="""@techreport{wah2011caltech,
  title = {The Caltech-UCSD Birds-200-2011 Dataset},
  author = {Wah, Catherine and Branson, Steve and Welinder, Peter and Perona, Pietro and Belongie, Serge},
  institution = {California Institute of Technology},
  number = {CNS-TR-2011-001},
  year = {2011}
}""",
)
TRAIN_CLASSES = 100  # the first so many of the numbered classes; the usual split for retrieval of unseen classes
OFFICIAL = {"images": 11_788, "classes": 200, "images of classes 1-100": 5_864, "images of classes 101-200": 5_924}

_NUMBERED = re.compile(r"(\d{3})\.(.+)")


def cub_features() -> "Features":
    """Columns of CUB.

    `id` is the path below images/. `label` is the class number less one where folders are numbered (001. is 0), else
    the folder's place in the alphabet. `species` is the folder's name without number. `image_id` is the number in
    images.txt, -1 without that file. `box` is x, y, width, height in pixels, empty without bounding_boxes.txt.
    """
    from datasets import Features, Image, List, Value

    columns = {"id": Value("string"), "image": Image(), "label": Value("int32"), "species": Value("string")}
    return Features(columns | {"image_id": Value("int32"), "box": List(Value("float32"))})


def load(
    root: Path, split: SplitName = "auto", on_bad_image: Literal["error", "skip"] = "error", check_images: bool = True
) -> Splits:
    """Load CUB-200-2011, or a part of it, split by class: no species is on both sides.

    Images stay on disk and are referred to by path; moving the folder breaks the result. The release's own
    train_test_split.txt divides the images of every class and is not used.

    Args:
        root: the folder that holds images/ (and images.txt and bounding_boxes.txt, which are read where they are).
        split: "official" trains on the classes 001 to 100 and tests on the others. "halves" trains on the first half
            of the classes that are there, by name. "auto" is official where every folder has its number and both
            sides have one, else halves; `source` says which.
        on_bad_image: "error" raises for an image that cannot be decoded, "skip" leaves it out and counts it.
        check_images: decode each image once. Without it a bad image raises only when it is used.
    Returns:
        train and test, sorted by id, with the columns of `cub_features()`.
    Raises:
        FileNotFoundError: no images/ folder, or no class folder in it.
        ValueError: split is "official" and folders have no numbers, a text file is damaged, or an image is bad.
    Source:
        Wah et al. (2011); classes 1-100 and 101-200 as in Relevance feedback, and in the metric-learning papers.
    """
    root = Path(root)
    if split not in get_args(SplitName):
        raise ValueError(f"split is {split!r}; choose one of {', '.join(get_args(SplitName))}")
    folder, names, stray = read_images(root)
    labels = class_labels(names)
    rule, training = _rule(labels, split, root)
    numbers, boxes = read_tables(root)
    left_out = {
        "image lies in no class folder": len(stray),
        "image file is missing": len(numbers.keys() - set(names)),
        "image is not in images.txt": sum(name not in numbers for name in names) if numbers else 0,
    }
    names = [name for name in names if not numbers or name in numbers]
    rows = _dataset(folder, names, labels, numbers, boxes)
    rows = decodable(rows, on_bad_image, check_images, left_out)
    sides = ["train" if label in training else "test" for label in rows["label"]]
    source = (
        f"CUB-200-2011, {rule}, {len(rows):,} of {OFFICIAL['images']:,} images, "
        f"{len(labels)} of {OFFICIAL['classes']} classes"
    )
    return part(rows, sides, ("train", "test"), ABOUT, source, left_out)


def read_images(root: Path) -> tuple[Path, list[str], list[str]]:
    """List the images by class folder; nothing is opened.

    Returns:
        the folder images/, the paths class/file below it, sorted, and images that lie in no class folder.
    Raises:
        FileNotFoundError: no images/ folder, or no class folder with images in it.
    """
    folder = root / "images"
    if not folder.is_dir():
        raise FileNotFoundError(f"{root} holds no folder images; unpack CUB_200_2011.tgz and give CUB_200_2011/")
    found = find_pictures(folder)[0]
    names = [name for name in found if name.count("/") == 1]
    if not names:
        raise FileNotFoundError(f"{folder} holds no class folders with images; unpack CUB_200_2011.tgz again")
    return folder, names, [name for name in found if name.count("/") != 1]


def class_labels(names: list[str]) -> dict[str, int]:
    """Label of each class folder: its number less one, or its place in the alphabet where no folder has a number.

    Raises:
        ValueError: some folders have a number and others have none, or two have the same.
    """
    folders = sorted({name.split("/")[0] for name in names})
    numbers = [int(found[1]) for name in folders if (found := _NUMBERED.fullmatch(name))]
    if not numbers:
        return {name: place for place, name in enumerate(folders)}
    if len(numbers) < len(folders):
        plain = [name for name in folders if not _NUMBERED.fullmatch(name)]
        raise ValueError(f"{len(plain)} class folders have no number, first {plain[:3]}; number all folders or none")
    check_distinct(numbers, "the list of class folders")
    return {name: number - 1 for name, number in zip(folders, numbers, strict=True)}


def read_tables(root: Path) -> tuple[dict[str, int], dict[str, list[float]]]:
    """Read images.txt and bounding_boxes.txt where they are.

    Returns:
        number and box (x, y, width, height) of each image that they name; empty without the file.
    Raises:
        ValueError: a line is not of the official form, two images have one number, or an image has no box.
    """
    if not (root / "images.txt").is_file():
        return {}, {}
    numbers: dict[str, int] = {}
    for where, fields in _lines(root / "images.txt", 2):
        name = check_id(fields[1], where)
        if name in numbers:
            raise ValueError(f"{where}: image {name} is named twice; keep one of the lines")
        numbers[name] = check_number(fields[0], "image number", where)
    check_distinct(numbers.values(), root / "images.txt")
    if not (root / "bounding_boxes.txt").is_file():
        return numbers, {}
    boxes: dict[int, list[float]] = {}
    for where, fields in _lines(root / "bounding_boxes.txt", 5):
        try:
            boxes[check_number(fields[0], "image number", where)] = [float(field) for field in fields[1:]]
        except ValueError as error:
            raise ValueError(f"{where} is {' '.join(fields)!r} instead of five numbers; unpack it again") from error
    lacking = [name for name, number in numbers.items() if number not in boxes]
    if lacking:
        raise ValueError(f"{root / 'bounding_boxes.txt'} lacks {len(lacking):,} images of images.txt: {lacking[:3]}")
    return numbers, {name: boxes[number] for name, number in numbers.items()}


def _lines(path: Path, width: int) -> list[tuple[str, list[str]]]:
    found = []
    for number, line in enumerate(read_utf8(path).splitlines(), start=1):
        fields = line.split()
        if len(fields) != width:
            raise ValueError(f"{path} line {number} is {line[:60]!r} instead of {width} fields; unpack it again")
        found.append((f"{path} line {number}", fields))
    return found


def _rule(labels: dict[str, int], split: str, root: Path) -> tuple[str, set[int]]:
    """Which split it is, in words, and the labels that train."""
    numbered = all(_NUMBERED.fullmatch(name) for name in labels)
    first = {label for label in labels.values() if label < TRAIN_CLASSES}
    if split == "official" and not numbered:
        raise ValueError(f"the class folders of {root} have no numbers, first {min(labels)!r}; use split='halves'")
    if split == "official" or (split == "auto" and numbered and 0 < len(first) < len(labels)):
        return "official classes (1-100 train, 101-200 test)", first
    return "halves of the classes there (first half trains)", set(sorted(labels.values())[: (len(labels) + 1) // 2])


def _dataset(
    folder: Path,
    names: list[str],
    labels: dict[str, int],
    numbers: dict[str, int],
    boxes: dict[str, list[float]],
) -> "Dataset":
    from datasets import Dataset

    folders = [name.split("/")[0] for name in names]
    columns = {
        "id": names,
        "image": [str(folder.resolve() / name) for name in names],
        "label": [labels[name] for name in folders],
        "species": [found[2] if (found := _NUMBERED.fullmatch(name)) else name for name in folders],
        "image_id": [numbers.get(name, -1) for name in names],
        "box": [boxes.get(name, []) for name in names],
    }
    return Dataset.from_dict(columns, cub_features())


def verify(root: Path) -> None:
    """Compare a download with the published counts; exit status 1 if one differs. No image is decoded.

    Args:
        root: the folder that holds images/.
    """
    _, names, _ = read_images(root)
    labels = class_labels(names)
    sides = [labels[name.split("/")[0]] < TRAIN_CLASSES for name in names]
    counts = (len(names), len(labels), sum(sides), len(sides) - sum(sides))
    found = dict(zip(OFFICIAL, counts, strict=True))
    numbers, boxes = read_tables(root)
    tell(*count_table(found | {"images in images.txt": len(numbers), "bounding boxes": len(boxes)}, OFFICIAL))


def prepare(
    output: Path, root: Path, split: SplitName = "auto", on_bad_image: Literal["error", "skip"] = "error"
) -> None:
    """Check the images and write both splits, images included, to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: the folder that holds images/.
        split: classes 1-100 against 101-200, or halves of the classes that are there.
        on_bad_image: stop at images that cannot be decoded, or leave them out.
    """
    write(output, lambda: load(root, split, on_bad_image))


EXAMPLES = """  python -m data_prep.cub verify --root CUB_200_2011
  python -m data_prep.cub prepare --root CUB_200_2011 --output prepared/cub
"""


def main(args: list[str] | None = None) -> None:
    """Run the command line."""
    run("data_prep.cub", "Check CUB-200-2011 and prepare it.", EXAMPLES, {"verify": verify, "prepare": prepare}, args)


if __name__ == "__main__":
    main()
