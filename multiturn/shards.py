"""Shards of a gallery that is being built: a few thousand items encoded, checked and on disk; merging is elsewhere."""

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from datasets import Dataset
from torch import Tensor
from tqdm.auto import tqdm

from multiturn.encoders import Encoder
from multiturn.encoders.faces import FaceEncoding
from multiturn.encoders.regions import RegionEncoder
from multiturn.gallery_files import GalleryFile, Table, writing
from multiturn.items import contents
from multiturn.pictures import fault_of
from multiturn.processes import own_device
from multiturn.regions import Regions
from multiturn.settings import at_least

UNDECODABLE, NO_FACE = "picture cannot be decoded", "no face was found"
_WHY_LOST = {
    False: "encoder, batch or shard size, dtype, device, threads or the version of torch are others than theirs",
    True: "items before them were added or taken out, or some of their own changed, so that batches would differ",
}


@runtime_checkable
class FaceFinder(Protocol):
    """An encoder that leaves pictures without a face out, as `multiturn.encoders.faces.encoder.FaceEncoder` does."""

    def encode_faces(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> FaceEncoding:
        """Encode the pictures that have a face, and list the others."""
        ...


@dataclass(frozen=True)
class Building:
    """How a gallery is built.

    Args:
        batch_size: items at once.
        shard_size: items whose vectors are held in memory and written at once; that many at most are encoded again
            after a kill.
        dtype: of the vectors in the file.
        on_bad_image: stop at a picture that cannot be decoded, or leave it out.
        overwrite: encode everything, whatever is there.
        drop_removed: take candidates out that the data lacks by now, or that cannot be read.
        append: the items are new ones only, to be added to those that are there, however few they are.
        show_progress: whether the first process shows a bar.
        alone: this process encodes everything and waits for no other.
    """

    batch_size: int = 64
    shard_size: int = 4096
    dtype: Literal["float32", "float16"] = "float32"
    on_bad_image: Literal["error", "skip"] = "error"
    overwrite: bool = False
    drop_removed: bool = False
    append: bool = False
    show_progress: bool = True
    alone: bool = False

    def __post_init__(self) -> None:
        at_least("batch_size", self.batch_size, 1)
        at_least("shard_size", self.shard_size, 1)
        if self.append and (self.overwrite or self.drop_removed):
            raise ValueError("append adds to what is there; leave overwrite and drop_removed out")


class Shards:
    """The shards of one gallery on disk, small galleries themselves, in a folder that is named for their settings.

    A shard is used where it holds exactly the items that it would hold now, with the same content: only then were the
    batches the same, and with them the last bits.

    Args:
        output: the gallery's file; the shards lie in OUTPUT.shards.
        encoder: makes the vectors.
        items: to be encoded, by id.
        content: id -> digest, in the order of the items.
        how: sizes, dtype and what to do about pictures that cannot be decoded.
    """

    def __init__(
        self, output: Path, encoder: Encoder | RegionEncoder, items: Any, content: dict[str, str], how: Building
    ) -> None:
        self._all = shards_of(output)
        self._encoder, self._items, self._content, self._how = encoder, items, content, how
        self._names = list(content)
        self._folder = self._all / self._plan()

    def _plan(self) -> str:
        """What all shards have in common; vectors made under another plan may differ in their last bits."""
        device = own_device()
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        about = [self._encoder.fingerprint, self._how.batch_size, self._how.shard_size, self._how.dtype, where]
        about += [torch.__version__, torch.get_num_threads()]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return -(-len(self._names) // self._how.shard_size)

    def tidy(self) -> None:
        """Remove what is of no use, and say how many finished items that costs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        used = {self._path(number) for number in {*range(len(self))} - {*self.missing()}}
        lost = {True: 0, False: 0}
        for path in sorted(self._all.glob("*/*.safetensors")):
            if path not in used:
                with suppress(ValueError):  # damaged, and of another plan
                    lost[path.parent == self._folder] += _size(path)
                path.unlink()
        for other in self._all.iterdir():
            if other != self._folder:
                shutil.rmtree(other)
        for moved, count in lost.items():
            if count:
                print(f"{count:,} finished items are encoded again: {_WHY_LOST[moved]}", file=sys.stderr)

    def missing(self) -> list[int]:
        """Numbers of the shards that are not there yet.

        Raises:
            ValueError: one is damaged.
        """
        return [number for number in range(len(self)) if not self._is_finished(number)]

    def _is_finished(self, number: int) -> bool:
        if not self._path(number).is_file():
            return False
        file = self._open(number)
        held = file.contents() | {name: digest for name, (_, digest) in file.left_out.items()}
        file.close()
        rows = self._rows(number)
        return held == {name: self._content[name] for name in self._names[rows.start : rows.stop]}

    def encode(self, mine: list[int], show_progress: bool) -> None:
        """Encode and write the shards of these numbers."""
        total = sum(len(self._rows(number)) for number in mine)
        # Looking takes little time beside encoding on a processor; on a GPU it may take longer than that.
        look_first = self._how.on_bad_image == "skip" and own_device().type == "cpu"
        with tqdm(total=total, desc="gallery", unit="item", disable=not show_progress) as bar:
            for number in mine:
                rows = self._rows(number)
                names, items = self._names[rows.start : rows.stop], part(self._items, rows)
                tables, left_out = encoded(self._encoder, items, names, self._how, show_progress, look_first)
                look_first |= self._how.on_bad_image == "skip" and UNDECODABLE in left_out.values()
                self._write(number, names, tables, left_out)
                bar.update(len(rows))

    def _write(self, number: int, names: list[str], tables: dict[str, Tensor], left_out: dict[str, str]) -> None:
        kept = [name for name in names if name not in left_out]
        if kept:
            digests = [list(bytes.fromhex(self._content[name])) for name in kept]
            tables = tables | {"digests": torch.tensor(digests, dtype=torch.uint8)}
        layout = {name: Table(rows.dtype, tuple(rows.shape[1:])) for name, rows in tables.items()}
        why = {name: (reason, self._content[name]) for name, reason in left_out.items()}
        path = self._path(number)
        with writing(path, kept, self._encoder.fingerprint, f"shard {number}", layout, why) as file:
            file.append(tables)

    def files(self) -> list[GalleryFile]:
        """All shards, closed again: there may be more of them than a process may have open files.

        Raises:
            ValueError: one is damaged.
        """
        found: list[GalleryFile] = []
        for number in range(len(self)):
            found.append(self._open(number))
            found[-1].close()
        return found

    def _open(self, number: int) -> GalleryFile:
        try:
            return GalleryFile(self._path(number))
        except ValueError as reason:
            raise ValueError(f"{self._path(number)} is damaged ({reason}); delete it and run again") from reason

    def remove(self) -> None:
        """Remove all of them; the gallery is there."""
        shutil.rmtree(self._all)

    def _rows(self, number: int) -> range:
        return range(number * self._how.shard_size, min((number + 1) * self._how.shard_size, len(self._names)))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.safetensors"


def shards_of(output: Path) -> Path:
    """The folder of the shards of a gallery's file."""
    return output.with_name(f"{output.name}.shards")


def _size(path: Path) -> int:
    file = GalleryFile(path)
    file.close()
    return len(file) + len(file.left_out)


def part(items: Any, rows: Sequence[int]) -> Any:
    """Some of the items, in the order of `rows`."""
    return items.select(rows) if isinstance(items, Dataset) else [items[row] for row in rows]


def encoded(
    encoder: Encoder | RegionEncoder,
    items: Any,
    names: list[str],
    how: Building,
    show_progress: bool = False,
    look_first: bool = False,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Encode items that are held in memory together.

    Args:
        look_first: find pictures that cannot be decoded before the others are encoded; otherwise all are encoded
            again where one is found.
    Returns:
        vectors of the items that have one, in order, with mask and boxes where they are of regions; and id -> reason
        of the others.
    Raises:
        ValueError: an item cannot be encoded, or its vector is not finite; it is named.
    """
    faults = _faults(items) if look_first else {}
    try:
        tables, without = _vectors(encoder, _without(items, faults), how.batch_size, show_progress)
    except ValueError as reason:
        if look_first:
            raise
        faults = _faults(items)
        if not faults:
            raise
        if how.on_bad_image == "error":
            row, told = next(iter(faults.items()))
            raise ValueError(
                f"picture {names[row]!r} cannot be decoded ({told}), nor can {len(faults) - 1} others near it; replace "
                "it, or leave such pictures out with on_bad_image skip"
            ) from reason
        tables, without = _vectors(encoder, _without(items, faults), how.batch_size, show_progress)
    left_out = {names[row]: UNDECODABLE for row in faults}
    names = [name for row, name in enumerate(names) if row not in faults]
    left_out |= {names[row]: NO_FACE for row in without}
    names = [name for row, name in enumerate(names) if row not in without]
    vectors = tables["vectors"].float().cpu()
    if len(vectors) != len(names) or vectors.shape[-1] != encoder.dim:
        raise ValueError(
            f"{encoder.fingerprint} made vectors of shape {tuple(vectors.shape)} of {len(names)} items; it should make "
            f"one of {encoder.dim} numbers for each"
        )
    stored = vectors.to(getattr(torch, how.dtype))
    _refuse(vectors, names, "holds NaN or infinity", "look at that item and at the encoder's weights")
    _refuse(stored, names, f"is too large for {how.dtype}", "store float32, or normalise")
    return {name: rows.cpu() for name, rows in tables.items()} | {"vectors": stored}, left_out


def _vectors(
    encoder: Encoder | RegionEncoder, items: Any, batch_size: int, show_progress: bool
) -> tuple[dict[str, Tensor], set[int]]:
    """Tables of the items that have a vector, and the places of those that have none."""
    if not len(items):
        return {"vectors": torch.empty(0, encoder.dim)}, set()
    if isinstance(encoder, FaceFinder):
        found = encoder.encode_faces(items, batch_size, show_progress)
        named = isinstance(items, Dataset) and "id" in items.column_names
        called = [str(name) for name in items["id"]] if named else [*map(str, range(len(items)))]
        without = set(found.without_face)
        return {"vectors": found.vectors}, {row for row, name in enumerate(called) if name in without}
    made: Any = encoder.encode(items, batch_size, show_progress)
    if isinstance(made, Regions):
        boxes = {} if made.boxes is None else {"boxes": made.boxes.float()}
        return {"vectors": made.vectors, "mask": made.mask} | boxes, set()
    return {"vectors": made}, set()


def _without(items: Any, rows: dict[int, str]) -> Any:
    return part(items, [row for row in range(len(items)) if row not in rows]) if rows else items


def _faults(items: Any) -> dict[int, str]:
    """Why pictures cannot be decoded, by their places; none for texts and for pictures in memory."""
    if not isinstance(items, Dataset):
        return {}
    told = ((row, fault_of(content)) for row, content in enumerate(contents(items)))
    return {row: fault for row, fault in told if fault}


def _refuse(vectors: Tensor, names: list[str], what: str, remedy: str) -> None:
    bad = (~torch.isfinite(vectors.flatten(1)).all(1)).nonzero().flatten().tolist() if len(vectors) else []
    if bad:
        raise ValueError(f"the vector of {names[bad[0]]!r} {what}, as do those of {len(bad) - 1} others; {remedy}")
