"""Compiled kernels for scoring regions on this machine's CPU; where they cannot be had, PyTorch does the same work.

That for GPUs is in gpu_kernel.py.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from multiturn.compiled import at, compiled, in_threads
from multiturn.region_scoring.layouts import AmxLayout, Layout, SimdLayout
from multiturn.structs import array_of

_SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
_SLOWER, _SLOW = 4, 64  # times the work of blocks' products: those in float64, and those in a fixed order
_IN_FIXED_ORDER = sorted((Path(__file__).parent / "fixed_order").glob("*.cpp"))


class Kernel:
    """The compiled functions.

    Args:
        library: whose functions the layouts of regions call, too; see quantised_regions.py.
        in_fixed_order: with the function that adds up as PyTorch does.
    Attributes:
        amx: whether the processor multiplies matrices of bytes in registers (Intel AMX).
        lanes: 32-bit numbers of a register that integer products are added up in: 16 (AVX-512), 8 (AVX2) or none.
        vnni: whether it adds up products of int8, too (AVX-512 VNNI).
    """

    def __init__(self, library: ctypes.CDLL, in_fixed_order: ctypes.CDLL) -> None:
        self.library, self._in_fixed_order = library, in_fixed_order
        for name in ("has_amx", "lanes", "has_vnni"):
            getattr(library, name).restype = ctypes.c_int64
        if hasattr(library, "find_close"):
            library.find_close.restype = ctypes.c_int64
        self.amx, self.lanes, self.vnni = library.has_amx() == 1, library.lanes(), library.has_vnni() == 1

    @property
    def fast_integers(self) -> bool:
        """Whether the processor multiplies small integers faster than float32."""
        return self.lanes > 0

    @property
    def layout(self) -> Layout | None:
        """How integers are laid out for the fastest function that the processor has, if it has any."""
        if not self.fast_integers:
            return None
        return AmxLayout() if self.amx else SimdLayout(self.lanes, self.vnni)

    def norms_of_rows(self, vectors: Float32[Tensor, "row dim"]) -> Float64[Tensor, " row"]:
        """See `multiturn.scoring.norms_of_rows`, whose bits these are."""
        rows, dim = vectors.shape
        vectors, squares = vectors.contiguous(), torch.empty(rows, dtype=torch.float64)
        scratch = torch.empty(dim + 1, dtype=torch.float64)
        sizes = (ctypes.c_int64(rows), ctypes.c_int64(dim))
        self._in_fixed_order.squares_in_fixed_order(at(vectors), *sizes, at(scratch), at(squares))
        return squares.sqrt()

    def score_pairs(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        counts: Int[Tensor, " candidate"],
        columns: Sequence[Float32[Tensor, "session dim"]],
        lengths: Sequence[Float64[Tensor, " session"]],
        places: Int[Tensor, "session slot"],
        session: Int[Tensor, " pair"],
        candidate: Int[Tensor, " pair"],
        sharpness: float,
        per_region: bool,
        in_fixed_order: bool = False,
    ) -> Float64[Tensor, " pair"]:
        """Sums over filled slots of the similarities of pairs, in float64; see `multiturn.region_scoring.pairs`."""
        library = self._in_fixed_order if in_fixed_order else self.library
        score = library.score_pairs_in_fixed_order if in_fixed_order else library.score_pairs
        candidate, order = candidate.sort()  # images that several pairs ask for are then read once
        session, out = session[order], torch.empty(len(session), dtype=torch.float64)
        slots, (widest, dim) = places.shape[1], vectors.shape[1:]
        sides = (array_of(list(columns)), array_of(list(lengths)))
        tables = [*(at(one) for one in (vectors, norms, counts)), *sides, at(places)]

        def some(first: int, last: int) -> None:
            # Room for either function; each says in its source what it takes.
            scratch = torch.empty(12 * dim + slots + 82 * (widest + 8), dtype=torch.float64)
            score(
                *tables,
                at(session[first:last]),
                at(candidate[first:last]),
                *(ctypes.c_int64(number) for number in (last - first, slots, widest, dim)),
                ctypes.c_double(sharpness),
                ctypes.c_int64(per_region),
                at(scratch),
                at(out[first:last]),
            )

        in_threads(some, len(session), (_SLOW if in_fixed_order else _SLOWER) * len(session) * slots * widest * dim)
        return torch.empty_like(out).scatter_(0, order, out)


@cache
def kernel(*flags: str) -> Kernel | None:
    """The kernels for this machine, or None where they cannot be had; `flags` are for the compiler."""
    library = compiled("region_scoring", _SOURCES, flags)
    in_fixed_order = compiled("region_pairs", _IN_FIXED_ORDER, ["-ffp-contract=off"])
    return None if library is None or in_fixed_order is None else Kernel(library, in_fixed_order)
