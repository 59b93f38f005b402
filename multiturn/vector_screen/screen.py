"""Close calls among scores of vectors, found by products of 16-bit whole numbers that are added up exactly.

A gallery's vectors are rounded once. The kernel then compares each score with what decides (does it beat the watched
candidate, may it be among the best) while it is in a register, and returns the few that lie too close to call.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.weak import WeakTensorKeyDictionary

from multiturn.close_calls import Close, Limits, close_calls
from multiturn.compiled import at, compiled, in_threads
from multiturn.vector_screen.whole import GROUP, PART, WholeVectors, rounded

_WORTH_IT = 1 << 22  # numbers in a gallery
_FEWEST = 12  # queries
_ROUNDING = 2.0**-24  # of float32
_MOST = 256  # close calls of a session in a block, on average: float32 blocks leave fewer, and are faster then


class VectorScreen:
    """Scores of query vectors with a gallery's, by their whole numbers.

    With x = x' + dx and g = g' + dg, where x' and g' are what the whole numbers stand for, x.g is x'.g' + dx.g + x'.dg;
    so the products are wrong by |dx| |g| + (|x| + |dx|) |dg| at most. x'.g' is a sum of parts that are exact, each
    rounded to float32 and added; two scales follow, and for 'l2' what stands beside.

    Args:
        queries: as `multiturn.scoring.VectorScores` multiplies them: at length 1 for 'cosine'.
        gallery: the vectors.
        norms: of the gallery's vectors.
        similarity: 'l2', 'dot' or 'cosine'; the scores of 'l2' are 2 x.g - |g|^2.
    Attributes:
        slack: a bound on the scores' error.
    """

    def __init__(
        self,
        queries: Float32[Tensor, "session dim"],
        gallery: WholeVectors,
        norms: Float64[Tensor, " candidate"],
        similarity: str,
    ) -> None:
        self._gallery = gallery
        whole, factor, lost = rounded(queries)
        count, missing = len(queries), -len(queries) % gallery.sessions
        filled = pad(whole, (0, -queries.shape[1] % 2, 0, missing))
        self._units = filled.view(-1, gallery.sessions, gallery.steps, 2).transpose(1, 2).contiguous()
        lengths, longest = queries.double().norm(dim=1), float(norms.max())
        times = 2.0 if similarity == "l2" else 1.0
        self._by_session = (times / factor).float()
        self._by_candidate = gallery.inverse
        self._beside = torch.zeros_like(gallery.inverse)
        if similarity == "l2":
            self._beside[: len(norms)] = -norms.square()
        if similarity == "cosine":
            self._by_candidate = gallery.inverse.clone()
            self._by_candidate[: len(norms)] = gallery.inverse[: len(norms)].double() / norms
            longest, off = 1.0, gallery.lost_share
        else:
            off = gallery.lost
        products = (lengths + lost) * (longest + off)
        steps = -(-queries.shape[1] // PART) + 12
        self.slack = times * (lost * longest + (lengths + lost) * off) * 1.0001 + 1e-37
        self.slack += steps * _ROUNDING * times * products + 4 * _ROUNDING * float(self._beside.abs().max())
        self.shape = count, gallery.candidates

    def close(self, first: int, last: int, limits: Limits) -> tuple[Int[Tensor, " session"], Close] | None:
        """How many of the candidates [first, last) surely beat a session's watched one, and the close calls.

        Args:
            first: a multiple of 32.
        Returns:
            None where there are so many close calls that a block in float32 is faster.
        """
        library = screen_library()
        assert library is not None
        assert first % GROUP == 0
        sessions, gallery = self.shape[0], self._gallery
        levels = [one.contiguous() for one in (limits.low, limits.high, limits.floor)]
        groups, start = -(-last // GROUP) - first // GROUP, first // GROUP

        def some(one: int, other: int, tables: Sequence[ctypes.c_void_p], room: int) -> int:
            return library.screen_vectors(
                *(at(part) for part in (self._units, self._by_session, gallery.vectors)),
                *(at(part) for part in (self._by_candidate, self._beside)),
                *(ctypes.c_int64(number) for number in (sessions, min(last, gallery.candidates), gallery.steps)),
                *(at(level) for level in levels),
                *(ctypes.c_int64(number) for number in (start + one, start + other, room)),
                *tables,
            )

        products = sessions * groups * GROUP * gallery.steps * 2
        return close_calls(some, sessions, gallery.candidates, groups, products, _MOST)


_layouts: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def screen(
    queries: Float32[Tensor, "session dim"],
    vectors: Float[Tensor, "candidate dim"],
    norms: Float64[Tensor, " candidate"],
    similarity: str,
) -> VectorScreen | None:
    """A screen, where it pays: many queries, and a large gallery on a CPU that is asked for the second time."""
    if vectors.device.type != "cpu" or len(queries) < _FEWEST or vectors.numel() < _WORTH_IT:
        return None
    # Inference tensors do not tell whether they were written to.
    library = None if vectors.is_inference() else screen_library()
    if library is None:
        return None
    version, layout = _layouts.get(vectors) or (None, None)
    if version != vectors._version:
        _layouts[vectors] = vectors._version, None
        return None
    if layout is None:
        layout = WholeVectors(vectors.detach(), norms, library.lanes())
        _layouts[vectors] = version, layout
    return VectorScreen(queries, layout, norms, similarity)


@cache
def pair_library(*flags: str) -> ctypes.CDLL | None:
    """The compiled functions; products and sums of pairs stay apart, so that their bits are those of PyTorch.

    Args:
        flags: for the compiler, beside others.
    """
    return compiled("vector_screen", [Path(__file__).with_name("screen.cpp")], ["-ffp-contract=off", *flags])


@cache
def screen_library(*flags: str) -> ctypes.CDLL | None:
    """The same, if the processor multiplies 16-bit whole numbers in pairs (AVX-512 or AVX2)."""
    library = pair_library(*flags)
    if library is None:
        return None
    library.lanes.restype = ctypes.c_int64
    if library.lanes() == 0:
        return None
    library.screen_vectors.restype = ctypes.c_int64
    return library


def pair_scores(
    queries: Float32[Tensor, "session dim"],
    vectors: Float[Tensor, "candidate dim"],
    session: Int[Tensor, " pair"],
    candidate: Int[Tensor, " pair"],
    distance: bool,
) -> Float64[Tensor, " pair"] | None:
    """-|q - g|^2 or q.g of pairs, in float64 and `sum_in_fixed_order`; None where that is PyTorch's to do."""
    if vectors.device.type != "cpu" or vectors.dtype != torch.float32 or not vectors.is_contiguous():
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
