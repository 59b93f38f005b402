"""Text and CSV files, read whole, with the file's name in every error; what stands in them is checked elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path


def read_utf8(path: Path) -> str:
    """Read a text file, with or without a byte order mark.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not UTF-8; names the file.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error}); download it again or convert it") from error


def read_csv(path: Path, *needed: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Yield "file line 2" and the fields of each row of a CSV file whose first line names its columns.

    A row that is too short has None for what it lacks.

    Args:
        needed: columns that must be there; a choice is written "caption|phrase".
    Raises:
        ValueError: a needed column is missing; names those that are there.
    """
    rows = csv.DictReader(StringIO(read_utf8(path), newline=""))
    columns = set(rows.fieldnames or ())
    lacking = [choice for choice in needed if not columns & set(choice.split("|"))]
    if lacking:
        raise ValueError(
            f"{path} has the columns {', '.join(map(str, rows.fieldnames or ()))} and lacks {', '.join(lacking)}; "
            "its first line must name them"
        )
    for row in rows:
        yield f"{path} line {rows.line_num}", row
