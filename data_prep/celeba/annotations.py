"""Reading and checking CelebA's official text files; no images and no counts of the release."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int8, Int32

from data_prep.attributes import ATTRIBUTES

ATTRIBUTE_FILE = "list_attr_celeba.txt"
IDENTITY_FILE = "identity_CelebA.txt"
PARTITION_FILE = "list_eval_partition.txt"
PARTITIONS = ("train", "validation", "test")  # 0, 1 and 2 in list_eval_partition.txt

# The official release sorts the files into folders; torchvision puts them all into one.
_FOLDERS = ("Anno", "Eval", ".")
_ATTRIBUTE_ROW = re.compile(rb"([!-~]+)((?:[ \t]+-?1){%d})\s*" % len(ATTRIBUTES))
_NUMBER_ROW = re.compile(rb"([!-~]+)[ \t]+(-?\d{1,9})\s*")


@dataclass(frozen=True, eq=False)
class Annotations:
    """Labels of every image of the release, sorted by file name, whether the image file is there or not."""

    names: list[str]
    attributes: Int8[np.ndarray, "image attribute"]  # -1 absent, +1 present, columns as in ATTRIBUTES
    identities: Int32[np.ndarray, " image"]
    partition: Int8[np.ndarray, " image"]  # position in PARTITIONS


def read_annotations(root: Path) -> Annotations:
    """Read the three annotation files below a folder and check that they speak of the same images.

    Args:
        root: the folder that holds Anno/ (and Eval/, Img/), or torchvision's celeba/ with all files in it.
    Returns:
        one row an image, sorted by file name.
    Raises:
        FileNotFoundError: the folder or one of the three files is missing.
        ValueError: a file is not what the release holds; the message names the file, the line and the value.
    Source:
        README.txt and file headers of the CelebA release (Liu et al., ICCV 2015).
    """
    names, attributes = read_attributes(find_annotation(root, ATTRIBUTE_FILE))
    identities = read_numbers(find_annotation(root, IDENTITY_FILE))
    partition_path = find_annotation(root, PARTITION_FILE)
    partition = read_numbers(partition_path, allowed=range(len(PARTITIONS)))
    for path, found in ((find_annotation(root, IDENTITY_FILE), identities), (partition_path, partition)):
        _check_same_images(names, found, path)
    order = sorted(range(len(names)), key=names.__getitem__)
    names = [names[row] for row in order]
    return Annotations(
        names=names,
        attributes=attributes[order],
        identities=np.array([identities[name] for name in names], dtype=np.int32),
        partition=np.array([partition[name] for name in names], dtype=np.int8),
    )


def find_annotation(root: Path, name: str) -> Path:
    """Find one annotation file in the official layout or in torchvision's.

    Raises:
        FileNotFoundError: the folder does not exist or holds the file in none of the known places.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"CelebA folder {root} does not exist; give the folder that holds Anno/ and Img/")
    for folder in _FOLDERS:
        if (root / folder / name).is_file():
            return root / folder / name
    raise FileNotFoundError(
        f"{name} is in none of Anno/, Eval/ and the folder itself below {root}; give the folder that holds "
        "Anno/ and Img/, or torchvision's celeba/ folder, or download the file from the CelebA page"
    )


def read_attributes(path: Path) -> tuple[list[str], Int8[np.ndarray, "image attribute"]]:
    """Read list_attr_celeba.txt: a count, a header, and one line of -1 and 1 an image.

    Returns:
        file names in the file's order, and their attributes, -1 absent and +1 present.
    Raises:
        ValueError: the count, the header, a line's length, a value or a name is wrong; tells line and value.
    """
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise ValueError(f"{path} line 1 must hold the number of images and line 2 the header; download it again")
    _check_header(lines[1].decode("ascii", "replace").split(), path)
    names, values = [], []
    for number, line in enumerate(lines[2:], start=3):
        match = _ATTRIBUTE_ROW.fullmatch(line)
        if match is None:
            raise ValueError(_what_is_wrong(line, number, path))
        names.append(match[1].decode())
        values.append(match[2])
    if int(lines[0]) != len(names):
        raise ValueError(
            f"{path} line 1 promises {int(lines[0]):,} images but {len(names):,} lines follow the header; "
            "the file was cut or edited, download it again"
        )
    _check_unique(names, path, first_line=3)
    # Every row is known to be well formed, so a value can shrink to one character: 0 absent, 1 present.
    digits = b"".join(values).replace(b"-1", b"0").translate(None, delete=b" \t")
    present = np.frombuffer(digits, dtype=np.uint8).reshape(len(names), len(ATTRIBUTES)) == ord("1")
    return names, np.where(present, 1, -1).astype(np.int8)


