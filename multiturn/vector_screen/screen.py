"""Close calls among scores of vectors, found by integer products that are added up exactly.

A gallery's vectors are quantised once. The kernel compares each score with what decides (does it beat the watched
candidate, may it be among the best) while it is in a register. The few that lie too close to call are computed again in
float32, and those still too close are returned.
"""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from multiturn.close_calls import Close, Limits, close_calls
from multiturn.compiled import at, compiled, in_threads
from multiturn.directed_rounding import down, up
from multiturn.structs import Struct, fields
from multiturn.vector_screen.quantised import GROUP, QuantisedVectors
from multiturn.vector_screen.sides import GallerySide, QuerySide, Similarity, read_in_place

_WORTH_IT = 1 << 21  # numbers in a gallery
_FEWEST = 12  # queries
# Close calls of a session in a block, on average: so many, for each of the best that are wanted so many, and one of so
# many scores. If there are more, float32 blocks leave fewer, and are faster.
_MOST, _OF_BEST, _RARE = 256, 8, 128
_COARSE = 16  # of so many scores by 8 bits one may be computed again in vain: if more are, 16 bits are faster
_AGAIN = 16  # of so many searches that do better with 16 bits one tries 8: other queries may do with them


class _Levels(Struct):
    _fields_ = fields("low high floor", "", ctypes.c_int64)


class _Found(Struct):
    _fields_ = fields("above session candidate kinds rechecked", "room", ctypes.c_int64)


