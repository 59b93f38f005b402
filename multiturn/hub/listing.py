"""The list of a repository's files with their sizes and SHA-256, by which a download is checked."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from multiturn.files import digest_of_file

LISTING = "files.json"
SCHEMA = 1


@dataclass(frozen=True)
class Listed:
    """What a file must be.

    Attributes:
        size: in bytes.
        sha256: in hexadecimal digits.
    """

    size: int
    sha256: str


def listing_of(files: Mapping[str, Path]) -> str:
    """The text of files.json.

    Args:
        files: name in the repository -> where the file lies.
    """
    listed = {
        name: {"size": path.stat().st_size, "sha256": digest_of_file(path)} for name, path in sorted(files.items())
    }
    return json.dumps({"schema": SCHEMA, "files": listed}, indent=1) + "\n"


def read_listing(path: Path, told: str) -> dict[str, Listed]:
    """Read files.json.

    Args:
        told: what to call the repository in messages.
    Raises:
        ValueError: it is damaged, of another schema, or names a file outside the repository.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["schema"] != SCHEMA:
            raise ValueError(f"schema {about['schema']}, not {SCHEMA}")
        files = {str(name): Listed(int(one["size"]), str(one["sha256"])) for name, one in about["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as reason:
        raise ValueError(f"{LISTING} of {told} cannot be read ({reason}); push it again with eval.push") from reason
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ValueError(f"{LISTING} of {told} names {name!r}, which lies outside of it; do not use it")
    return files


def check_files(folder: Path, listed: Mapping[str, Listed], told: str) -> None:
    """Compare files with what is listed.

    Raises:
        ValueError: a file is missing, or of another size or content; it is named.
    """
    for name, wanted in listed.items():
        path = folder / name
        remedy = f"delete {folder} to download it again, or push {told} again with eval.push"
        if not path.is_file():
            raise ValueError(f"{told} lacks {name}, which its {LISTING} lists; {remedy}")
        if (size := path.stat().st_size) != wanted.size:
            raise ValueError(f"{name} of {told} has {size:,} bytes, {LISTING} says {wanted.size:,}; {remedy}")
        if (found := digest_of_file(path)) != wanted.sha256:
            raise ValueError(
                f"{name} of {told} is not the file that was pushed: its SHA-256 is {found}, {LISTING} says "
                f"{wanted.sha256}; {remedy}"
            )


def unlisted(folder: Path, listed: Iterable[str], suffixes: Iterable[str]) -> list[str]:
    """Files of a folder that could be read, but are not listed."""
    known = {LISTING, *listed}
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return [name for name in names if PurePosixPath(name).suffix in suffixes and name not in known]
