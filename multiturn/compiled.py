"""C++ of this package, compiled for this machine's CPU; where that cannot be had, PyTorch does the same work.

The .cpp files are compiled when first needed, in a few seconds, by the C++ compiler that `CXX` names or that is on the
path, and kept in the user's cache folder. Ranks are the same with and without; MULTITURN_KERNEL=0 turns it off.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from multiturn.files import atomic_file

_FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fno-math-errno", "-fno-trapping-math")
_HEADERS = sorted(Path(__file__).parent.glob("*.h"))
_WORTH_A_THREAD = 1 << 24  # products of numbers
_WORTH_A_PART = 4  # times that


def compiled(name: str, sources: Sequence[Path], flags: Sequence[str] = ()) -> ctypes.CDLL | None:
    """A library of some sources, or None where it cannot be had; `flags` come after those that all have."""
    if os.environ.get("MULTITURN_KERNEL") == "0" or sys.platform == "win32":
        return None
    compiler = os.environ.get("CXX") or next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler is None:
        return None
    told = [compiler, *_FLAGS, *flags]
    beside = sorted({header for source in sources for header in source.parent.glob("*.h")})
    texts = (source.read_text(encoding="utf-8") for source in (*_HEADERS, *beside, *sources))
    made_of = "\0".join((*texts, *told, _processor()))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multiturn"
    path = folder / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"
    try:
        if not path.is_file():
            with atomic_file(path) as temporary:
                subprocess.run([*told, *map(str, sources), "-o", str(temporary)], check=True, capture_output=True)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as reason:
        said = getattr(reason, "stderr", b"") or b""
        last = said.decode(errors="replace").strip().rpartition("\n")[2] or reason
        warnings.warn(f"{compiler} cannot make {name}, so PyTorch does its work, more slowly: {last}", stacklevel=2)
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
    worth = 1 + products // _WORTH_A_THREAD
    threads = min(torch.get_num_threads(), items, worth)
    if threads <= 1:
        some(0, items)
        return
    # More than threads, as other programs may slow one of them down, but none that is over before it has begun.
    parts = min(items, 8 * threads, max(threads, worth // _WORTH_A_PART))
    borders = [items * part // parts for part in range(parts + 1)]
    ranges, taking, failed = iter(list(pairwise(borders))), Lock(), []

    def work(_: object = None) -> None:
        try:
            while True:
                with taking:
                    own = next(ranges, None)
                if own is None:
                    return
                some(*own)
        except BaseException as error:  # no exception passes through C; raised below
            failed.append(error)

    team = _pytorchs_team()
    if team is None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    else:
        team(_Work(work), None, threads, 0)
    if failed:
        raise failed[0]


_Work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _pytorchs_team() -> Callable[[object, None, int, int], None] | None:
    """GNU OpenMP's GOMP_parallel where PyTorch uses it.

    Its threads look out for work for some milliseconds after each of PyTorch's own loops, each on a core of its own.
    Threads beside them would have to share these cores.
    """
    try:
        team = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    team.argtypes, team.restype = [_Work, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return team
