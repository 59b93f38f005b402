"""Items to encode, read from a folder of pictures, a file of texts or a data set on disk; encoding lives elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from multiturn.files import SUFFIXES, check_names, find_pictures

if TYPE_CHECKING:
    from datasets import Dataset

DIGEST_BYTES = 8
EMPTY = blake2b(b"", digest_size=DIGEST_BYTES).hexdigest()  # digest of an item that holds nothing

NO_IMAGE, MISNAMED = "file is no image", "file name cannot be an id"


@dataclass(frozen=True)
class Items:
    """Items in the order of their source.

    Attributes:
        ids: one an item, each once.
        values: strings, or a data set with an `image` column.
        kind: of the items.
        source: what they are, as tables print it.
        left_out: what was left out: reason -> how many.
    Raises:
        ValueError: two items have one id.
    """

    ids: list[str]
    values: Dataset | list[str]
    kind: Literal["image", "text"]
    source: str
    left_out: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.ids)) < len(self.ids):
            seen: set[str] = set()
            twice = next(name for name in self.ids if name in seen or seen.add(name))
            raise ValueError(f"two items of {self.source} have the id {twice!r}; ids are unique")

    def __len__(self) -> int:
        return len(self.ids)


def read_items(
    path: Path,
    split: str | None = None,
    text_field: str | None = None,
    on_bad_image: Literal["error", "skip"] = "error",
) -> Items:
    """Read items from `path`, whatever it is.

    Args:
        path: a folder of pictures, as `find_pictures` finds them (ids are paths below it, with '/'); a folder that
            `Dataset.save_to_disk` wrote, or one of Parquet files and no picture, with an `image` or a text column and
            perhaps `id`; a .jsonl file of objects with a text and perhaps an `id`; a .txt file, one text a line, blank
            lines left out. Without ids, items are numbered as in the file, lines from 1 and rows from 0.
        split: of a folder that holds several.
        text_field: column or key of the texts; if not given, `text`, and a data set's pictures go before its texts.
            A column may have several texts a row; see `texts_of`.
        on_bad_image: stop at a file name that cannot be an id, or leave that picture out.
    Raises:
        FileNotFoundError: nothing there, or no item in it.
        ValueError: a line or column is missing, or is not what it should be; two items have one id.
    """
    if path.is_file():
        readers = {".jsonl": _read_jsonl, ".txt": _read_lines}
        if path.suffix.lower() not in readers:
            raise ValueError(f"{path} is neither .jsonl nor .txt; give one of these or a folder")
        found = readers[path.suffix.lower()](path, text_field or "text")
    elif not path.is_dir():
        raise FileNotFoundError(f"no folder or file of items at {path}")
    elif any((path / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        found = _of_dataset(_load_dataset(path, split), path, text_field)
    else:
        found = _read_pictures(path, on_bad_image)
        if not len(found) and any(path.rglob("*.parquet")):
            found = _of_dataset(_load_dataset(path, split), path, text_field)
    if not len(found):
        raise FileNotFoundError(f"{path} holds no item; pictures end in {', '.join(SUFFIXES)}")
    return found


def contents(values: Dataset | Sequence[Any]) -> Iterator[bytes | str]:
    """Yield what each item holds, as it is stored, nothing decoded: the bytes of a picture or text, or a file's path.

    Raises:
        ValueError: a data set without `image` column, or an item that is neither text nor picture.
    """
    from datasets import Dataset, Image
    from PIL.Image import Image as Picture

    if isinstance(values, Dataset):
        if "image" not in values.column_names:
            raise ValueError(f"the data set has the columns {', '.join(values.column_names)}, but no image")
        for row in values.select_columns(["image"]).cast_column("image", Image(decode=False)):
            stored: dict[str, Any] = row["image"] or {}  # type: ignore[index]  # Null where a row has no picture.
            yield stored.get("bytes") or stored.get("path") or b""
        return
    for place, item in enumerate(values):
        if isinstance(item, Picture):
            yield f"{item.mode} {item.size} ".encode() + item.tobytes()
        elif isinstance(item, str):
            yield item.encode()
        else:
            raise ValueError(f"item {place} is {item!r:.80}, which is neither text nor picture")


def digests(values: Dataset | Sequence[Any]) -> Iterator[str]:
    """Yield a digest of each item's content, the same wherever the item lies: of its file's bytes, or of its text.

    Every file is read: that takes far less time than encoding it, and sees changes that a time stamp hides. A file
    that cannot be read has none: it gets an empty string.
    """
    for content in contents(values):
        if isinstance(content, str):
            try:
                content = Path(content).read_bytes()
            except OSError:
                yield ""
                continue
        yield blake2b(content, digest_size=DIGEST_BYTES).hexdigest()


def _read_pictures(folder: Path, on_bad_image: Literal["error", "skip"]) -> Items:
    from datasets import Dataset, Features, Image, Value

    found, others = find_pictures(folder)
    ids, misnamed = check_names(folder, found, on_bad_image)
    columns = {"id": ids, "image": [str(folder / name) for name in ids]}
    images = Dataset.from_dict(columns, features=Features({"id": Value("string"), "image": Image()}))
    counted = {NO_IMAGE: len(others), MISNAMED: len(misnamed)}
    left_out = {reason: count for reason, count in counted.items() if count}
    return Items(ids, images, "image", f"{len(ids):,} pictures of {folder.resolve().name}", left_out)


def _read_lines(file: Path, text_field: str) -> Items:
    lines = [(number, line) for number, line in enumerate(_text(file).split("\n"), start=1) if line.strip()]
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

    saved = any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))
    if not saved and any(folder.rglob("*.parquet")):
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


def _of_dataset(rows: Dataset, folder: Path, text_field: str | None) -> Items:
    named = "id" in rows.column_names
    ids = [_id(name, str(folder)) for name in rows["id"]] if named else [f"{row:09d}" for row in range(len(rows))]
    name = folder.resolve().name
    if "image" in rows.column_names and text_field is None:
        return Items(ids, rows, "image", f"{len(rows):,} pictures of {name}")
    column = text_field or "text"
    if column not in rows.column_names:
        raise ValueError(
            f"{folder} has the columns {', '.join(rows.column_names)}, neither image nor {column}; rename the one with "
            "pictures to image, or name the one with texts as text_field"
        )
    ids, texts = texts_of(rows, column, ids)
    return Items(ids, texts, "text", f"{len(texts):,} texts of {name}")


def texts_of(rows: Dataset, column: str, ids: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ids and texts of a column.

    Args:
        rows: their pictures are not decoded.
        column: has one text a row, whose id is the row's; or a list of texts, or of objects with a `text`: the n-th,
            from 0, of row `name` has the id `name#n`.
        ids: one a row.
    Raises:
        ValueError: no such column, or what is in it is no text.
    Example:
        >>> from datasets import Dataset
        >>> texts_of(Dataset.from_dict({"captions": [["a dog", "one dog"], ["a cat"]]}), "captions", ["x", "y"])
        (['x#0', 'x#1', 'y#0'], ['a dog', 'one dog', 'a cat'])
    """
    if column not in rows.column_names:
        raise ValueError(f"no column {column!r} among {', '.join(rows.column_names)}; name one with texts")
    named, texts = [], []
    for name, cell in zip(ids, rows.select_columns([column])[column], strict=True):
        several = isinstance(cell, list)
        for place, one in enumerate(cell if several else [cell]):
            text = one.get("text") if isinstance(one, dict) else one
            if not isinstance(text, str):
                raise ValueError(f"{column} of {name!r} holds {one!r:.80}, which is not text; name another column")
            named.append(f"{name}#{place}" if several else name)
            texts.append(text)
    return named, texts


def _id(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"{place}: the id is {value!r:.80}; ids are strings that are not empty, or whole numbers")
    return str(value)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise ValueError(f"{file} is not UTF-8 ({reason}); convert it") from reason
