"""Reading released files of region features, one record a picture; what they are turned into lives in `convert`."""

import base64
import binascii
import csv
import pickle
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

# The columns of the original release, tools/read_tsv.py of peteanderson80/bottom-up-attention.
COLUMNS = ("image_id", "image_w", "image_h", "num_boxes", "boxes", "features")
# By the original release, by MILVLAB/bottom-up-attention.pytorch (x, bbox) and others after it (feat), and by
# uvavision/DrillDown's tools/save_region_features.py.
FEATURES, BOXES = ("features", "x", "feat", "region_feats"), ("boxes", "bbox", "region_boxes")
SIZE = ("image_w", "image_h")
SUFFIXES = (".tsv", ".npz", ".npy", ".pkl", ".pickle")
# All that a pickle of arrays needs. Anything else that a pickle asks for is refused.
_HARMLESS = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}


@dataclass(frozen=True)
class Record:
    """What a file says of one picture; boxes as they are written, size in pixels where the file has it."""

    id: str
    features: Float[np.ndarray, "region dim"]
    boxes: Float[np.ndarray, "region 4"] | None
    size: tuple[int, int] | None


def records(path: Path, allow_pickle: bool) -> Iterator[Record]:
    """Read a file, or all files of a folder in the order of their names.

    Args:
        path: tsv of many pictures; npz, npy or pickle of one picture, named by its id.
        allow_pickle: read pickles too, which .npy files of Drill-down are.
    Raises:
        FileNotFoundError: nothing there.
        ValueError: a file is damaged, holds no features, or is a pickle and these are not allowed; it is named.
    """
    files = sorted(file for file in path.iterdir() if _kind(file)) if path.is_dir() else [path]
    if not files or not path.exists():
        raise FileNotFoundError(f"no file that ends in {', '.join(SUFFIXES)} at {path}")
    for file in files:
        if _kind(file) == ".tsv":
            yield from _of_tsv(file)
            continue
        with file.open("rb") as stream:
            yield _of_fields(file, _fields(file, stream, allow_pickle))


def _kind(file: Path) -> str:
    # The release's own parts are called .tsv.0, .tsv.1, ...
    return next((suffix for suffix in file.suffixes[-2:] if suffix in SUFFIXES), "")


def _of_tsv(file: Path) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)
    with file.open(newline="", encoding="ascii", errors="strict") as lines:
        for row in csv.DictReader(lines, COLUMNS, delimiter="\t"):
            try:
                count = int(row["num_boxes"])
                boxes, features = (_decoded(row[name], count) for name in ("boxes", "features"))
                yield Record(str(row["image_id"]), features, boxes, (int(row["image_w"]), int(row["image_h"])))
            except (ValueError, TypeError, binascii.Error, UnicodeDecodeError) as reason:
                raise ValueError(
                    f"{file} is cut short or no tsv of bottom-up attention, at image {row['image_id']!r:.40} "
                    f"({reason}); its columns should be {', '.join(COLUMNS)}"
                ) from reason


def _decoded(text: str, count: int) -> Float[np.ndarray, "region width"]:
    return np.frombuffer(base64.b64decode(text, validate=True), np.float32).reshape(count, -1)


def _fields(file: Path, stream: BinaryIO, allow_pickle: bool) -> Any:
    """An array, or arrays by name."""
    start = stream.read(6)
    stream.seek(0)
    try:
        if start.startswith(b"PK"):
            with np.load(stream, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files if name in (*FEATURES, *BOXES, *SIZE)}
        if start.startswith(b"\x93NUMPY"):
            array = _plain_or_none(stream)
            if array is not None:
                return array
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as reason:
        raise ValueError(f"{file} is damaged ({reason}); copy it again") from reason
    if not allow_pickle:
        raise ValueError(
            f"{file} is a pickle (or damaged), and a pickle can run any program when it is read; if you trust who made "
            "it, pass --allow_pickle true"
        )
    try:
        # Latin-1: the release pickled its arrays with Python 2.
        content = _ArraysOnly(stream, encoding="latin1").load()
    except Exception as reason:
        raise ValueError(f"{file} is no pickle of arrays ({type(reason).__name__}: {reason})") from reason
    return content.item() if isinstance(content, np.ndarray) and content.dtype == object else content


def _plain_or_none(stream: BinaryIO) -> np.ndarray | None:
    """The array of an .npy file; None, with the stream at the pickle, where it holds objects."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, kind = read(stream)
    if kind.hasobject:
        return None
    stream.seek(0)
    return np.load(stream, allow_pickle=False)


class _ArraysOnly(pickle.Unpickler):
    """Reads dictionaries of arrays, and refuses a pickle that asks for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def _of_fields(file: Path, content: Any) -> Record:
    fields: Mapping[str, Any] = content if isinstance(content, Mapping) else {"features": content}
    features = next((fields[name] for name in FEATURES if name in fields), None)
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype.kind != "f":
        raise ValueError(
            f"{file} has no table of features, one row a region; it holds {', '.join(map(str, fields))}, and one of "
            f"{', '.join(FEATURES)} is needed"
        )
    boxes = next((fields[name] for name in BOXES if name in fields), None)
    size = (int(fields["image_w"]), int(fields["image_h"])) if set(SIZE) <= set(fields) else None
    if boxes is not None and np.shape(boxes) != (len(features), 4):
        raise ValueError(f"{file} has boxes of shape {np.shape(boxes)} for {len(features)} regions")
    return Record(file.name.split(".")[0], features, None if boxes is None else np.asarray(boxes, np.float32), size)
