"""One entry at a time from a JSON array of any length, with its place for messages; what is in it is read elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

# region_descriptions.json is hundreds of megabytes; its objects in memory would be several gigabytes.
_CHUNK = 1 << 20
_LONGEST = 64 << 20  # characters of one entry; those of the release have some ten thousand
_BLANK = " \t\r\n"


def entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield "file entry 1" and the first object of a JSON array of objects, and so on; memory stays bounded.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no JSON array of objects, or was cut; names the file and the entry.
    """
    decoder, number, place = json.JSONDecoder(), 0, 1
    with path.open(encoding="utf-8-sig") as file:
        text = _more(file, path, _CHUNK).lstrip(_BLANK)
        if not text.startswith("["):
            raise ValueError(f"{path} is no JSON array; download it again")
        while True:
            while place < len(text) and text[place] in _BLANK + ",":
                place += 1
            if place < len(text) and text[place] == "]":
                return
            try:
                entry, end = decoder.raw_decode(text, place)
            except json.JSONDecodeError as error:
                more = "" if len(text) - place > _LONGEST else _more(file, path, max(_CHUNK, len(text)))
                if not more:
                    raise ValueError(
                        f"{path} entry {number + 1} is no JSON or the file was cut ({error.msg}); download it again"
                    ) from error
                text, place = text[place:] + more, 0
                continue
            number, place = number + 1, end
            where = f"{path} entry {number}"
            if not isinstance(entry, dict):
                raise ValueError(f"{where} is {str(entry)[:60]!r} instead of an object; download the file again")
            yield where, entry


def field(entry: dict[str, Any], where: str, *names: str) -> Any:
    """Return the first field of that name; releases call the same thing differently.

    Raises:
        ValueError: the entry has none of the names.
    Example:
        >>> field({"id": 3}, "image_data.json entry 1", "image_id", "id")
        3
        >>> field({"id": 3}, "image_data.json entry 1", "width")
        Traceback (most recent call last):
        ValueError: image_data.json entry 1 has no field width, only id; download the file again
    """
    for name in names:
        if name in entry:
            return entry[name]
    raise ValueError(
        f"{where} has no field {' or '.join(names)}, only {', '.join(sorted(map(str, entry)))}; download the file again"
    )


def _more(file: TextIO, path: Path, size: int) -> str:
    try:
        return file.read(size)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}); download it again") from error
