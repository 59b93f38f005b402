"""Compiled kernels for scoring regions on this machine's CPU; where they cannot be had, PyTorch does the same work.

kernel.cpp is compiled when first needed, in a few seconds, by the C++ compiler that `CXX` names or that is on the
path, and kept in the user's cache folder. Ranks are the same with and without it; MULTITURN_KERNEL=0 turns it off.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import BFloat16, Bool, Float32, Float64, Int
from torch import Tensor

from multiturn.files import atomic_file

TILE = 16  # rows, and pairs of bfloat16 numbers in a row, of a matrix register
GROUP = 2 * TILE  # candidates, or sessions, at once
_SOURCE = Path(__file__).with_suffix(".cpp")
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
_WORTH_A_THREAD = 1 << 24  # products of numbers


class Kernel:
    """The compiled functions.

    Attributes:
        tiles: whether the processor multiplies bfloat16 matrices in registers (Intel AMX).
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.has_tiles.restype = ctypes.c_int64
        self.tiles = library.has_tiles() == 1

    def score_pairs(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        counts: Int[Tensor, " candidate"],
        columns: Sequence[Float64[Tensor, "session dim"]],
        places: Int[Tensor, "session slot"],
        session: Int[Tensor, " pair"],
        candidate: Int[Tensor, " pair"],
        sharpness: float,
        per_region: bool,
    ) -> Float64[Tensor, " pair"]:
        """Sums over filled slots of the similarities of pairs, in float64; see `multiturn.region_scoring.pairs`."""
        candidate, order = candidate.sort()  # images that several pairs ask for are then read once
        session, out = session[order], torch.empty(len(session), dtype=torch.float64)
        slots, (widest, dim) = places.shape[1], vectors.shape[1:]
        pointers = (ctypes.c_void_p * len(columns))(*(_at(column).value for column in columns))
        tables = [*(_at(one) for one in (vectors, norms, counts)), pointers, _at(places)]

        def some(first: int, last: int) -> None:
            scratch = torch.empty(5 * widest, dtype=torch.float64)
            self._library.score_pairs(
                *tables,
                _at(session[first:last]),
                _at(candidate[first:last]),
                *(ctypes.c_int64(number) for number in (last - first, slots, widest, dim)),
                ctypes.c_double(sharpness),
                ctypes.c_int64(per_region),
                _at(scratch),
                _at(out[first:last]),
            )

        _in_threads(some, len(session), len(session) * slots * widest * dim)
        return torch.empty_like(out).scatter_(0, order, out)

    def score_column(
        self, units: Float32[Tensor, "session dim"], tiles: "Tiles", sharpness: float
    ) -> tuple[Float32[Tensor, "session candidate"], Float32[Tensor, " session"], Float64[Tensor, " session"]]:
        """Similarities of one state vector a session with all candidates.

        Returns:
            the similarities; the largest mean square of the cosines of each session; and what the cosines are
            within, of those of `units` with the regions at length 1 in float32.
        Source:
            Intel's Software Developer's Manual defines TDPBF16PS: of each 32 products the 16 even and the 16 odd
            ones are added from zero, in float32, the two sums are added, and their sum is added to the tile.
        """
        sessions = len(units)
        table = torch.empty(sessions, tiles.candidates)
        split = Split.of(units)
        packed = split.parts.view(2, -1, 2, TILE, tiles.steps, GROUP).permute(1, 4, 0, 2, 3, 5).contiguous()
        squares = []

        def some(first: int, last: int) -> None:
            square = torch.zeros(sessions)
            self._library.score_column(
                _at(packed),
                _at(tiles.vectors),
                _at(tiles.real),
                *(ctypes.c_int64(number) for number in (sessions, tiles.candidates, tiles.regions, tiles.steps)),
                ctypes.c_float(sharpness),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                _at(table),
                _at(square),
            )
            squares.append(square)

        _in_threads(some, len(tiles.real), len(packed) * GROUP * GROUP * tiles.regions * tiles.steps * GROUP)
        low, lost = split.low[:sessions], split.lost[:sessions]
        within = low * tiles.low + 1.01 * (lost + tiles.lost)  # the product that is left out, and what the parts lack
        added = (17 + 3 * tiles.steps) * 1.01 * (1 + low + tiles.low)
        return table, torch.stack(squares).amax(0), within + added * 2.0**-24 + tiles.steps * 2.0**-118


