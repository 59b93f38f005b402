"""Images and region captions as the release, its per-image files, or a CSV file give them; nothing is dropped here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.captions import check_caption
from data_prep.ids import check_distinct, check_number
from data_prep.texts import read_csv, read_utf8
from data_prep.visual_genome.entries import entries, field

REGIONS_FILE, IMAGES_FILE, OBJECTS_FILE = "region_descriptions.json", "image_data.json", "objects.json"
_BOX = ("x", "y", "width", "height")
IMAGE_FOLDER = "rg_jsons"  # what the released code of Drill-down calls its folder of one JSON file an image


@dataclass(frozen=True)
class Region:
    """A caption of a part of an image."""

    number: int
    caption: str  # in lower case; empty where the annotator wrote nothing
    box: tuple[int, int, int, int] | None  # x, y, width, height in pixels as released: some leave the image


@dataclass(frozen=True)
class Image:
    """An image and its regions, in the order of the file."""

    number: int
    regions: list[Region]


def read(root: Path) -> Iterator[Image]:
    """Read region captions from whichever form of the release lies in a folder.

    Looked for in this order: region_descriptions.json; rg_jsons/<image id>.json, one an image; one CSV file with the
    columns image_id, region_id and caption (or phrase), and x, y, width and height where it has boxes.

    Raises:
        FileNotFoundError: none of them, or several CSV files.
        ValueError: an entry is damaged, or two images have one id; names file and entry.
    """
    if (root / REGIONS_FILE).is_file():
        images, where = _official(root / REGIONS_FILE), root / REGIONS_FILE
    elif (root / IMAGE_FOLDER).is_dir():
        images, where = _per_image(root / IMAGE_FOLDER), root / IMAGE_FOLDER
    else:
        where = _only_csv(root)
        images = _from_csv(where)
    seen: set[int] = set()
    for image in images:
        if image.number in seen:
            raise ValueError(f"{where} names image {image.number} twice; keep one of the entries")
        seen.add(image.number)
        yield image


def read_phrases(root: Path) -> Iterator[str]:
    """Every region caption in lower case, duplicates and short images included: what the vocabulary is counted on."""
    for image in read(root):
        yield from (region.caption for region in image.regions if region.caption)


def read_sizes(root: Path) -> dict[int, tuple[int, int]]:
    """Width and height of each image of image_data.json; empty where the file is not there.

    Raises:
        ValueError: an entry lacks a field, or two images have one id.
    """
    if not (root / IMAGES_FILE).is_file():
        return {}
    found = []
    for where, entry in entries(root / IMAGES_FILE):
        number = check_number(field(entry, where, "image_id", "id"), "image_id", where)
        size = [check_number(field(entry, where, name), name, where) for name in ("width", "height")]
        found.append((number, (size[0], size[1])))
    check_distinct((number for number, _ in found), root / IMAGES_FILE)
    return dict(found)


def read_objects(root: Path) -> dict[int, int] | None:
    """Number of objects of each image of objects.json; None where the file is not there."""
    if not (root / OBJECTS_FILE).is_file():
        return None
    found = {}
    for where, entry in entries(root / OBJECTS_FILE):
        number = check_number(field(entry, where, "image_id", "id"), "image_id", where)
        found[number] = len(_list(field(entry, where, "objects"), "objects", where))
    return found


def _official(path: Path) -> Iterator[Image]:
    for where, entry in entries(path):
        number = check_number(field(entry, where, "id", "image_id"), "image id", where)
        yield _image(entry, number, where)


def _per_image(folder: Path) -> Iterator[Image]:
    files = {path: check_number(path.stem, "the file's name", str(path)) for path in folder.glob("*.json")}
    if not files:
        raise FileNotFoundError(f"{folder} holds no .json file; unpack rg_jsons.zip there")
    for path, number in sorted(files.items(), key=lambda item: item[1]):
        try:
            entry = json.loads(read_utf8(path))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is no JSON or was cut ({error}); unpack it again") from error
        if not isinstance(entry, dict):
            raise ValueError(f"{path} holds a {type(entry).__name__} instead of an object; unpack it again")
        yield _image(entry, number, str(path))


def _image(entry: dict[str, Any], number: int, where: str) -> Image:
    regions = []
    for place, region in enumerate(_list(field(entry, where, "regions"), "regions", where), start=1):
        at = f"{where} (image {number}) region {place}"
        if not isinstance(region, dict):
            raise ValueError(f"{at} is {str(region)[:60]!r} instead of an object; download the file again")
        name = check_number(field(region, at, "region_id", "id"), "region_id", at)
        box = [check_number(field(region, at, key), key, at) for key in _BOX]
        caption = _caption(field(region, at, "phrase"), at)
        regions.append(Region(name, caption, (box[0], box[1], box[2], box[3])))
    return Image(number, regions)


def _only_csv(root: Path) -> Path:
    if not root.is_dir():
        raise FileNotFoundError(f"folder {root} does not exist; give the folder that holds {REGIONS_FILE}")
    found = sorted(root.glob("*.csv"))
    if len(found) != 1:
        raise FileNotFoundError(
            f"{root} holds neither {REGIONS_FILE} nor {IMAGE_FOLDER}/ nor exactly one CSV file (it has {len(found)}); "
            "unpack region_descriptions.json.zip and image_data.json.zip there"
        )
    return found[0]


def _from_csv(path: Path) -> Iterator[Image]:
    images: dict[int, list[Region]] = {}
    for where, row in read_csv(path, "image_id", "region_id", "caption|phrase"):
        number, name = (check_number(row[key], key, where) for key in ("image_id", "region_id"))
        box = None
        if row.keys() >= set(_BOX):
            sides = [check_number(row[key], key, where) for key in _BOX]
            box = (sides[0], sides[1], sides[2], sides[3])
        caption = _caption(row["caption"] if "caption" in row else row["phrase"], where)
        images.setdefault(number, []).append(Region(name, caption, box))
    yield from (Image(number, images[number]) for number in sorted(images))


def _caption(text: Any, where: str) -> str:
    # The release has empty phrases; they are dropped and counted later, while a wrong type is damage.
    return "" if isinstance(text, str) and not text.strip() else check_caption(text, where).lower()


def _list(value: Any, name: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: {name} is {str(value)[:60]!r} instead of a list; download the file again")
    return value
