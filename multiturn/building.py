"""Encoding items into a gallery, in shards that outlive a kill, by one process or several; encoders live elsewhere."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm.auto import tqdm

from multiturn.encoders import Encoder
from multiturn.files import atomic_file
from multiturn.gallery import Gallery
from multiturn.processes import launched, own_device
from multiturn.settings import at_least


def build_gallery(
    encoder: Encoder,
    items: Any,
    ids: Sequence[str],
    source: str,
    output: Path,
    batch_size: int = 64,
    shard_size: int = 4096,
    show_progress: bool = True,
) -> Gallery:
    """Encode items and write them as a gallery, all or nothing.

    Finished shards are kept in OUTPUT.shards: run again after a kill, it goes on from them, and the file is the
    same byte for byte. So it is with several processes under `accelerate launch`: each encodes every n-th shard,
    and a shard's batches are the same whoever encodes it. Both hold where the device, the version of torch and, on
    a CPU, the threads a process (OMP_NUM_THREADS) are the same: the last bits of some sums depend on them, and
    shards made under others are not used.

    A gallery that is there already, of the same ids and source and by an encoder of the same fingerprint, is read
    and not made again: delete it where items have changed and kept their ids.

    Args:
        encoder: the same in every process.
        items: a list or a data set.
        ids: one an item, each once, in any order.
        source: what the items are, as tables print it.
        output: the gallery's file.
        batch_size: items at once.
        shard_size: items whose vectors are written at once; that many at most are encoded again after a kill.
        show_progress: whether the first process shows a bar.
    Returns:
        the gallery, on the CPU, in every process.
    Raises:
        ValueError: ids that repeat or do not match the items in number; an item that cannot be encoded, or whose
            vector is not finite (its id is named).
        OSError: the disk is full, or the folder cannot be written; finished shards are kept.
    """
    at_least("batch_size", batch_size, 1)
    at_least("shard_size", shard_size, 1)
    names = _checked(ids, items)
    everyone = launched()
    if output.is_file():
        kept = Gallery.load(output)
        if (kept.ids, kept.fingerprint, kept.source) == (tuple(names), encoder.fingerprint, source):
            return kept
    order = sorted(range(len(ids)), key=ids.__getitem__)
    in_order = items.select(order) if isinstance(items, Dataset) else [items[place] for place in order]
    texts = [item for item in in_order if isinstance(item, str)] if isinstance(in_order, list) else []
    plan = _plan(encoder, names, texts, batch_size, shard_size)
    shards = _Shards(output, plan, names, shard_size)
    if everyone.is_main_process:
        shards.tidy()
    everyone.wait_for_everyone()
    mine = shards.missing()[everyone.process_index :: everyone.num_processes]
    everyone.wait_for_everyone()  # The others' lists must not depend on what this process writes.
    _encode(encoder, in_order, shards, mine, batch_size, show_progress and everyone.is_main_process)
    everyone.wait_for_everyone()
    if everyone.is_main_process:
        Gallery(tuple(names), shards.together(), encoder.fingerprint, source).save(output)
        shards.remove()
    everyone.wait_for_everyone()
    return Gallery.load(output, made_by=encoder.fingerprint)


class _Shards:
    """The shards of one gallery on disk; each is written all or nothing, below a folder named for the plan."""

    def __init__(self, output: Path, plan: str, names: list[str], size: int) -> None:
        self._output, self._all = output, output.with_name(f"{output.name}.shards")
        self._folder, self.names, self._size = self._all / plan, names, size

    def tidy(self) -> None:
        """Remove what another plan or a killed process has left."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for other in self._all.iterdir():
            if other != self._folder:
                shutil.rmtree(other)
        for partial in [
            *self._folder.glob(".*.partial"),
            *self._output.parent.glob(f".{self._output.name}.*.partial"),
        ]:
            partial.unlink(missing_ok=True)

    def rows(self, number: int) -> range:
        """Places of a shard's items."""
        return range(number * self._size, min((number + 1) * self._size, len(self.names)))

    def missing(self) -> list[int]:
        """Numbers of the shards that are not there yet."""
        return [number for number in range(self._count) if not self._path(number).is_file()]

    def write(self, number: int, vectors: Float[Tensor, "item *region dim"]) -> None:
        """Write a shard."""
        with atomic_file(self._path(number)) as temporary:
            try:
                save_file({"vectors": vectors.contiguous()}, temporary)
            except SafetensorError as reason:
                raise OSError(f"{self._path(number)} could not be written: {reason}") from reason

    def together(self) -> Float[Tensor, "item *region dim"]:
        """All shards as one, with no second copy in memory."""
        first = self._read(0)
        whole = torch.empty(len(self.names), *first.shape[1:])
        for number in range(self._count):
            rows = self.rows(number)
            whole[rows.start : rows.stop] = self._read(number)
        return whole

    def remove(self) -> None:
        """Remove all of them; the gallery is there."""
        shutil.rmtree(self._all)

    @property
    def _count(self) -> int:
        return -(-len(self.names) // self._size)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.safetensors"

    def _read(self, number: int) -> Tensor:
        try:
            return load_file(self._path(number))["vectors"]
        except SafetensorError as reason:
            raise ValueError(f"{self._path(number)} is damaged ({reason}); delete it and run again") from reason


def _encode(
    encoder: Encoder, items: Any, shards: _Shards, mine: list[int], batch_size: int, show_progress: bool
) -> None:
    """Encode and write the shards that are this process's to make."""
    total = sum(len(shards.rows(number)) for number in mine)
    with tqdm(total=total, desc="gallery", unit="item", disable=not show_progress) as bar:
        for number in mine:
            rows = shards.rows(number)
            part = items.select(rows) if isinstance(items, Dataset) else items[rows.start : rows.stop]
            vectors = encoder.encode(part, batch_size, show_progress).float().cpu()
            if len(vectors) != len(rows) or vectors.shape[-1] != encoder.dim:
                raise ValueError(
                    f"{encoder.fingerprint} made vectors of shape {tuple(vectors.shape)} of {len(rows)} items; it "
                    f"should make one of {encoder.dim} numbers for each"
                )
            bad = (~torch.isfinite(vectors.flatten(1)).all(1)).nonzero().flatten().tolist()
            if bad:
                raise ValueError(
                    f"the vector of {shards.names[rows.start + bad[0]]!r} holds NaN or infinity, as do those of "
                    f"{len(bad) - 1} others; look at that item and at the encoder's weights"
                )
            shards.write(number, vectors)
            bar.update(len(rows))


def _checked(ids: Sequence[str], items: Any) -> list[str]:
    """The ids in ascending order."""
    if len(ids) != len(items):
        raise ValueError(f"{len(ids)} ids for {len(items)} items")
    if len(ids) < 2:
        raise ValueError(f"a gallery needs at least two items, not {len(ids)}")
    names = sorted(ids)
    for one, next_one in pairwise(names):
        if one == next_one:
            raise ValueError(f"two items have the id {one!r}; ids are unique")
    return names


def _plan(encoder: Encoder, names: list[str], texts: list[str], batch_size: int, shard_size: int) -> str:
    """What all shards of one gallery have in common; vectors made under another plan may differ in their last bits."""
    about = [encoder.fingerprint, batch_size, shard_size, torch.__version__, torch.get_num_threads(), names, texts]
    device = own_device()
    about.append(torch.cuda.get_device_name(device) if device.type == "cuda" else device.type)
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
