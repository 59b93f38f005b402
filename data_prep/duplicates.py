"""Which vectors of galleries are broken, identical or alike, read and compared block by block; no table is printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from multiturn.gallery_files import GalleryFile

# With as many columns a block of cosines takes 64 MB; blocks of vectors take no more.
_ROWS, _BYTES = 4096, 1 << 26
_ROUNDING = 1e-6  # of a cosine in float32: identical vectors may fall short of 1 by so much


@dataclass(frozen=True)
class Looked:
    """What one pass over a gallery's vectors finds.

    Attributes:
        infinite: ids of vectors that hold NaN or infinity.
        zero: ids of vectors that are zero throughout.
        vectors: a digest of each vector; equal ones are equal to the last bit.
        contents: a digest of each item's content, or nothing where the gallery has none.
    """

    infinite: list[str]
    zero: list[str]
    vectors: list[bytes]
    contents: list[bytes]


@dataclass(frozen=True)
class Alike:
    """Pairs of candidates whose cosine reaches a threshold.

    Attributes:
        pairs: their number.
        first: candidates of the first gallery that are in one.
        second: candidates of the second gallery that are in one; the same number within one gallery.
        examples: ids and cosine of the most alike.
    """

    pairs: int
    first: int
    second: int
    examples: list[tuple[str, str, float]]


def look(file: GalleryFile) -> Looked:
    """Read a gallery's vectors once."""
    infinite, zero, vectors = [], [], []
    for rows in file.blocks(_BYTES):
        part = file.read("vectors", rows.start, rows.stop).flatten(1)
        names = file.ids[rows.start : rows.stop]
        infinite += _chosen(names, ~torch.isfinite(part).all(1))
        zero += _chosen(names, (part == 0).all(1))
        # Adding zero makes a negative zero positive, which is the same number in other bits.
        vectors += [blake2b(row.tobytes(), digest_size=16).digest() for row in (part + 0).view(torch.uint8).numpy()]
    contents = file.read("digests", 0, len(file)).numpy() if "digests" in file.tables else ()
    return Looked(infinite, zero, vectors, [row.tobytes() for row in contents])


def sharing(names: list[str], digests: list[bytes], most: int) -> tuple[int, list[tuple[str, ...]]]:
    """Count the candidates whose digest another has too.

    Returns:
        their number, and the ids of the first groups.
    Example:
        >>> sharing(["a", "b", "c", "d"], [b"x", b"y", b"x", b"z"], 5)
        (2, [('a', 'c')])
    """
    several = {one for one, count in Counter(digests).items() if count > 1}
    groups: dict[bytes, list[str]] = {}
    for name, one in zip(names, digests, strict=True):
        if one in several and (one in groups or len(groups) < most):
            groups.setdefault(one, []).append(name)
    return sum(one in several for one in digests), [tuple(group[:most]) for group in groups.values()]


def shared(
    names: list[str], digests: list[bytes], others: list[str], theirs: list[bytes], most: int
) -> tuple[int, list[tuple[str, ...]]]:
    """Count the candidates of one gallery whose digest a candidate of another has.

    Returns:
        their number, and the first ids with one of the other gallery.
    """
    known = dict(zip(theirs, others, strict=True))
    found = [(name, known[one]) for name, one in zip(names, digests, strict=True) if one in known]
    return len(found), list(found[:most])


def alike(
    file: GalleryFile, other: GalleryFile | None, threshold: float, most: int, show_progress: bool = False
) -> Alike:
    """Find pairs of candidates, within a gallery or across two, whose cosine is at least `threshold`.

    Regions are laid end to end, so that a candidate is one vector. All pairs are compared, block by block: the time
    grows with the product of the sizes (about four minutes for 200,000 x 200,000 x 512 at 100 GFLOP/s), the memory
    does not. Vectors that are zero or not finite are like no other.
    """
    from tqdm.auto import tqdm

    second = other or file
    flags = torch.zeros(len(file), dtype=torch.bool), torch.zeros(len(second), dtype=torch.bool)
    pairs, best = 0, []
    with tqdm(total=len(file), desc="comparing", unit="vector", disable=not show_progress, leave=False) as bar:
        for rows in _blocks(file):
            mine = _units(file, rows)
            for columns in _blocks(second):
                if other is None and columns.stop <= rows.start:
                    continue
                cosines = mine @ _units(second, columns).T
                if other is None and rows.start == columns.start:
                    cosines = cosines.triu(1)  # Of a pair and of itself, each once or not at all.
                hits = cosines >= threshold - _ROUNDING
                if found := int(hits.sum()):
                    pairs += found
                    flags[0][rows.start : rows.stop] |= hits.any(1)
                    flags[1][columns.start : columns.stop] |= hits.any(0)
                    best = _most_alike([*best, *_top(cosines, rows, columns, min(most, found))], most)
            bar.update(len(rows))
    if other is None:
        flags = (flags[0] | flags[1],) * 2
    examples = [(file.ids[row], second.ids[column], round(cosine, 4)) for cosine, row, column in best]
    return Alike(pairs, int(flags[0].sum()), int(flags[1].sum()), examples)


def _blocks(file: GalleryFile) -> Iterator[range]:
    row_bytes = file.tables["vectors"].row_bytes
    return file.blocks(min(_BYTES, _ROWS * row_bytes))


def _units(file: GalleryFile, rows: range) -> Float[Tensor, "row dim"]:
    vectors = file.read("vectors", rows.start, rows.stop).flatten(1).float()
    vectors[~torch.isfinite(vectors).all(1)] = 0
    return torch.nn.functional.normalize(vectors, dim=1)


def _top(cosines: Tensor, rows: range, columns: range, count: int) -> Iterator[tuple[float, int, int]]:
    found = cosines.flatten().topk(count)
    for cosine, place in zip(found.values.tolist(), found.indices.tolist(), strict=True):
        yield cosine, rows.start + place // len(columns), columns.start + place % len(columns)


def _most_alike(found: Iterable[tuple[float, int, int]], most: int) -> list[tuple[float, int, int]]:
    return sorted(found, key=lambda one: (-one[0], one[1], one[2]))[:most]


def _chosen(names: list[str], flags: Tensor) -> list[str]:
    return [names[place] for place in flags.nonzero().flatten().tolist()]
