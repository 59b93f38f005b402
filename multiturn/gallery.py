"""The candidates of a retrieval: ids, vectors, regions and the fingerprint of their encoder; no search here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Float64, Int, UInt8
from torch import Tensor

from multiturn.gallery_files import GalleryFile, Table, description, writing
from multiturn.regions import Regions, check_places
from multiturn.scoring import norms_of_rows

__all__ = ["Gallery", "description", "kept_at", "merge_files"]

_CHECKED_AT_ONCE = 1 << 24  # numbers
_COPIED_AT_ONCE = 1 << 25  # bytes


@dataclass(frozen=True)
class Gallery:
    """Candidates in ascending order of id, so that the order of positions settles ties in a display.

    Attributes:
        ids: one a candidate, unique and ascending; `Gallery.of` sorts.
        vectors: one a candidate, or one a region of each candidate.
        fingerprint: of the encoder that made the vectors.
        source: what the candidates are, as tables print it.
        mask: of a gallery of regions: False where a row only fills up the table, and is zero. Never score those.
        boxes: of regions: left, top, right, bottom as shares of width and height; None where nobody recorded them.
        digests: of each item's content; None where nobody recorded them. Items can be added only with them.
        left_out: items that have no vector: id -> reason and digest.
    Raises:
        ValueError: ids that repeat, are not ascending or do not match the vectors in number; fewer than two
            candidates; a vector that is not finite (its id is named); a mask or boxes that do not fit.
    """

    ids: tuple[str, ...]
    vectors: Float[Tensor, "candidate *region dim"]
    fingerprint: str
    source: str
    mask: Bool[Tensor, "candidate region"] | None = None
    boxes: Float[Tensor, "candidate region 4"] | None = None
    digests: UInt8[Tensor, "candidate 8"] | None = None
    left_out: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.vectors):
            raise ValueError(f"{len(self.ids)} ids for {len(self.vectors)} vectors")
        if len(self.ids) < 2:
            raise ValueError(f"a gallery needs at least two candidates, not {len(self.ids)}")
        for one, next_one in zip(self.ids, self.ids[1:], strict=False):
            if one >= next_one:
                what = "appears twice" if one == next_one else f"comes before {next_one!r}; use Gallery.of"
                raise ValueError(f"gallery ids are unique and ascending, but {one!r} {what}")
        # In parts: one mask of a whole gallery would take a quarter of its memory again, and more on the way.
        rows = max(1, _CHECKED_AT_ONCE // max(1, self.vectors[0].numel()))
        finite = torch.cat([torch.isfinite(part.flatten(1)).all(1) for part in self.vectors.split(rows)])
        if not bool(finite.all()):
            bad = (~finite).nonzero().flatten().tolist()
            raise ValueError(
                f"{len(bad)} of {len(self)} vectors hold NaN or infinity, the first that of {self.ids[bad[0]]!r}; "
                "look at that image and at the encoder's weights"
            )
        if (self.vectors.ndim == 3) != (self.mask is not None):
            told = "without" if self.mask is None else "with"
            raise ValueError(
                f"vectors of shape {tuple(self.vectors.shape)} {told} a mask; a gallery of regions has a row a region "
                "and a mask, any other has neither"
            )
        if self.mask is not None:
            check_places(tuple(self.vectors.shape[:2]), self.boxes, self.mask)
        elif self.boxes is not None:
            raise ValueError("boxes without regions; leave them out, or encode regions")
        if self.digests is not None and len(self.digests) != len(self):
            raise ValueError(f"{len(self.digests)} digests for {len(self)} candidates; leave them out")

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        vectors: "Float[Tensor, 'candidate dim'] | Regions",
        fingerprint: str,
        source: str,
    ) -> "Gallery":
        """Make a gallery of candidates in any order."""
        order = sorted(range(len(ids)), key=ids.__getitem__)
        if order != list(range(len(ids))) and len(ids) == len(vectors):
            ids, vectors = [ids[i] for i in order], vectors[torch.tensor(order, device=vectors.device)]
        if isinstance(vectors, Regions):
            return cls(tuple(ids), vectors.vectors, fingerprint, source, vectors.mask, vectors.boxes)
        return cls(tuple(ids), vectors, fingerprint, source)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def norms(self) -> Float64[Tensor, "candidate *region"]:
        """L2 norms of the vectors."""
        return norms_of_rows(self.vectors)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.ids)}

    def positions(self, ids: Sequence[str]) -> Int[Tensor, " id"]:
        """Find the positions of ids.

        Raises:
            ValueError: an id is not in the gallery.
        """
        try:
            places = [self._places[name] for name in ids]
        except KeyError as missing:
            raise ValueError(f"{missing} is not in the gallery of {len(self)} ({self.source})") from None
        return torch.tensor(places, dtype=torch.long, device=self.vectors.device)

    def to(self, device: torch.device | str) -> "Gallery":
        """The same gallery with its vectors on `device`."""
        vectors = self.vectors.to(device)
        if vectors is self.vectors:  # on "cuda:0", where "cuda" is asked for, too
            return self
        mask, boxes = (None if one is None else one.to(device) for one in (self.mask, self.boxes))
        return replace(self, vectors=vectors, mask=mask, boxes=boxes)

    def check_made_by(self, fingerprint: str) -> None:
        """Raise ValueError if the vectors were made by another encoder than the one with `fingerprint`."""
        if self.fingerprint != fingerprint:
            raise ValueError(
                f"the gallery ({self.source}) was made by encoder {self.fingerprint!r}, the retriever expects "
                f"{fingerprint!r}; encode the gallery again with the retriever's encoder"
            )

    def save(self, path: Path) -> None:
        """Write the gallery as one safetensors file, all or nothing.

        One that was loaded keeps the digests of its items and the list of those left out, so that it can be added to.

        Raises:
            OSError: the disk is full or the folder cannot be written; an older file at `path` is untouched.
        """
        tables = {"vectors": self.vectors, "mask": self.mask, "boxes": self.boxes, "digests": self.digests}
        kept = {name: one for name, one in tables.items() if one is not None}
        layout = {name: Table(one.dtype, tuple(one.shape[1:])) for name, one in kept.items()}
        with writing(path, self.ids, self.fingerprint, self.source, layout, self.left_out) as file:
            file.append(kept)

    @classmethod
    def load(cls, path: Path, made_by: str | None = None) -> "Gallery":
        """Read a gallery that `save` or `python -m data_prep.encode` wrote.

        The vectors stay in the file, mapped into memory: processes share them, and what is not used is not kept.
        They are read once here, to see that they are finite.

        Args:
            path: the file, or the folder that holds gallery.safetensors.
            made_by: fingerprint of the encoder that the caller will use; None accepts any.
        Raises:
            FileNotFoundError: no such file.
            ValueError: not a gallery file, a damaged one, another schema, or made by another encoder.
        """
        file = GalleryFile(path)
        tables = {name: file.mapped(name) for name in file.tables}
        gallery = cls(
            tuple(file.ids),
            tables["vectors"],
            file.fingerprint,
            file.source,
            tables.get("mask"),
            tables.get("boxes"),
            tables.get("digests"),
            file.left_out,
        )
        if made_by is not None:
            gallery.check_made_by(made_by)
        return gallery


def kept_at(path: Path, fingerprint: str, ids: Sequence[str]) -> Gallery | None:
    """The gallery at `path`, if an encoder of this fingerprint made it of these items."""
    if not path.is_file():
        return None
    kept = Gallery.load(path)
    return kept if kept.fingerprint == fingerprint and kept.ids == tuple(sorted(ids)) else None


def merge_files(
    output: Path,
    fingerprint: str,
    source: str,
    rows: Sequence[tuple[str, Path, int]],
    old: GalleryFile | None,
    left_out: Mapping[str, tuple[str, str]],
) -> None:
    """Copy candidates of several files into one, all or nothing; runs of neighbours go together.

    Args:
        output: the file.
        fingerprint: of the encoder of all.
        source: what the candidates are, as tables print it.
        rows: id, file and place of each, by ascending id.
        old: the file that is replaced, if there is one. Of the others, whose ids ascend from one to the next, one is
            open at a time.
        left_out: items without a vector: id -> reason and digest.
    Raises:
        ValueError: a file has other tables than the first one.
        OSError: the disk is full or the folder cannot be written; an older file at `output` is untouched.
    """
    known = {} if old is None else {old.path: old}
    other = first = known.get(rows[0][1]) or GalleryFile(rows[0][1])
    layout = {name: Table(table.dtype, table.row) for name, table in first.tables.items()}
    step = max(1, _COPIED_AT_ONCE // layout["vectors"].row_bytes)
    with writing(output, [name for name, _, _ in rows], fingerprint, source, layout, left_out) as writer:
        for (path, _), run in groupby(enumerate(rows), key=lambda entry: (entry[1][1], entry[1][2] - entry[0])):
            chosen = [row for _, (_, _, row) in run]
            if path not in known and path != other.path:
                other = GalleryFile(path)
            file = known.get(path, other)
            for start in range(chosen[0], chosen[-1] + 1, step):
                end = min(start + step, chosen[-1] + 1)
                writer.append({name: file.read(name, start, end) for name in file.tables})
