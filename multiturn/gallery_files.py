"""Files of galleries, read and written in parts, so that memory stays small; what the tables mean is in `gallery`.

The format is safetensors: eight bytes with the header's length, a JSON header, and the tables' numbers.
"""

import json
import mmap
import os
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

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

    It is opened once: whoever puts another file in its place meanwhile, ids and rows are those of the one that was
    opened. It is closed with `close`, or when nothing refers to this object any more.

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
        self.path = gallery_path(path)
        self._handle = os.open(self.path, os.O_RDONLY)
        self._closer = weakref.finalize(self, os.close, self._handle)
        try:
            header, start = _header(self._handle)
            metadata = header.pop("__metadata__", {})
            about = json.loads(metadata.get("gallery", "null"))
            left_out = json.loads(metadata.get("left_out", "{}"))
        except (ValueError, KeyError, TypeError, AttributeError) as reason:
            raise ValueError(f"{self.path} is not a whole gallery file ({reason}); make it again") from reason
        if not isinstance(about, dict) or about.get("schema") != SCHEMA:
            raise ValueError(f"{self.path} is not a gallery of schema {SCHEMA}; make it again")
        self.ids: list[str] = about["ids"]
        self.fingerprint, self.source = str(about["fingerprint"]), str(about["source"])
        self.left_out: dict[str, tuple[str, str]] = {name: (why, digest) for name, (why, digest) in left_out.items()}
        self.tables = {
            name: Table(DTYPES[table["dtype"]], tuple(table["shape"][1:]), start + table["data_offsets"][0])
            for name, table in header.items()
            if name in TABLES
        }
        wrong = [
            name
            for name, table in self.tables.items()
            if (header[name]["shape"][0], table.row_bytes * len(self.ids))
            != (len(self.ids), header[name]["data_offsets"][1] - header[name]["data_offsets"][0])
        ]
        if wrong or "vectors" not in self.tables:
            told = f"another number of {wrong[0]}" if wrong else "no vectors"
            raise ValueError(f"{self.path} has {len(self.ids)} ids, but {told}; make it again")

    def __len__(self) -> int:
        return len(self.ids)

    def close(self) -> None:
        """Close the file; no more rows can be read, and tables that are mapped stay."""
        self._closer()

    def read(self, name: str, first: int, last: int) -> Tensor:
        """Rows [first, last) of a table, in memory of their own."""
        table = self.tables[name]
        rows = torch.empty(last - first, *table.row, dtype=table.dtype)
        if rows.numel():
            _fill(self._handle, _bytes(rows), table.start + first * table.row_bytes, self.path)
        return rows

    def contents(self) -> dict[str, str]:
        """Digest of each row's content, by id; empty where the file has none."""
        if "digests" not in self.tables:
            return {}
        digests = self.read("digests", 0, len(self)).numpy()
        return {name: row.tobytes().hex() for name, row in zip(self.ids, digests, strict=True)}

    def mapped(self, name: str) -> Tensor:
        """A whole table that stays in the file, mapped into memory; what is written to it changes no file."""
        table, rows = self.tables[name], len(self)
        if not rows * prod(table.row):
            return torch.empty(rows, *table.row, dtype=table.dtype)
        numbers = torch.frombuffer(self._mapping, dtype=table.dtype, count=rows * prod(table.row), offset=table.start)
        return numbers.view(rows, *table.row)

    @cached_property
    def _mapping(self) -> mmap.mmap:
        return mmap.mmap(self._handle, 0, access=mmap.ACCESS_COPY)

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


def _header(handle: int) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and the first byte of its tables.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is none, or the file is longer or shorter than it says.
    """
    size = os.fstat(handle).st_size
    length = int.from_bytes(os.pread(handle, 8, 0), "little")
    if 8 + length > size:
        raise ValueError(f"its header ends behind its {size:,} bytes")
    header = json.loads(os.pread(handle, length, 8))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    end = 8 + length
    for first, last in sorted(one["data_offsets"] for name, one in header.items() if name != "__metadata__"):
        if 8 + length + first != end:
            raise ValueError("its tables do not lie one behind the other")
        end = 8 + length + last
    if end != size:
        raise ValueError(f"it has {size:,} bytes instead of {end:,}")
    return header, 8 + length


def _fill(handle: int, into: memoryview, place: int, path: Path) -> None:
    while into:
        read = os.preadv(handle, [into], place)
        if not read:
            raise ValueError(f"{path} ends before its last row; make it again")
        into, place = into[read:], place + read
