"""Both sides of quantised scores, the gallery's and the queries', and a bound on the error of each score.

Let m be the gallery's mean, or zero, and h = g - m. A score is a x.h b + u w + c, where a and u are a session's, b and
w a candidate's. For 'dot' it is x.h + x.m; for 'cosine' x.h / |g| + x.m / |g|; for 'l2', which has y = x - m for x,
2 x.g - |g|^2 = 2 y.h - |h|^2 + (2 x.m - |m|^2).

With x = x' + dx and h = h' + dh, where x' and h' are the dequantised vectors, x.h is x'.h' + dx.h + x'.dh; so
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
from multiturn.quantisation import PART
from multiturn.structs import Struct, fields
from multiturn.vector_screen.quantised import QuantisedVectors

Similarity = Literal["l2", "dot", "cosine"]

_ROUNDING, _EXACT = 2.0**-24, 2.0**-52  # of float32, and twice that of float64
_LEAST = 1e-37  # float32 loses what is less


class _Gallery(Struct):
    _fields_ = fields("numbers scale bias reach rows row_scale row_bias", "candidates dim steps int8", ctypes.c_int64)


class _Queries(Struct):
    _fields_ = fields("numbers start scale bias reach rows", "count", ctypes.c_int64)


def read_in_place(vectors: Float[Tensor, "candidate dim"]) -> bool:
    """Whether compiled functions read the vectors as they lie in memory, to compute single scores."""
    return vectors.device.type == "cpu" and vectors.dtype == torch.float32 and vectors.is_contiguous()


class GallerySide:
    """A gallery's side of the scores of one similarity; made once.

    Args:
        vectors: the gallery's.
        norms: their lengths.
        quantised: the same, quantised.
        similarity: 'l2', 'dot' or 'cosine'; the scores of 'l2' are 2 x.g - |g|^2.
    Attributes:
        struct: for the kernel.
        times: what products are multiplied with.
        typical, residual: means of |h| and |dh|.
        largest_bias: the largest |w|.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        quantised: QuantisedVectors,
        similarity: Similarity,
    ) -> None:
        self.quantised, self.similarity, self.times = quantised, similarity, 2.0 if similarity == "l2" else 1.0
        self.typical, self.residual = (
            max(float(of.mean()), 1e-20 * float(of.max()), 1e-300) for of in (quantised.lengths, quantised.residual)
        )
        # At least a half, so that what all candidates have in common counts fully when it is doubled.
        reach = torch.maximum(quantised.lengths / self.typical, quantised.residual / self.residual).clamp(min=0.5)
        missing, inverse = len(quantised.inverse) - len(norms), quantised.inverse.double()
        each, bias, row_bias = torch.ones_like(inverse), torch.zeros_like(inverse), torch.zeros_like(inverse)
        match similarity:
            case "l2":
                bias, row_bias = -quantised.lengths.square(), pad(-norms.square(), (0, missing))
            case "cosine":
                bias = each = pad(norms.reciprocal(), (0, missing), value=1.0)
        self.largest_bias = float(bias.abs().max())
        self.struct = _Gallery(
            numbers=quantised.numbers,
            scale=(inverse * each).float(),
            bias=bias.float(),
            reach=up(1.0001 * reach * each),
            rows=vectors if read_in_place(vectors) else 0,
            row_scale=(self.times * each).float(),
            row_bias=row_bias.float(),
            candidates=quantised.candidates,
            dim=vectors.shape[1],
            steps=quantised.steps,
            int8=quantised.int8,
        )


class QuerySide:
    """The queries' side of the same scores.

    Args:
        queries: as `multiturn.scoring.VectorScores` multiplies them: at length 1 for 'cosine'.
        gallery: the other side.
    Attributes:
        struct: for the kernel.
        constant: c, which the kernel does not add.
        additive_error: a bound on errors that are the same for all candidates.
    """

    def __init__(self, queries: Float32[Tensor, "session dim"], gallery: GallerySide) -> None:
        quantised, exact, dim = gallery.quantised, queries.double(), queries.shape[1]
        at_mean, square = exact @ quantised.mean, float(quantised.mean.square().sum())
        of_mean = 4 * dim * _EXACT * exact.norm(dim=1) * square**0.5  # what float64 rounds of products with it
        own = self.constant = self.additive_error = torch.zeros_like(at_mean)
        match gallery.similarity:
            case "l2":
                exact = exact - quantised.mean
                own, self.constant = torch.ones_like(own), 2 * at_mean - square
                self.additive_error = 2 * of_mean + 4 * dim * _EXACT * square + 8 * _ROUNDING * gallery.largest_bias
            case "dot":
                self.constant, self.additive_error = at_mean, of_mean
            case "cosine":
                own = at_mean
        numbers, start, factor, residual = quantised.states(exact)
        lengths = exact.norm(dim=1) + residual
        reach = residual * gallery.typical + lengths * gallery.residual
        reach += (-(-dim // PART) + 16) * _ROUNDING * lengths * (gallery.typical + gallery.residual)
        if gallery.similarity == "cosine":
            reach += 2 * (8 * _ROUNDING * at_mean.abs() + of_mean)
        self.additive_error = self.additive_error + _LEAST
        self.struct = _Queries(
            numbers=numbers,
            start=start,
            scale=(gallery.times / factor).float(),
            bias=own.float(),
            reach=up(1.0001 * gallery.times * reach),
            rows=queries.contiguous(),
            count=len(queries),
        )