class VectorScreen:
    """Scores of query vectors with a gallery's, both quantised.

    Args:
        queries: as `multiturn.scoring.VectorScores` multiplies them: at length 1 for 'cosine'.
        gallery: laid out.
        wider: gives the gallery in more bits, for the rest of a search that they make faster; None if there are none.
    """

    def __init__(
        self,
        queries: Float32[Tensor, "session dim"],
        gallery: GallerySide,
        wider: Callable[[], GallerySide] | None = None,
    ) -> None:
        self._given, self._wider = queries, wider
        self._gallery, self._queries = gallery, QuerySide(queries, gallery)
        self.shape = len(queries), gallery.quantised.candidates

    @property
    def roundings(self) -> int:
        """That a product of two numbers goes through when its pair is computed again in float32.

        They are added up in as many sums as a register has lanes, and these then in halves.
        """
        quantised = self._gallery.quantised
        return -(-self._given.shape[1] // quantised.lanes) + quantised.lanes.bit_length() - 1

    def close(self, first: int, last: int, limits: Limits) -> tuple[Int[Tensor, " session"], Close] | None:
        """How many of the candidates [first, last) surely beat a session's watched one, and the close calls.

        Args:
            first: a multiple of 32.
            limits: that reckon with the error of scores in float32.
        Returns:
            None where there are so many close calls that a block in float32 is faster.
        """
        library = screen_library()
        assert library is not None
        assert first % GROUP == 0
        sessions, candidates = self.shape
        rough, fine = self._widened(limits), _levels(limits.low, limits.high, limits.floor)
        groups, start = -(-last // GROUP) - first // GROUP, first // GROUP
        rechecked: list[Tensor] = []

        def some(one: int, other: int, tables: Sequence[ctypes.c_void_p], room: int) -> int:
            own = torch.zeros(1, dtype=torch.int64)
            rechecked.append(own)
            above, session, candidate, kinds = tables
            to = _Found(above=above, session=session, candidate=candidate, kinds=kinds, rechecked=own, room=room)
            told = (ctypes.byref(part) for part in (self._gallery.struct, self._queries.struct, rough, fine, to))
            return library.screen_vectors(*told, ctypes.c_int64(start + one), ctypes.c_int64(start + other))

        products = sessions * groups * GROUP * self._gallery.quantised.steps * 2
        most = min(groups * GROUP, max(_MOST, _OF_BEST * limits.width, (last - first) // _RARE))
        found = close_calls(some, sessions, candidates, groups, products, most)
        if found is not None and self._wider is not None:
            in_vain = int(torch.cat(rechecked).sum()) - len(found[1].session)
            if _COARSE * in_vain > sessions * (last - first):
                self._gallery, self._wider = self._wider(), None
                self._queries = QuerySide(self._given, self._gallery)
        return found

    def _widened(self, limits: Limits) -> _Levels:
        """What quantised scores are compared with; the error of each is bounded by itself."""
        constant, error = self._queries.constant, self._queries.additive_error
        low, floor = (down(one.double() - constant - error) for one in (limits.low, limits.floor))
        return _levels(low, up(limits.high.double() - constant + error), floor)


def _levels(
    low: Float32[Tensor, " session"], high: Float32[Tensor, " session"], floor: Float32[Tensor, " session"]
) -> _Levels:
    return _Levels(low=low.contiguous(), high=high.contiguous(), floor=floor.contiguous())


@dataclass
class _Layouts:
    """What is kept of a gallery: the version that was asked for, and what was made once it was asked for again.

    Attributes:
        in_16: how many of the searches to come begin with 16 bits, as one has shown that 8 are too few.
    """

    version: int
    in_16: int = 0
    quantised: dict[bool, QuantisedVectors] = field(default_factory=dict)
    sides: dict[tuple[Similarity, bool], GallerySide] = field(default_factory=dict)

    def side(
        self,
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        lanes: int,
        similarity: Similarity,
        int8: bool,
    ) -> GallerySide:
        """The gallery in int8 or int16."""
        if int8 not in self.quantised:
            self.quantised[int8] = QuantisedVectors(vectors, norms, lanes, int8)
        if (similarity, int8) not in self.sides:
            self.sides[similarity, int8] = GallerySide(vectors, norms, self.quantised[int8], similarity)
        return self.sides[similarity, int8]


_layouts: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def screen(
    queries: Float32[Tensor, "session dim"],
    vectors: Float[Tensor, "candidate dim"],
    norms: Float64[Tensor, " candidate"],
    similarity: Similarity,
) -> VectorScreen | None:
    """A screen, where it pays: many queries, and a large gallery on a CPU that is asked for the second time."""
    if vectors.device.type != "cpu" or len(queries) < _FEWEST or vectors.numel() < _WORTH_IT:
        return None
    # Inference tensors do not tell whether they were written to.
    library = None if vectors.is_inference() else screen_library()
    if library is None:
        return None
    layouts: _Layouts | None = _layouts.get(vectors)
    if layouts is None or layouts.version != vectors._version:
        _layouts[vectors] = _Layouts(vectors._version)
        return None
    # What is kept must not keep the tensor itself alive.
    side = partial(layouts.side, vectors.detach(), norms, library.lanes(), similarity)
    if library.has_vnni() == 0 or not read_in_place(vectors):
        return VectorScreen(queries, side(False))
    if layouts.in_16:
        layouts.in_16 -= 1
        return VectorScreen(queries, side(False))

    def wider() -> GallerySide:
        layouts.in_16 = _AGAIN - 1
        return side(False)

    return VectorScreen(queries, side(True), wider)


@cache
def pair_library(*flags: str) -> ctypes.CDLL | None:
    """The compiled functions; products and sums of pairs stay apart, so that their bits are those of PyTorch.

    Args:
        flags: for the compiler, beside others.
    """
    return compiled("vector_screen", [Path(__file__).with_name("screen.cpp")], ["-ffp-contract=off", *flags])


@cache
def screen_library(*flags: str) -> ctypes.CDLL | None:
    """The same, if the processor adds up products of int16 (AVX-512 or AVX2)."""
    library = pair_library(*flags)
    if library is None:
        return None
    library.lanes.restype = ctypes.c_int64
    if library.lanes() == 0:
        return None
    library.has_vnni.restype = library.screen_vectors.restype = ctypes.c_int64
    return library


def pair_scores(
    queries: Float32[Tensor, "session dim"],
    vectors: Float[Tensor, "candidate dim"],
    session: Int[Tensor, " pair"],
    candidate: Int[Tensor, " pair"],
    distance: bool,
) -> Float64[Tensor, " pair"] | None:
    """-|q - g|^2 or q.g of pairs, in float64 and `sum_in_fixed_order`; None where that is PyTorch's to do."""
    if not read_in_place(vectors):
        return None
    library = pair_library()
    if library is None:
        return None
    candidate, order = candidate.sort()  # what several sessions ask for is then read once
    session, scores = session[order], torch.empty(len(order), dtype=torch.float64)
    queries, vectors = queries.detach().contiguous(), vectors.detach()

    def some(first: int, last: int) -> None:
        library.score_vector_pairs(
            *(at(one) for one in (queries, vectors, session[first:last], candidate[first:last])),
            *(ctypes.c_int64(number) for number in (last - first, vectors.shape[1], 0 if distance else 1)),
            at(scores[first:last]),
        )

    in_threads(some, len(order), len(order) * vectors.shape[1])
    return torch.empty_like(scores).scatter_(0, order, scores)
