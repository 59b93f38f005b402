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


def write_manifest(
    built: Built, source: Source, data: dict[str, Any], encoder: dict[str, Any], command: str, append: bool = False
) -> None:
    """Write manifest.json, and labels.csv where the data has labels, beside the gallery.

    Each is written where anything in it has changed, whether or not a vector has. Only the manifest tells a time and a
    command, those of the run that wrote it: the gallery is the same file, byte for byte, whoever makes it and when.

    Args:
        built: what was done.
        source: the items.
        data: settings of the data.
        encoder: settings of the encoder.
        command: line that made it.
        append: the items are only some new ones: the manifest tells of the others still, and lists these.
    """
    from multiturn.files import write_text
    from multiturn.gallery_files import GalleryFile

    folder = built.path.parent
    manifest = folder / MANIFEST
    old = _old_manifest(folder)
    untouched = bool(old) and not built.written and manifest.stat().st_mtime_ns >= built.path.stat().st_mtime_ns
    file = GalleryFile(built.path)
    earlier = old.get("data", {}).get("label", "")
    label = source.label or earlier
    _update_labels(folder / LABELS, label or "label", source.labels, file.ids, keep=label == earlier or not earlier)
    told: dict[str, Any] = {
        "data": data | {"kind": source.items.kind, "left_out": source.left_out, "label": label},
        "licence": source.licence,
        "citation": source.citation,
    }
    appended = old.get("appended", []) if append or built.gone else []
    if append and old and told["data"] != old["data"]:
        appended = [*(one for one in appended if one != told), told]
        told = {name: old[name] for name in told}
        told["data"] = told["data"] | {"label": label}
    size = built.path.stat().st_size
    about = {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        # Of a file that has stayed, the old manifest knows the digest and what made the vectors.
        "gallery": old["gallery"]
        if untouched
        else {"file": built.path.name, "bytes": size, "sha256": digest_of_file(built.path)},
        "source": file.source,
        **counts(file),
        "left_out": _by_reason(built.left_out),
        "fingerprint": file.fingerprint,
        "encoder": encoder,
        **told,
        "versions": old["versions"]
        if untouched
        else {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    } | ({"appended": appended} if appended else {})
    about = json.loads(json.dumps(about))
    if {**about, **{name: old.get(name) for name in ("created", "command")}} != old:
        write_text(manifest, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def _old_manifest(folder: Path) -> dict[str, Any]:
    """The manifest that is there; empty if there is none, or none that can be used."""
    try:
        return read_manifest(folder)
    except ValueError:
        return {}


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


def _update_labels(path: Path, column: str, labels: Mapping[str, str], ids: list[str], keep: bool) -> None:
    """Write the labels of candidates where they have changed; those that the data lacks have their old ones to keep."""
    from multiturn.files import write_text

    if not labels and not path.is_file():
        return
    known = (read_labels(path) if keep and path.is_file() else {}) | dict(labels)
    text = StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "label" if column == "id" else column])
    table.writerows((name, known[name]) for name in ids if known.get(name))
    if not path.is_file() or path.read_bytes() != text.getvalue().encode():
        write_text(path, text.getvalue())


def _by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    return {why: [name for name in left_out if left_out[name] == why] for why in sorted(set(left_out.values()))}
