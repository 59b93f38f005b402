"""The certificates of an index in a file beside it, one for each effort; a certificate of another index is none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multiturn.certificates.record import Certificate, IndexRecord, records_of
from multiturn.files import write_text
from multiturn.gallery_files import gallery_path
from multiturn.index import Index

SCHEMA = 1
NAME = "certificate.json"


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Keep a certificate in the folder of its (first) index.

    It takes the place of an older one of the same effort; those of indexes that are no longer there are dropped.

    Returns:
        path of the file.
    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / NAME
    first, own = certificate.indexes[0].digest, asdict(certificate)
    kept = [
        one
        for one in _rows(path)
        if one["indexes"][0]["digest"] == first and _key(one["indexes"]) != _key(own["indexes"])
    ]
    write_text(path, json.dumps({"schema": SCHEMA, "certificates": [*kept, own]}, indent=1) + "\n")
    return path


def read_certificate(index: Index, folder: Path) -> Certificate:
    """The certificate of an index as it is asked now.

    Args:
        index: loaded from `folder`; of several together the first, and the others from the folders beside it.
    Raises:
        ValueError: there is none: nobody measured this index, or not with this effort, or it was built again since.
    """
    records = records_of(index, folder)
    for one in _rows(folder / NAME):
        if _key(one["indexes"]) == _key([asdict(record) for record in records]):
            return Certificate.of_json(one)
    raise ValueError(f"no certificate in {folder} of {_named(records)}; make one with python -m eval.certify")


def read_certificates(gallery: Path) -> list[Certificate]:
    """All certificates of the indexes beside a gallery, by the indexes' names.

    Args:
        gallery: its file or folder.
    Raises:
        FileNotFoundError: no such gallery.
        ValueError: a file of certificates is damaged.
    """
    file = gallery_path(gallery)
    found = sorted(file.with_name(f"{file.stem}.indexes").glob(f"*/{NAME}"))
    return [Certificate.of_json(one) for path in found for one in _rows(path)]


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as reason:
        raise ValueError(f"{path} is damaged ({reason}); delete it and run python -m eval.certify again") from reason
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} holds no certificates of schema {SCHEMA}; delete it and run python -m eval.certify again"
        )
    return told["certificates"]


def _key(indexes: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, float | int]]]:
    return [(one["digest"], one["effort"]) for one in indexes]


def _named(records: tuple[IndexRecord, ...]) -> str:
    return " and ".join([one.name for one in records])
