"""Any folder of images as a gallery, with captions where a JSON file has them; no vectors."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_prep.captions import check_caption
from data_prep.commands import run, write
from data_prep.ids import check_distinct, check_id
from data_prep.splits import About, Splits, decodable, part
from data_prep.texts import read_utf8
from multiturn.files import check_names, fault_of_name, find_pictures
from multiturn.items import MISNAMED, NO_IMAGE

# Quoted in annotations: where those are postponed, jsonargparse imports all this for --help.
if TYPE_CHECKING:
    from datasets import Dataset, Features

logger = logging.getLogger(__name__)

ABOUT = About(
    description="A folder of images.",
    homepage="",
    license="That of the images, which this toolkit does not know.",
    citation="",
)


def photo_features() -> "Features":
    """Columns: `id` is the path below the folder, with '/' on every system; `captions` may be empty."""
    from datasets import Features, Image, List, Value

    return Features(id=Value("string"), image=Image(), captions=List(Value("string")))


def load(
    root: Path,
    captions: Path | None = None,
    on_bad_image: Literal["error", "skip"] = "skip",
    check_images: bool = True,
) -> Splits:
    """Load every image below a folder, in every depth.

    Images stay on disk and are referred to by path; moving the folder breaks the result. Read them with
    `multiturn.pictures.read_picture`, which turns them upright and makes them RGB. Hidden files are passed over.

    Args:
        root: the folder.
        captions: JSON file, {"path below root": "caption"} or {"path below root": ["caption", "caption"]}. Images
            that it does not name have no captions.
        on_bad_image: "skip" leaves out images that cannot be decoded or whose names cannot be ids, and counts and logs
            them; "error" raises.
        check_images: decode each image once. Without it a bad image raises only when it is used.
    Returns:
        one split, `gallery`, sorted by id, with the columns of `photo_features()`.
    Raises:
        FileNotFoundError: no such folder or file, or no image in it.
        ValueError: the JSON file is not of the form above, an id in it leads out of the folder, comes twice or names
            no image, a caption is bad, or an image is bad and `on_bad_image` is "error".
    Example:
        >>> photos = load(Path("holiday"))  # doctest: +SKIP
        >>> photos.left_out  # doctest: +SKIP
        {'file is no image': 3, 'image cannot be decoded': 1}
    """
    rows, others, misnamed = _rows(Path(root), captions, on_bad_image)
    total, left_out = len(rows) + len(misnamed), {NO_IMAGE: len(others), MISNAMED: len(misnamed)}
    rows = decodable(rows, on_bad_image, check_images, left_out)
    source = f"photos of {Path(root).resolve().name}, {len(rows):,} of {total:,} images"
    return part(rows, ["gallery"] * len(rows), ("gallery",), ABOUT, source, left_out)


def read_captions(path: Path) -> dict[str, list[str]]:
    """Read a JSON file of captions by image id.

    Raises:
        ValueError: names the file, the id and what is wrong.
    """
    try:
        table = json.loads(read_utf8(path), object_pairs_hook=lambda pairs: _distinct(pairs, path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}; correct it") from error
    if not isinstance(table, dict):
        raise ValueError(f"{path} holds a {type(table).__name__}; it must be an object of image ids and captions")
    found: dict[str, list[str]] = {}
    for name, texts in table.items():
        where = f"{path} entry {name!r}"
        texts = texts if isinstance(texts, list) else [texts]
        found[check_id(name, str(path))] = [check_caption(text, where) for text in texts]
    return found


def _distinct(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    check_distinct((name for name, _ in pairs), path)
    return dict(pairs)


def _rows(
    root: Path, captions: Path | None, on_bad_image: Literal["error", "skip"]
) -> tuple["Dataset", list[str], list[str]]:
    """Images with their captions, files that are none, and images whose names cannot be ids."""
    from datasets import Dataset

    found, others = find_pictures(root)
    names, misnamed = check_names(root, found, on_bad_image)
    if not names:
        raise FileNotFoundError(f"{root} holds no image ({len(others):,} other files); give a folder with images")
    texts = {} if captions is None else read_captions(captions)
    unknown = sorted(texts.keys() - set(names))
    if unknown:
        raise ValueError(
            f"{captions} names {len(unknown):,} images that are not in {root}, first {unknown[:3]}; give their paths "
            "below the folder, with '/', or remove the entries"
        )
    columns = {
        "id": names,
        "image": [str(root.resolve() / name) for name in names],
        "captions": [texts.get(name, []) for name in names],
    }
    return Dataset.from_dict(columns, photo_features()), others, misnamed


def check(root: Path, captions: Path | None = None) -> None:
    """Decode every image below a folder once and list those that cannot be decoded, each with the reason.

    Args:
        root: the folder.
        captions: JSON file of captions, checked too.
    """
    from data_prep.pictures import find_faults

    rows, others, misnamed = _rows(root, captions, "skip")
    faults = find_faults(rows)
    print(f"{len(rows) - len(faults):,} of {len(rows):,} images can be decoded; {len(others):,} files are no images")
    for name, fault in faults.values():
        print(f"  {name}: {fault}")
    for name in misnamed:
        print(f"  {name!r}: its name {fault_of_name(name)}; rename it")


def prepare(
    output: Path, root: Path, captions: Path | None = None, on_bad_image: Literal["error", "skip"] = "skip"
) -> None:
    """Check the images and write them to a folder for datasets.load_from_disk.

    Args:
        output: folder to make; it must not be there yet.
        root: the folder of images.
        captions: JSON file, path below root -> caption or list of captions.
        on_bad_image: leave out images that cannot be decoded, or stop at them.
    """
    write(output, lambda: load(root, captions, on_bad_image))


EXAMPLES = """  python -m data_prep.photos check --root holiday
  python -m data_prep.photos prepare --root holiday --output prepared/holiday
"""


def main(args: list[str] | None = None) -> None:
    """Run the command line."""
    commands = {"check": check, "prepare": prepare}
    run("data_prep.photos", "Check a folder of images and prepare it.", EXAMPLES, commands, args)


if __name__ == "__main__":
    main()