def read_numbers(path: Path, allowed: range | None = None) -> dict[str, int]:
    """Read a file of one file name and one whole number a line (identities or partition).

    Raises:
        ValueError: a line is not a name and a number, the number is not allowed, or a name comes twice.
    """
    names, values = [], []
    for number, line in enumerate(_lines(path), start=1):
        match = _NUMBER_ROW.fullmatch(line)
        if match is None:
            raise ValueError(
                f"{path} line {number} is {_quote(line)} instead of a file name and a whole number; "
                "correct the line or download the file again"
            )
        value = int(match[2])
        if allowed is not None and value not in allowed:
            raise ValueError(
                f"{path} line {number} holds {value}, outside {allowed.start}..{allowed.stop - 1} "
                "(0 train, 1 validation, 2 test); download the file again"
            )
        names.append(match[1].decode())
        values.append(value)
    _check_unique(names, path, first_line=1)
    return dict(zip(names, values, strict=True))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().rstrip().splitlines()


def _quote(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _check_header(header: list[str], path: Path) -> None:
    if tuple(header) == ATTRIBUTES:
        return
    if len(header) != len(ATTRIBUTES):
        raise ValueError(
            f"{path} line 2 names {len(header)} attributes instead of {len(ATTRIBUTES)}; download the file again"
        )
    column, wrong, right = next(
        (column, wrong, right)
        for column, (wrong, right) in enumerate(zip(header, ATTRIBUTES, strict=True), start=1)
        if wrong != right
    )
    raise ValueError(f"{path} line 2 column {column} is {wrong!r} instead of {right!r}; download the file again")


def _what_is_wrong(line: bytes, number: int, path: Path) -> str:
    fields = line.decode("utf-8", "replace").split()
    if len(fields) != 1 + len(ATTRIBUTES):
        found = max(len(fields) - 1, 0)
        return (
            f"{path} line {number} has {found} attribute values instead of {len(ATTRIBUTES)}: {_quote(line)}"
            "; correct the line or download the file again"
        )
    for name, value in zip(ATTRIBUTES, fields[1:], strict=True):
        if value not in ("-1", "1"):
            return f"{path} line {number} column {name} is {value!r} instead of -1 or 1; download the file again"
    return f"{path} line {number} is not plain text: {_quote(line)}; download the file again"


def _check_unique(names: list[str], path: Path, first_line: int) -> None:
    if len(set(names)) == len(names):
        return
    name, count = Counter(names).most_common(1)[0]
    lines = [line for line, found in enumerate(names, start=first_line) if found == name]
    raise ValueError(f"{path} names {name} {count} times, on lines {lines[:5]}; keep one of them")


def _check_same_images(names: list[str], found: dict[str, int], path: Path) -> None:
    lacking = [name for name in names if name not in found]
    if lacking:
        raise ValueError(
            f"{path} lacks {len(lacking):,} images that {ATTRIBUTE_FILE} names, first {lacking[:5]}; "
            "take both files from the same download"
        )
    if len(found) > len(names):
        unknown = sorted(found.keys() - set(names))
        raise ValueError(
            f"{path} names {len(unknown):,} images that {ATTRIBUTE_FILE} lacks, first {unknown[:5]}; "
            "take both files from the same download"
        )
