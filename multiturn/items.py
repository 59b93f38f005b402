"""Items to encode, read from a folder of pictures, a file of texts or a data set on disk; encoding lives elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datasets import Dataset

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True)
class Items:
    """Items in the order of their source.

    Attributes:
        ids: one an item, each once.
        values: strings, or a data set with an `image` column.
        kind: of the items.
        source: what they are, as tables print it.
    Raises:
        ValueError: two items have one id.
    """

    ids: list[str]
    values: Dataset | list[str]
    kind: Literal["image", "text"]
    source: str

    def __post_init__(self) -> None:
        if len(set(self.ids)) < len(self.ids):
            seen: set[str] = set()
            twice = next(name for name in self.ids if name in seen or seen.add(name))
            raise ValueError(f"two items of {self.source} have the id {twice!r}; ids are unique")

    def __len__(self) -> int:
        return len(self.ids)


def read_items(path: Path, split: str | None = None, text_field: str = "text") -> Items:
    """Read items from `path`, whatever it is.

    Args:
        path: a folder of pictures, at any depth (ids are paths below it, with '/'); a folder that
            `Dataset.save_to_disk` wrote, or one of Parquet files, with an `image` or a text column and perhaps `id`;
            a .jsonl file of objects with a text and perhaps an `id`; a .txt file, one text a line, blank lines left
            out. Without ids, items are numbered as in the file, lines from 1 and rows from 0.
        split: of a folder that holds several.
        text_field: column or key of the texts.
    Raises:
        FileNotFoundError: nothing there, or no item in it.
        ValueError: a line or column is missing, or is not what it should be; two items have one id.
    """
    if path.is_file():
        readers = {".jsonl": _read_jsonl, ".txt": _read_lines}
        if path.suffix not in readers:
            raise ValueError(f"{path} is neither .jsonl nor .txt; give one of these or a folder")
        found = readers[path.suffix](path, text_field)
    elif not path.is_dir():
        raise FileNotFoundError(f"no folder or file of items at {path}")
    elif any((path / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")) or any(
        path.rglob("*.parquet")
    ):
        found = _of_dataset(_load_dataset(path, split), path, text_field)
    else:
        found = _read_pictures(path)
    if not len(found):
        raise FileNotFoundError(f"{path} holds no item; pictures end in {', '.join(sorted(SUFFIXES))}")
    return found


def _read_pictures(folder: Path) -> Items:
    from datasets import Dataset, Features, Image

    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    images = Dataset.from_dict({"image": [str(file) for file in files]}, features=Features({"image": Image()}))
    ids = [file.relative_to(folder).as_posix() for file in files]
    return Items(ids, images, "image", f"{len(files):,} pictures of {folder.resolve().name}")


def _read_lines(file: Path, text_field: str) -> Items:
    lines = [(number, line) for number, line in enumerate(_text(file).splitlines(), start=1) if line.strip()]
    ids = [f"{number:09d}" for number, _ in lines]
    return Items(ids, [line.strip() for _, line in lines], "text", f"{len(ids):,} texts of {file.name}")


def _read_jsonl(file: Path, text_field: str) -> Items:
    ids, texts = [], []
    for number, line in enumerate(_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as reason:
            raise ValueError(f"{file}, line {number}: no JSON ({reason})") from reason
        if not isinstance(entry, dict) or text_field not in entry:
            keys = ", ".join(entry) if isinstance(entry, dict) else type(entry).__name__
            raise ValueError(f"{file}, line {number}: no {text_field!r} in it ({keys}); name the key as text_field")
        if not isinstance(entry[text_field], str):
            raise ValueError(f"{file}, line {number}: {text_field} is {entry[text_field]!r:.80}, which is not text")
        ids.append(_id(entry["id"], f"{file}, line {number}") if "id" in entry else f"{number:09d}")
        texts.append(entry[text_field])
    return Items(ids, texts, "text", f"{len(ids):,} texts of {file.name}")


def _load_dataset(folder: Path, split: str | None) -> Dataset:
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

    if any(folder.rglob("*.parquet")):
        loaded: Any = load_dataset(str(folder))
    else:
        loaded = load_from_disk(str(folder))
    if isinstance(loaded, Dataset):
        return loaded
    assert isinstance(loaded, DatasetDict)
    if split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    if split not in loaded:
        raise ValueError(f"{folder} has the splits {', '.join(map(str, loaded))}, not {split!r}; name one as split")
    return loaded[split]


def _of_dataset(rows: Dataset, folder: Path, text_field: str) -> Items:
    named = "id" in rows.column_names
    ids = [_id(name, str(folder)) for name in rows["id"]] if named else [f"{row:09d}" for row in range(len(rows))]
    name = folder.resolve().name
    if "image" in rows.column_names:
        return Items(ids, rows, "image", f"{len(rows):,} pictures of {name}")
    if text_field not in rows.column_names:
        raise ValueError(
            f"{folder} has the columns {', '.join(rows.column_names)}, neither image nor {text_field}; rename the "
            "one with pictures to image, or name the one with texts as text_field"
        )
    texts: list[str] = list(rows[text_field])
    return Items(ids, texts, "text", f"{len(rows):,} texts of {name}")


def _id(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"{place}: the id is {value!r:.80}; ids are strings that are not empty, or whole numbers")
    return str(value)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise ValueError(f"{file} is not UTF-8 ({reason}); convert it") from reason
