"""Both sides of scores by whole numbers, that of a gallery and that of queries, and how far such scores may be wrong.

Let m be the gallery's mean, or zero, and h = g - m. A score is a x.h b + u w + c, where a and u are a session's, b and
w a candidate's. For 'dot' it is x.h + x.m; for 'cosine' x.h / |g| + x.m / |g|; for 'l2', which has y = x - m for x,
2 x.g - |g|^2 = 2 y.h - |h|^2 + (2 x.m - |m|^2).

With x = x' + dx and h = h' + dh, where x' and h' are what the whole numbers stand for, x.h is x'.h' + dx.h + x'.dh; so
products are wrong by |dx| |h| + |x'| |dh| at most. x'.h' is a sum of parts that are exact, each rounded to float32 and
added; two scales follow, and u w. So many shares of |x'| |h'| and of |u w| may be lost by rounding. All that is bounded
by a product of a session's reach and a candidate's: this is the larger of |h| and |dh|, each as a multiple of its mean
over all candidates, and that has the means in place of the two.
"""

import ctypes
from typing import Literal

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor
from torch.nn.functional import pad

from multiturn.directed_rounding import up
from multiturn.structs import Struct, fields
from multiturn.vector_screen.whole import PART, WholeVectors

Similarity = Literal["l2", "dot", "cosine"]

_ROUNDING, _EXACT = 2.0**-24, 2.0**-52  # of float32, and twice that of float64
_LEAST = 1e-37  # float32 loses what is less


class _Gallery(Struct):
    _fields_ = fields(
        "numbers scale beside reach rows row_scale row_beside", "candidates dim steps narrow", ctypes.c_int64
    )


class _Queries(Struct):
    _fields_ = fields("numbers start scale beside reach rows", "count", ctypes.c_int64)


def read_in_place(vectors: Float[Tensor, "candidate dim"]) -> bool:
    """Whether compiled functions read the vectors as they lie in memory, to compute single scores."""
    return vectors.device.type == "cpu" and vectors.dtype == torch.float32 and vectors.is_contiguous()


class GallerySide:
    """A gallery's side of the scores of one similarity; made once.

    Args:
        vectors: the gallery's.
        norms: their lengths.
        whole: the same in whole numbers.
        similarity: 'l2', 'dot' or 'cosine'; the scores of 'l2' are 2 x.g - |g|^2.
    Attributes:
        struct: for the kernel.
        times: what products are multiplied with.
        typical, lost: means of |h| and |dh|.
        beside: the largest |w|.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        whole: WholeVectors,
        similarity: Similarity,
    ) -> None:
        self.whole, self.similarity, self.times = whole, similarity, 2.0 if similarity == "l2" else 1.0
        self.typical, self.lost = (
            max(float(of.mean()), 1e-20 * float(of.max()), 1e-300) for of in (whole.lengths, whole.lost)
        )
        # At least a half, so that what all candidates have in common counts fully when it is doubled.
        reach = torch.maximum(whole.lengths / self.typical, whole.lost / self.lost).clamp(min=0.5)
        missing, inverse = len(whole.inverse) - len(norms), whole.inverse.double()
        each, beside, row_beside = torch.ones_like(inverse), torch.zeros_like(inverse), torch.zeros_like(inverse)
        match similarity:
            case "l2":
                beside, row_beside = -whole.lengths.square(), pad(-norms.square(), (0, missing))
            case "cosine":
                beside = each = pad(norms.reciprocal(), (0, missing), value=1.0)
        self.beside = float(beside.abs().max())
        self.struct = _Gallery(
            **{"numbers": whole.numbers, "scale": (inverse * each).float(), "beside": beside.float()},
            **{"reach": up(1.0001 * reach * each), "rows": vectors if read_in_place(vectors) else 0},
            **{"row_scale": (self.times * each).float(), "row_beside": row_beside.float()},
            **{"candidates": whole.candidates, "dim": vectors.shape[1], "steps": whole.steps, "narrow": whole.narrow},
        )


class QuerySide:
    """The queries' side of the same scores.

    Args:
        queries: as `multiturn.scoring.VectorScores` multiplies them: at length 1 for 'cosine'.
        gallery: the other side.
    Attributes:
        struct: for the kernel.
        apart: c, which the kernel does not add.
        beside: a bound on errors that are the same for all candidates.
    """

    def __init__(self, queries: Float32[Tensor, "session dim"], gallery: GallerySide) -> None:
        whole, exact, dim = gallery.whole, queries.double(), queries.shape[1]
        at_mean, square = exact @ whole.mean, float(whole.mean.square().sum())
        of_mean = 4 * dim * _EXACT * exact.norm(dim=1) * square**0.5  # what float64 rounds of products with it
        own, self.apart, self.beside = torch.zeros_like(at_mean), torch.zeros_like(at_mean), torch.zeros_like(at_mean)
        match gallery.similarity:
            case "l2":
                exact = exact - whole.mean
                own, self.apart = torch.ones_like(own), 2 * at_mean - square
                self.beside = 2 * of_mean + 4 * dim * _EXACT * square + 8 * _ROUNDING * gallery.beside
            case "dot":
                self.apart, self.beside = at_mean, of_mean
            case "cosine":
                own = at_mean
        numbers, start, factor, missed = whole.states(exact)
        lengths = exact.norm(dim=1) + missed
        reach = missed * gallery.typical + lengths * gallery.lost
        reach += (-(-dim // PART) + 16) * _ROUNDING * lengths * (gallery.typical + gallery.lost)
        if gallery.similarity == "cosine":
            reach += 2 * (8 * _ROUNDING * at_mean.abs() + of_mean)
        self.beside += _LEAST
        self.struct = _Queries(
            **{"numbers": numbers, "start": start, "scale": (gallery.times / factor).float()},
            **{"beside": own.float(), "reach": up(1.0001 * gallery.times * reach), "rows": queries.contiguous()},
            **{"count": len(queries)},
        )
