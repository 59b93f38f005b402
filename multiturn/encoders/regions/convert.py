"""Command line: `python -m multiturn.encoders.regions.convert` turns released region features into a gallery."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np

from multiturn.encoders.regions.records import Record, records

EXAMPLES = """examples:
  python -m multiturn.encoders.regions.convert --input trainval_36.tsv --output regions.safetensors
  python -m multiturn.encoders.regions.convert --input region_36_final/ --output regions.safetensors \\
      --allow_pickle true --box_format xywh --image_sizes image_data.json
"""


def convert(
    input: Path,
    output: Path,
    allow_pickle: bool = False,
    box_format: Literal["xyxy", "xywh", "relative", "none"] = "xyxy",
    image_sizes: Path | None = None,
    strip_zeros: bool = False,
    dtype: Literal["float32", "float16"] = "float32",
    name: str = "bottom-up-attention",
) -> None:
    """Turn released region features into one safetensors file, which `Gallery.load` reads.

    The files are read twice and the result is written in place, so that memory stays small however many there are.

    Args:
        input: tsv file with base64 (the original release), or a folder of them or of npz, npy or pickle files, one a
            picture and named by its id.
        output: the file to write; an older one is replaced when all went well.
        allow_pickle: read pickled files too. DANGEROUS with files of strangers: a pickle is a program, and reading
            one can run any command with your rights. Only arrays are let through here, but Python promises no
            safety. Convert once, delete the pickles, and keep the safetensors, which cannot run anything.
        box_format: left, top, right, bottom in pixels (xyxy); left, top, width, height in pixels (xywh); left, top,
            right, bottom as shares of the picture (relative); or leave boxes out (none).
        image_sizes: Visual Genome's image_data.json, or any JSON list of image_id, width and height, for files that
            do not say how large the picture was.
        strip_zeros: drop the zeros before an id, as in 000000002335.
        dtype: of the features in the output.
        name: of what made the features; the fingerprint begins with it.
    """
    sizes = {} if image_sizes is None else _read_sizes(image_sizes)
    options = _Options(allow_pickle, box_format, sizes, strip_zeros)
    plan = _survey(_prepared(input, options))
    digests = _write(output, plan, _prepared(input, options), dtype, name, f"{input.name}, {dtype}")
    print(f"{len(plan.ids)} pictures with up to {plan.regions} regions of {plan.dim} numbers, {digests}: {output}")


@dataclass(frozen=True)
class _Options:
    allow_pickle: bool
    box_format: str
    sizes: Mapping[str, tuple[int, int]]
    strip_zeros: bool


@dataclass(frozen=True)
class _Plan:
    ids: list[str]
    regions: int
    dim: int
    boxes: bool
    digest: str


def _read_sizes(path: Path) -> dict[str, tuple[int, int]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {str(row["image_id"]): (int(row["width"]), int(row["height"])) for row in rows}
    except (json.JSONDecodeError, KeyError, TypeError) as reason:
        raise ValueError(f"{path} is no JSON list of image_id, width and height ({reason!r})") from reason


def _prepared(path: Path, options: _Options) -> Iterator[Record]:
    """Records with boxes as shares of the picture, checked."""
    for record in records(path, options.allow_pickle):
        name = (record.id.lstrip("0") or "0") if options.strip_zeros else record.id
        features = record.features.astype(np.float32)
        if not len(features) or not np.isfinite(features).all():
            raise ValueError(f"image {name!r} has no regions, or features that are NaN or infinite; leave it out")
        size = record.size or options.sizes.get(name)
        yield Record(name, features, _shares(name, record.boxes, size, options.box_format), size)


def _shares(name: str, boxes: Any, size: tuple[int, int] | None, box_format: str) -> Any:
    if boxes is None or box_format == "none":
        return None
    boxes = boxes.astype(np.float64)
    if box_format == "xywh":
        boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    if box_format != "relative":
        if size is None:
            raise ValueError(
                f"nothing says how large image {name!r} was, so its boxes mean nothing; give --image_sizes, "
                "or leave them out with --box_format none"
            )
        boxes = boxes / np.array([*size, *size])
    # A pixel too far is rounding; more is another format.
    if boxes.min() < -0.02 or boxes.max() > 1.02 or (boxes[:, :2] > boxes[:, 2:]).any():
        raise ValueError(f"the boxes of image {name!r} leave the picture or are inside out; try another --box_format")
    return boxes.clip(0, 1).astype(np.float32)


def _survey(found: Iterator[Record]) -> _Plan:
    """Count, and see that the records agree."""
    digests: dict[str, bytes] = {}
    regions, dims, boxes = 0, set(), set()
    for record in found:
        if record.id in digests:
            raise ValueError(f"two records are of image {record.id!r}; remove one")
        places = b"" if record.boxes is None else record.boxes.tobytes()
        digests[record.id] = sha256(record.features.tobytes() + places).digest()
        regions = max(regions, len(record.features))
        dims.add(record.features.shape[1])
        boxes.add(record.boxes is not None)
        if len(dims) > 1 or len(boxes) > 1:
            raise ValueError(
                f"image {record.id!r} has features of another length than those before it ({sorted(dims)}), "
                "or boxes where they had none or the other way round; convert what one detector made"
            )
    ids = sorted(digests)
    if len(ids) < 2:
        raise ValueError(f"a gallery needs at least two pictures, not {len(ids)}")
    whole = sha256("\0".join(ids).encode() + b"".join(digests[name] for name in ids)).hexdigest()[:16]
    return _Plan(ids, regions, dims.pop(), boxes.pop(), whole)


def _write(
    output: Path, plan: _Plan, found: Iterator[Record], dtype: Literal["float32", "float16"], name: str, source: str
) -> str:
    """Fill a gallery's file picture by picture; returns the fingerprint."""
    import torch

    from multiturn.gallery_files import Table, writing

    fingerprint = f"{name}-{plan.regions}x{plan.dim}-{dtype}-{plan.digest}"
    tables = {
        "vectors": Table(getattr(torch, dtype), (plan.regions, plan.dim)),
        "mask": Table(torch.bool, (plan.regions,)),
    }
    if plan.boxes:
        tables["boxes"] = Table(torch.float32, (plan.regions, 4))
    places = {one: place for place, one in enumerate(plan.ids)}
    with writing(output, plan.ids, fingerprint, source, tables) as writer:
        for record in found:
            count = len(record.features)
            row = {key: torch.zeros(1, *table.row, dtype=table.dtype) for key, table in tables.items()}
            row["vectors"][0, :count] = torch.from_numpy(record.features)
            row["mask"][0, :count] = True
            if record.boxes is not None:
                row["boxes"][0, :count] = torch.from_numpy(record.boxes)
            writer.put(places[record.id], row)
    return fingerprint


if __name__ == "__main__":
    from jsonargparse import DefaultHelpFormatter, auto_cli

    class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
        """Keeps the line breaks of the examples."""

    try:
        auto_cli(
            convert,
            prog="python -m multiturn.encoders.regions.convert",
            epilog=EXAMPLES,
            formatter_class=HelpFormatter,
            as_positional=False,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
