"""Files of galleries, read and written in parts, so that memory stays small; what the tables mean is in `gallery`.

The format is safetensors: eight bytes with the header's length, a JSON header, and the tables' numbers.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from multiturn.files import atomic_file

SCHEMA = 1
NAME = "gallery.safetensors"  # of the file in a gallery's folder
TABLES = ("vectors", "mask", "boxes", "digests")
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "BOOL": torch.bool,
    "U8": torch.uint8,
}
_KINDS = {dtype: kind for kind, dtype in DTYPES.items()}


def gallery_path(path: Path) -> Path:
    """The file of the gallery that `path` names, which is that file or its folder.

    Raises:
        FileNotFoundError: no such file.
    """
    file = Path(path) / NAME if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no gallery at {file}")
    return file


def description(ids: Sequence[str], fingerprint: str, source: str) -> str:
    """The metadata by which a file is known to be a gallery."""
    return json.dumps({"schema": SCHEMA, "ids": list(ids), "fingerprint": fingerprint, "source": source})


@dataclass(frozen=True)
class Table:
    """Where the rows of one table lie in a file: `start` is that of the first byte."""

    dtype: torch.dtype
    row: tuple[int, ...]
    start: int = 0

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize * prod(self.row)


class GalleryFile:
    """A gallery's file, of which rows are read when they are asked for.

    Args:
        path: the file or its folder.
    Attributes:
        ids: of the rows.
        fingerprint: of the encoder.
        source: what the candidates are.
        tables: `vectors`, and perhaps `mask`, `boxes` and `digests` (of the items' content, 8 bytes each).
        left_out: items that have no vector: id -> reason and digest.
    Raises:
        FileNotFoundError: no such file.
        ValueError: not a gallery file, a damaged one or another schema.
    """

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self.path = gallery_path(path)
        try:
            with safe_open(self.path, framework="pt") as file:  # It compares the header with the file's length.
                metadata = file.metadata() or {}
            about = json.loads(metadata.get("gallery", "null"))
            left_out = json.loads(metadata.get("left_out", "{}"))
        except (SafetensorError, json.JSONDecodeError) as reason:
            raise ValueError(f"{self.path} is not a whole gallery file ({reason}); make it again") from reason
        if not isinstance(about, dict) or about.get("schema") != SCHEMA:
            raise ValueError(f"{self.path} is not a gallery of schema {SCHEMA}; make it again")
        self.ids: list[str] = about["ids"]
        self.fingerprint, self.source = str(about["fingerprint"]), str(about["source"])
        self.left_out: dict[str, tuple[str, str]] = {name: (why, digest) for name, (why, digest) in left_out.items()}
        with self.path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        self.tables = {
            name: Table(DTYPES[table["dtype"]], tuple(table["shape"][1:]), 8 + size + table["data_offsets"][0])
            for name, table in header.items()
            if name in TABLES
        }
        wrong = [name for name in self.tables if header[name]["shape"][0] != len(self.ids)]
        if wrong or "vectors" not in self.tables:
            told = f"another number of {wrong[0]}" if wrong else "no vectors"
            raise ValueError(f"{self.path} has {len(self.ids)} ids, but {told}; make it again")

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, name: str, first: int, last: int) -> Tensor:
        """Rows [first, last) of a table, in memory of their own."""
        table = self.tables[name]
        rows = torch.empty(last - first, *table.row, dtype=table.dtype)
        if rows.numel():
            with self.path.open("rb", buffering=0) as file:
                file.seek(table.start + first * table.row_bytes)
                _fill(file, _bytes(rows), self.path)
        return rows

    def blocks(self, most_bytes: int = 1 << 26) -> Iterator[range]:
        """Ranges of rows, in order, whose vectors take at most so many bytes (or are one row)."""
        step = max(1, most_bytes // max(1, self.tables["vectors"].row_bytes))
        for first in range(0, len(self), step):
            yield range(first, min(first + step, len(self)))


class GalleryWriter:
    """Puts rows into the tables of one file, each row once."""

    def __init__(self, file: BinaryIO, tables: Mapping[str, Table], rows: int) -> None:
        self._file, self._tables, self._rows = file, tables, rows
        self._written = 0

    def append(self, rows: Mapping[str, Tensor]) -> None:
        """Write the next rows of every table; see `put`."""
        self.put(self._written, rows)

    def put(self, first: int, rows: Mapping[str, Tensor]) -> None:
        """Write rows of every table, beginning at row `first`.

        Raises:
            ValueError: other tables, dtypes or rows than the file was laid out for.
        """
        found = {name: (one.dtype, tuple(one.shape[1:])) for name, one in rows.items()}
        wanted = {name: (table.dtype, table.row) for name, table in self._tables.items()}
        if found != wanted:
            raise ValueError(f"rows are {found}, but the gallery's are {wanted}; encode all of it with one encoder")
        for name, one in rows.items():
            if one.numel():
                self._file.seek(self._tables[name].start + first * self._tables[name].row_bytes)
                self._file.write(_bytes(one.contiguous().cpu()))
        self._written += len(rows["vectors"])

    def check_full(self) -> None:
        """Raise ValueError unless every row was written."""
        if self._written != self._rows:
            raise ValueError(f"{self._written} rows of {self._rows} were written")


@contextmanager
def writing(
    path: Path,
    ids: Sequence[str],
    fingerprint: str,
    source: str,
    tables: Mapping[str, Table],
    left_out: Mapping[str, tuple[str, str]] | None = None,
) -> Iterator[GalleryWriter]:
    """Write a gallery's file part after part, all or nothing; equal content gives equal bytes.

    Args:
        path: the file; an older one is replaced when all went well.
        ids: ascending.
        fingerprint: of the encoder.
        source: what the candidates are, as tables print it.
        tables: dtype and shape of a row of each.
        left_out: items without a vector: id -> reason and digest.
    Raises:
        OSError: the disk is full or the folder cannot be written; an older file at `path` is untouched.
    """
    metadata = {"gallery": description(ids, fingerprint, source)}
    if left_out:
        metadata["left_out"] = json.dumps({name: list(left_out[name]) for name in sorted(left_out)})
    header: dict[str, object] = {"__metadata__": metadata}
    placed: dict[str, Table] = {}
    end = 0
    # Large numbers first, so that each table begins where its numbers may.
    for name, table in sorted(tables.items(), key=lambda entry: (-entry[1].dtype.itemsize, entry[0])):
        start, end = end, end + table.row_bytes * len(ids)
        header[name] = {
            "dtype": _KINDS[table.dtype],
            "shape": [len(ids), *table.row],
            "data_offsets": [start, end],
        }
        placed[name] = Table(table.dtype, table.row, start)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    begin = 8 + len(text)
    with atomic_file(path) as temporary:
        try:
            with temporary.open("wb") as file:
                if sys.platform == "linux":  # A disk that is too full is found now, not hours later.
                    os.posix_fallocate(file.fileno(), 0, begin + end)
                file.write(len(text).to_bytes(8, "little") + text)
                shifted = {name: Table(one.dtype, one.row, begin + one.start) for name, one in placed.items()}
                writer = GalleryWriter(file, shifted, len(ids))
                yield writer
                writer.check_full()
        except OSError as reason:
            raise OSError(f"{path} could not be written: {reason}; free some space or choose another disk") from reason


def _bytes(rows: Tensor) -> memoryview:
    return rows.flatten().view(torch.uint8).numpy().data


def _fill(file: BinaryIO, into: memoryview, path: Path) -> None:
    while into:
        read = file.readinto(into)  # type: ignore[attr-defined]
        if not read:
            raise ValueError(f"{path} ends before its last row; make it again")
        into = into[read:]
