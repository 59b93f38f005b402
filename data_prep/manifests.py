"""What lies beside a gallery: a manifest that says what was encoded by what, and the labels of the candidates."""

from __future__ import annotations

import csv
import json
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.texts import read_csv, read_utf8
from multiturn.files import digest_of_file

if TYPE_CHECKING:
    from data_prep.sources import Source
    from multiturn.building import Built
    from multiturn.gallery_files import GalleryFile

MANIFEST, LABELS = "manifest.json", "labels.csv"
SCHEMA = 1
_PACKAGES = ("multiturn-retrieval", "torch", "torchvision", "accelerate", "datasets", "numpy", "pillow", "safetensors")


def write_manifest(built: Built, source: Source, data: dict[str, Any], encoder: dict[str, Any], command: str) -> None:
    """Write manifest.json, and labels.csv where the data has labels, beside the gallery.

    Nothing is written where a manifest is there that is no older than the gallery. Only the manifest tells a time
    and a command: the gallery is the same file, byte for byte, whoever makes it and when.

    Args:
        built: what was done.
        source: the items.
        data: settings of the data.
        encoder: settings of the encoder.
        command: line that made it.
    """
    from multiturn.files import write_text
    from multiturn.gallery_files import GalleryFile

    folder = built.path.parent
    manifest = folder / MANIFEST
    if not built.written and manifest.is_file() and manifest.stat().st_mtime_ns >= built.path.stat().st_mtime_ns:
        return
    file = GalleryFile(built.path)
    if source.labels or (folder / LABELS).is_file():
        known = read_labels(folder / LABELS) if (folder / LABELS).is_file() else {}
        known |= source.labels
        _write_labels(folder / LABELS, source.label or "label", {one: known[one] for one in file.ids if one in known})
    about = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "gallery": {"file": built.path.name, "bytes": built.path.stat().st_size, "sha256": digest_of_file(built.path)},
        "source": file.source,
        **counts(file),
        "left_out": _by_reason(built.left_out),
        "fingerprint": file.fingerprint,
        "encoder": encoder,
        "data": data | {"kind": source.items.kind, "left_out": source.left_out, "label": source.label},
        "licence": source.licence,
        "citation": source.citation,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    }
    write_text(manifest, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def counts(file: GalleryFile) -> dict[str, Any]:
    """Numbers of candidates, of their regions and of each vector, and the dtype."""
    vectors = file.tables["vectors"]
    regions = None
    if "mask" in file.tables:
        regions = sum(int(file.read("mask", rows.start, rows.stop).sum()) for rows in file.blocks())
    return {
        "candidates": len(file),
        "regions": regions,
        "regions_a_candidate": vectors.row[0] if len(vectors.row) > 1 else None,
        "dim": [*vectors.row][-1],
        "dtype": str(vectors.dtype).removeprefix("torch."),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a gallery's folder; empty if there is none.

    Raises:
        ValueError: it is damaged or of another schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        about = json.loads(read_utf8(path))
    except json.JSONDecodeError as reason:
        raise ValueError(f"{path} is no JSON ({reason}); encode again to write it anew") from reason
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not a manifest of schema {SCHEMA}; encode again to write it anew")
    return about


def read_labels(path: Path) -> dict[str, str]:
    """Read who or what candidates are: a CSV file with the columns `id` and, next to it, any one with labels.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such columns, or an id that comes twice with different labels.
    """
    labels: dict[str, str] = {}
    for where, row in read_csv(path, "id"):
        others = [column for column in row if column != "id"]
        if not others:
            raise ValueError(f"{path} has no column besides id; add one with labels")
        name, label = row["id"], row[others[0]]
        if not name or not label or labels.get(name, label) != label:
            raise ValueError(f"{where}: {name!r} has the label {label!r}, which is empty or a second one; correct it")
        labels[name] = label
    return labels


def command_line(module: str) -> str:
    """The command as it was typed, for the manifest."""
    from shlex import join

    return join(["python", "-m", module, *sys.argv[1:]])


def _write_labels(path: Path, column: str, labels: Mapping[str, str]) -> None:
    from multiturn.files import write_text

    text = StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "label" if column == "id" else column])
    table.writerows((name, label) for name, label in labels.items() if label)
    write_text(path, text.getvalue())


def _by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    return {why: [name for name in left_out if left_out[name] == why] for why in sorted(set(left_out.values()))}
