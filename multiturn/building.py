"""Encoding items into a gallery: what is there already is kept, what is new is encoded and merged in, part by part.

Encoding lives in `shards`, the file's format in `gallery_files`.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from tqdm.auto import tqdm

from multiturn.encoders import Encoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.files import held_folder
from multiturn.gallery import Gallery, kept_at, merge_files
from multiturn.gallery_files import GalleryFile
from multiturn.items import EMPTY, digests
from multiturn.processes import Alone, launched
from multiturn.shards import UNDECODABLE, Building, Shards, part, shards_of

_REMEDY = "overwrite it (--overwrite), or choose another folder"


@dataclass(frozen=True)
class Built:
    """What became of the items.

    Attributes:
        path: of the gallery.
        candidates: in it.
        kept: items whose vectors were there already.
        unread: those of them that cannot be read now.
        new: items that were encoded for the first time.
        changed: items that were there with another content, and were encoded again.
        gone: candidates that the data lacks by now, and that stay.
        dropped: such candidates that were taken out.
        left_out: items without a vector: id -> reason.
        written: whether the file was written, False if all was there.
    """

    path: Path
    candidates: int
    kept: int
    unread: int
    new: int
    changed: int
    gone: int
    dropped: int
    left_out: dict[str, str]
    written: bool

    def __str__(self) -> str:
        told = [f"{self.kept:,} kept, {self.new:,} new"]
        told += [f"{self.unread:,} that cannot be read now keep their vectors"] if self.unread else []
        told += [f"{self.changed:,} changed and encoded again"] if self.changed else []
        told += [f"{self.gone:,} that the data lacks kept (--drop_removed drops them)"] if self.gone else []
        told += [f"{self.dropped:,} that the data lacks dropped"] if self.dropped else []
        told += [f"{count:,} left out ({reason})" for reason, count in sorted(Counter(self.left_out.values()).items())]
        return ", ".join(told)


def build_gallery(
    encoder: Encoder | RegionEncoder,
    items: Any,
    ids: Sequence[str],
    source: str,
    output: Path,
    batch_size: int = 64,
    shard_size: int = 4096,
    show_progress: bool = True,
) -> Gallery:
    """Encode items and load the gallery: `build` with its usual settings; on the CPU, in every process."""
    how = Building(batch_size, shard_size, show_progress=show_progress)
    return Gallery.load(build(encoder, items, ids, source, output, how).path, made_by=encoder.fingerprint)


def kept_gallery(
    encoder: Encoder | RegionEncoder, items: Any, ids: Sequence[str], source: str, path: Path, batch_size: int
) -> Gallery:
    """Read the gallery at `path` if an equal encoder made it of the same items, or make it, in this process alone.

    The first process keeps it, shard by shard as `build` does; others that find none encode for themselves.
    """
    if (kept := kept_at(path, encoder.fingerprint, ids)) is not None:
        return kept
    if launched().is_main_process:
        how = Building(batch_size, overwrite=True, alone=True)
        return Gallery.load(build(encoder, items, ids, source, path, how).path, made_by=encoder.fingerprint)
    return Gallery.of(ids, encoder.encode(items, batch_size), encoder.fingerprint, source)


def build(
    encoder: Encoder | RegionEncoder, items: Any, ids: Sequence[str], source: str, output: Path, how: Building
) -> Built:
    """Encode items and write them as a gallery, all or nothing, with memory for one shard.

    Where the gallery is there already, only those items are encoded that it lacks or whose content has changed (told
    by a digest of their bytes), and the other vectors are copied. Candidates that the data lacks by now stay. So do,
    where bad pictures are skipped, those whose files cannot be read, such as links to a disk that is not there.

    Finished shards are kept in OUTPUT.shards: run again after a kill, it goes on from them, and the file is the
    same byte for byte. Where the data has changed meanwhile, those shards are used that hold what they would hold
    now; how many items the others held is said on stderr. So it is with several processes under `accelerate launch`:
    each encodes every n-th shard, and a shard's batches are the same whoever encodes it. All this holds where the
    device, the version of torch and, on a CPU, the threads a process (OMP_NUM_THREADS) are the same: the last bits of
    some sums depend on them, and shards made under others are not used.

    Args:
        encoder: the same in every process. One that finds faces leaves out pictures that have none.
        items: texts, pictures, or a data set with an `image` column.
        ids: one an item, each once, in any order.
        source: what the items are, as tables print it.
        output: the gallery's file.
        how: sizes, dtype, and what becomes of old vectors and bad pictures.
    Raises:
        ValueError: ids that repeat or do not match the items in number; an item that cannot be encoded, or whose
            vector is not finite (its id is named); there is a gallery of another encoder, dtype or data; another
            process builds this one.
        OSError: the disk is full, or the folder cannot be written; finished shards are kept.
    """
    order = _checked(ids, items, 1 if how.append else 2)
    everyone = Alone() if how.alone else launched()
    try:
        with held_folder(shards_of(output)) if everyone.is_main_process else nullcontext():
            everyone.wait_for_everyone()
            return _build(encoder, part(items, order), [ids[place] for place in order], source, output, how, everyone)
    except BlockingIOError as reason:
        raise ValueError(
            f"another process is writing {output}; wait until it has ended, or choose another folder"
        ) from reason


def _build(
    encoder: Encoder | RegionEncoder,
    items: Any,
    names: list[str],
    source: str,
    output: Path,
    how: Building,
    everyone: PartialState | Alone,
) -> Built:
    """Build a gallery that no other program builds; ids ascend."""
    show = how.show_progress and everyone.is_main_process
    before = _Before.read(output, encoder.fingerprint, names, how)
    content, unread = before.completed(_digests(names, items, everyone, show), how)
    before.check_appended(content, how)
    known_out = before.still_left_out(content, how)
    wanted = [
        row for row, name in enumerate(names) if before.content.get(name) != content[name] and name not in known_out
    ]
    todo = {names[row]: content[names[row]] for row in wanted}
    shards = Shards(output, encoder, part(items, wanted), todo, how)
    everyone.wait_for_everyone()  # All have read what is there.
    if everyone.is_main_process:
        shards.tidy()
    everyone.wait_for_everyone()
    mine = shards.missing()[everyone.process_index :: everyone.num_processes]
    everyone.wait_for_everyone()  # The others' lists must not depend on what this process writes.
    shards.encode(mine, show)
    everyone.wait_for_everyone()
    built: list[Built | None] = [None]
    if everyone.is_main_process:
        told = before.file.source if before.file is not None and how.append else source
        built = [_finish(output, encoder.fingerprint, told, before, content, unread, known_out, todo, shards, how)]
        shards.remove()
    if everyone.num_processes > 1:
        broadcast_object_list(built)
    assert built[0] is not None
    return built[0]


@dataclass(frozen=True)
class _Before:
    """The gallery that is there already, or nothing."""

    file: GalleryFile | None
    content: dict[str, str]

    @classmethod
    def read(cls, output: Path, fingerprint: str, names: list[str], how: Building) -> "_Before":
        if how.overwrite or not output.is_file():
            return cls(None, {})
        file = GalleryFile(output)
        if file.fingerprint != fingerprint:
            raise ValueError(f"{output} was made by encoder {file.fingerprint!r}, not {fingerprint!r}; {_REMEDY}")
        if file.tables["vectors"].dtype != getattr(torch, how.dtype):
            raise ValueError(f"{output} holds {file.tables['vectors'].dtype}, not {how.dtype}; {_REMEDY}")
        if "digests" not in file.tables:
            raise ValueError(f"{output} does not tell of which content its vectors were made; {_REMEDY}")
        if not how.append and not {*file.ids, *file.left_out} & set(names):
            raise ValueError(
                f"{output} ({file.source}) holds none of these {len(names):,} items; {_REMEDY}, or add (--append)"
            )
        return cls(file, file.contents())

    def completed(self, found: dict[str, str], how: Building) -> tuple[dict[str, str], int]:
        """Contents, also of files that cannot be read now, and how many of those keep their vectors.

        Where bad pictures are errors, such a file counts as empty and stops the build when it is encoded.
        """
        trusted = self.content if how.on_bad_image == "skip" and not how.drop_removed else {}
        unread = sum(not digest and name in trusted for name, digest in found.items())
        return {name: digest or trusted.get(name, EMPTY) for name, digest in found.items()}, unread

    def check_appended(self, content: dict[str, str], how: Building) -> None:
        """Raise ValueError where an item to be added has the id of another one."""
        taken = [name for name, digest in content.items() if self.content.get(name, digest) != digest]
        if how.append and taken:
            raise ValueError(
                f"{len(taken):,} items to be added have ids that are there with another content, first {taken[0]!r}; "
                "give them other ids, or encode all of the data without --append"
            )

    def still_left_out(self, content: dict[str, str], how: Building) -> dict[str, tuple[str, str]]:
        """Items that had no vector and are the same still; bad pictures are tried again where they are errors."""
        return {
            name: (why, digest)
            for name, (why, digest) in (self.file.left_out if self.file else {}).items()
            if (content.get(name) == digest and not (why == UNDECODABLE and how.on_bad_image == "error"))
            or (how.append and name not in content)
        }


def _finish(
    output: Path,
    fingerprint: str,
    source: str,
    before: _Before,
    content: dict[str, str],
    unread: int,
    left_out: dict[str, tuple[str, str]],
    todo: dict[str, str],
    shards: Shards,
    how: Building,
) -> Built:
    """Merge the vectors that stay with those of the shards."""
    made = shards.files()
    left_out = left_out | {name: told for shard in made for name, told in shard.left_out.items()}
    bad = [name for name, (why, _) in left_out.items() if why == UNDECODABLE and name in content]
    if bad and how.on_bad_image == "error":
        raise ValueError(f"{len(bad)} pictures cannot be decoded, first {bad[0]!r}; replace them, or skip such ones")
    removed = set() if how.append else before.content.keys() - content.keys()
    stays = before.content.keys() - todo.keys() - left_out.keys() - (removed if how.drop_removed else set())
    rows = [(name, shard.path, row) for shard in made for row, name in enumerate(shard.ids)]
    new = len(rows) - sum(name in before.content for name, _, _ in rows)
    if (file := before.file) is not None:
        rows += [(name, file.path, row) for row, name in enumerate(file.ids) if name in stays]
    rows.sort(key=lambda row: row[0])
    if len(rows) < 2:
        raise ValueError(f"a gallery needs at least two candidates, and {len(rows)} are left of {len(content)} items")
    same = (
        file is not None and not todo and len(rows) == len(file) and (file.source, file.left_out) == (source, left_out)
    )
    if not same:
        merge_files(output, fingerprint, source, rows, file, left_out)
    return Built(
        path=output,
        candidates=len(rows),
        kept=len(stays - removed),
        unread=unread,
        new=new,
        changed=sum(len(shard) for shard in made) - new,
        gone=len(stays & removed),
        dropped=len(removed - stays),
        left_out={name: why for name, (why, _) in sorted(left_out.items())},
        written=not same,
    )


def _digests(names: list[str], items: Any, everyone: PartialState | Alone, show: bool) -> dict[str, str]:
    """Digest of each item's content; every process reads a share of them."""
    share = -(-len(names) // everyone.num_processes)
    own = range(len(names))[share * everyone.process_index : share * (everyone.process_index + 1)]
    # Shown only where it takes long.
    bar = tqdm(digests(part(items, own)), "reading", len(own), unit="item", disable=not show, leave=False, delay=2)
    found = list(bar) if everyone.num_processes == 1 else gather_object(list(bar))
    return dict(zip(names, found, strict=True))


def _checked(ids: Sequence[str], items: Any, fewest: int) -> list[int]:
    """The order in which the ids ascend."""
    if len(ids) != len(items):
        raise ValueError(f"{len(ids)} ids for {len(items)} items")
    if len(ids) < fewest:
        raise ValueError(f"a gallery needs at least two items, not {len(ids)}; to one that is there, add it (--append)")
    order = sorted(range(len(ids)), key=ids.__getitem__)
    for one, next_one in pairwise(order):
        if ids[one] == ids[next_one]:
            raise ValueError(f"two items have the id {ids[one]!r}; ids are unique")
    return order
