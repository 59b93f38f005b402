"""Compiled kernels for scoring regions on this machine's CPU; where they cannot be had, PyTorch does the same work.

That for GPUs is in gpu_kernel.py.

The .cpp files here are compiled when first needed, in a few seconds, by the C++ compiler that `CXX` names or that is
on the path, and kept in the user's cache folder. Ranks are the same with and without; MULTITURN_KERNEL=0 turns it off.
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
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from multiturn.files import atomic_file

_SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
_FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
_WORTH_A_THREAD = 1 << 24  # products of numbers


class Kernel:
    """The compiled functions.

    Attributes:
        library: whose functions the layouts of regions call; see tiles.py and whole_numbers.py.
        tiles: whether the processor multiplies bfloat16 matrices in registers (Intel AMX).
        whole_numbers: whether it multiplies 16-bit whole numbers in pairs (AVX-512 VNNI).
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        for name in ("has_tiles", "has_whole_numbers"):
            getattr(library, name).restype = ctypes.c_int64
        self.tiles, self.whole_numbers = library.has_tiles() == 1, library.has_whole_numbers() == 1

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
        pointers = (ctypes.c_void_p * len(columns))(*(at(column).value for column in columns))
        tables = [*(at(one) for one in (vectors, norms, counts)), pointers, at(places)]

        def some(first: int, last: int) -> None:
            scratch = torch.empty(5 * widest, dtype=torch.float64)
            self.library.score_pairs(
                *tables,
                at(session[first:last]),
                at(candidate[first:last]),
                *(ctypes.c_int64(number) for number in (last - first, slots, widest, dim)),
                ctypes.c_double(sharpness),
                ctypes.c_int64(per_region),
                at(scratch),
                at(out[first:last]),
            )

        in_threads(some, len(session), len(session) * slots * widest * dim)
        return torch.empty_like(out).scatter_(0, order, out)


@cache
def kernel() -> Kernel | None:
    """The kernels for this machine, or None where they cannot be had."""
    if os.environ.get("MULTITURN_KERNEL") == "0" or sys.platform == "win32":
        return None
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        return None
    made_of = "\0".join((*(source.read_text(encoding="utf-8") for source in _SOURCES), compiler, *_FLAGS, _processor()))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multiturn"
    path = folder / f"region_scoring-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    try:
        if not path.is_file():
            with atomic_file(path) as temporary:
                command = [compiler, *_FLAGS, *map(str, _SOURCES), "-o", str(temporary)]
                subprocess.run(command, check=True, capture_output=True)
        return Kernel(ctypes.CDLL(str(path)))
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """What code made for this machine depends on; a home folder may be shared by several."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return f"{sys.platform} {platform.machine()} {flags}"


def at(tensor: Tensor) -> ctypes.c_void_p:
    """Where a tensor's numbers lie."""
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())


def in_threads(some: Callable[[int, int], None], items: int, products: int) -> None:
    """Call `some` on ranges that make up all items, on as many threads as PyTorch uses if that pays."""
    threads = min(torch.get_num_threads(), items, 1 + products // _WORTH_A_THREAD)
    if threads <= 1:
        some(0, items)
        return
    parts = min(items, 4 * threads)  # more than threads: other programs may slow one of them down
    borders = [items * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, borders, borders[1:]))
