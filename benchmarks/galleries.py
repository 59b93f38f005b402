"""Galleries of real pictures: how many candidates, how fast they are encoded, and how large they are on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.probes import mobilefacenet, real_data, squeezenet
from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from multiturn.encoders.catalogue import EncoderSettings

EXAMPLES = """examples:
  RETRIEVAL_REAL_DATA=/data/real python -m benchmarks.galleries
  python -m benchmarks.galleries --data /data/real --limit 50 --output runs/bench
"""
CELLS = 6  # 6 x 6 are as many regions as papers/drill-down.txt takes from its detector
TITLES = {"flickr8k": "Flickr8k", "cub": "CUB", "lfw": "LFW"}


def galleries(
    data: Path | None = None, limit: int | None = None, batch_size: int = 64, output: Path | None = None
) -> dict[str, Any]:
    """Encode Flickr8k, CUB and LFW as `data_prep.encode` does, into galleries that are measured and thrown away.

    Each with SqueezeNet, pooled and in 6 x 6 cells; LFW also with MobileFaceNet, on a fixed crop and on faces that
    MTCNN finds. The time is that of the whole: reading, decoding, encoding, writing the gallery and loading it.

    Args:
        data: folder with cub, flickr8k, lfw and weights; that which RETRIEVAL_REAL_DATA names if not given.
        limit: only the first so many pictures of each; all if not given.
        batch_size: pictures at once.
        output: folder for galleries.json; benchmarks/results if not given.
    """
    for name, value in (("limit", limit), ("batch_size", batch_size)):
        if value is not None:
            at_least(name, value, 2)
    root, rows = real_data(data), []
    for name, encoder, settings in ways(root):
        row = {"data": TITLES[name], "encoder": encoder} | measure(root / name, name, settings, limit, batch_size)
        rows.append(row)
        sizes: Any = row["megabytes"]
        print(
            f"{row['data']}, {encoder}: {row['candidates']:,} of {row['pictures']:,} pictures, "
            f"{row['pictures_per_second']:.1f} a second, {sizes['float32']:.1f} MB, or {sizes['float16']:.1f} MB in "
            "float16",
            flush=True,
        )
    return save("galleries", {"limit": limit, "batch_size": batch_size}, {"galleries": rows}, output)


def ways(root: Path) -> Iterator[tuple[str, str, EncoderSettings]]:
    """Name of the data, what the encoder is called in tables, and its settings."""
    for name in TITLES:
        yield name, "SqueezeNet, pooled", squeezenet(root)
        cells = squeezenet(root, regions="grid", rows=CELLS, columns=CELLS)
        yield name, f"SqueezeNet, {CELLS} × {CELLS} cells", cells
    yield "lfw", "MobileFaceNet, fixed crop", mobilefacenet(root, found_by_mtcnn=False)
    yield "lfw", "MobileFaceNet, MTCNN", mobilefacenet(root, found_by_mtcnn=True)


def measure(folder: Path, name: Any, settings: EncoderSettings, limit: int | None, batch_size: int) -> dict[str, Any]:
    """Encode one data set with one encoder, on the path that `data_prep.encode` takes."""
    import tempfile
    from dataclasses import replace

    from data_prep.sources import DataSettings, read_source
    from multiturn.building import build_gallery
    from multiturn.encoders.catalogue import make_encoder
    from multiturn.processes import own_device

    items = read_source(DataSettings(name=name, root=folder)).items
    ids, values = items.ids[:limit], items.values
    if limit is not None and not isinstance(values, list):
        values = values.select(range(len(ids)))
    encoder = make_encoder(settings, own_device())
    with tempfile.TemporaryDirectory() as place:
        whole, half = Path(place) / "float32.safetensors", Path(place) / "float16.safetensors"
        begun = time.perf_counter()
        gallery = build_gallery(encoder, values, ids, items.source, whole, batch_size)
        seconds = time.perf_counter() - begun
        replace(gallery, vectors=gallery.vectors.half()).save(half)
        megabytes = {file.stem: file.stat().st_size / 1e6 for file in (whole, half)}
        return {
            "source": items.source,
            "fingerprint": encoder.fingerprint,
            "pictures": len(ids),
            "candidates": len(gallery),
            "vectors_per_candidate": 1 if gallery.vectors.ndim == 2 else gallery.vectors.shape[1],
            "dim": gallery.vectors.shape[-1],
            "seconds": seconds,
            "pictures_per_second": len(ids) / seconds,
            "megabytes": megabytes,
        }


if __name__ == "__main__":
    start(galleries, "galleries", EXAMPLES)