@dataclass(frozen=True)
class Split:
    """Rows as sums of two bfloat16 numbers, filled up with zeros to whole groups.

    Attributes:
        parts: high and low.
        low: lengths of the low parts.
        lost: lengths of what the two parts lack of the rows.
    """

    parts: BFloat16[Tensor, "2 padded_row padded_dim"]
    low: Float64[Tensor, " padded_row"]
    lost: Float64[Tensor, " padded_row"]

    @classmethod
    def of(cls, rows: Float32[Tensor, "row dim"]) -> "Split":
        rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % GROUP, 0, -len(rows) % GROUP))
        high = rows.bfloat16()
        rest = rows - high  # exact
        low = rest.bfloat16()
        # Lengths in float32 are within a part in 10,000.
        low_length, lost = low.float().norm(dim=1).double(), (rest - low).norm(dim=1).double()
        return cls(torch.stack([high, low]), low_length * 1.0001, lost * 1.0001 + 2.0**-120)


class Tiles:
    """Regions at length 1 as sums of two bfloat16 numbers, laid out for matrix registers.

    Attributes:
        vectors: [candidate / 32, region, 32 numbers, high or low, half, pair, candidate, one of the pair].
        real: a bit for each of 16 candidates, [candidate / 32, region, half].
        low: length of the longest low part.
        lost: length of the most that the two parts lack of a region.
    """

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
    ) -> None:
        self.candidates, self.regions, dim = vectors.shape
        self.steps = -(-dim // GROUP)
        self.low = self.lost = 0.0
        groups = -(-self.candidates // GROUP)
        shape = (groups, self.regions, self.steps, 2, 2, TILE, TILE, 2)
        self.vectors = torch.empty(shape, dtype=torch.bfloat16)
        for number, (part, own) in enumerate(zip(vectors.split(GROUP), norms.split(GROUP), strict=True)):
            units = torch.nn.functional.pad(
                (part.double() / own[..., None]).float(), (0, 0, 0, 0, 0, GROUP - len(part))
            )
            split = Split.of(units.flatten(0, 1))
            parts = split.parts.view(2, 2, TILE, self.regions, self.steps, TILE, 2)
            self.vectors[number] = parts.permute(3, 4, 0, 1, 5, 2, 6)
            self.low, self.lost = max(self.low, float(split.low.max())), max(self.lost, float(split.lost.max()))
        rows = torch.nn.functional.pad(mask, (0, 0, 0, groups * GROUP - self.candidates))
        bits = rows.view(groups, 2, TILE, self.regions).long() << torch.arange(TILE)[:, None]
        self.real = bits.sum(2).transpose(1, 2).to(torch.int32).to(torch.int16).contiguous()


@cache
def kernel() -> Kernel | None:
    """The kernels for this machine, or None where they cannot be had."""
    if os.environ.get("MULTITURN_KERNEL") == "0" or sys.platform == "win32":
        return None
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        return None
    made_of = "\0".join((_SOURCE.read_text(encoding="utf-8"), compiler, *_FLAGS, _processor()))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multiturn"
    path = folder / f"region_scoring-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    try:
        if not path.is_file():
            with atomic_file(path) as temporary:
                subprocess.run([compiler, *_FLAGS, str(_SOURCE), "-o", str(temporary)], check=True, capture_output=True)
        return Kernel(ctypes.CDLL(str(path)))
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """What code made for this machine depends on; a home folder may be shared by several."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return f"{sys.platform} {platform.machine()} {flags}"


def _at(tensor: Tensor) -> ctypes.c_void_p:
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def _in_threads(some: Callable[[int, int], None], items: int, products: int) -> None:
    """Call `some` on ranges that make up all items, on as many threads as PyTorch uses if that pays."""
    threads = min(torch.get_num_threads(), items, 1 + products // _WORTH_A_THREAD)
    if threads <= 1:
        some(0, items)
        return
    parts = min(items, 4 * threads)  # more than threads: other programs may slow one of them down
    borders = [items * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, borders, borders[1:]))
