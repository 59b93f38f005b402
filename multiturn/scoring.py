"""Scores of a gallery, in blocks, with a proven bound on their error; searching them is in search.py.

Blocks are float32 and fast. Each kind of score also computes any single pair in float64, the same bits whatever
else is asked for. The search computes again only the pairs too close to call in float32.
"""

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.close_calls import Close, Limits
from multiturn.ranks import check_finite
from multiturn.vector_screen.screen import pair_scores, screen
from multiturn.vector_screen.sides import Similarity

_PAIRS_AT_ONCE = 1 << 14  # 2 x 32 MB of float64 at 256 dimensions
_STEPS = 8  # roundings around a product of vectors


@runtime_checkable
class Scores(Protocol):
    """Scores of every candidate for every session of a batch, never held in memory at once.

    Higher is better. Every score is finite: implementations raise ValueError where one would not be.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Sessions and candidates."""
        ...

    @property
    def device(self) -> torch.device:
        """Where blocks and pairs are computed."""
        ...

    @property
    def offset(self) -> Float64[Tensor, " session"]:
        """What to add to a session's blocks to get its scores."""
        ...

    @property
    def slack(self) -> Float64[Tensor, " session"]:
        """A proven bound on |block + offset - exact|."""
        ...

    def block(self, first: int, last: int) -> Float[Tensor, "session block"]:
        """Scores of the candidates [first, last), less `offset` and within `slack`."""
        ...

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """Scores of single pairs, in float64."""
        ...


@runtime_checkable
class ScreenedScores(Scores, Protocol):
    """Scores that may find close calls without writing blocks down."""

    @property
    def screened(self) -> bool:
        """Whether they do; if not, blocks are computed."""
        ...

    @property
    def screen_slack(self) -> Float64[Tensor, " session"]:
        """By how much the limits of `close` are to be widened: 0 where it reckons with the error of each score."""
        ...

    @property
    def needs_floor(self) -> bool:
        """Whether `close` wants to be told by a block what the best may be; if not, it finds out by itself."""
        ...

    def close(self, first: int, last: int, limits: Limits) -> tuple[Int[Tensor, " session"], Close] | None:
        """How many of the candidates [first, last) surely beat a session's watched one, and the close calls.

        Args:
            first: a multiple of 32.
        Returns:
            None where there are so many close calls that a block is faster.
        """
        ...


class DenseScores:
    """Scores that a retriever computed as one table; the table's values are the exact scores.

    Args:
        table: higher is better.
    Raises:
        ValueError: a score is NaN or infinite.
    """

    def __init__(self, table: Float[Tensor, "session candidate"]) -> None:
        check_finite(table)
        self.table = table.detach()
        self.shape: tuple[int, int] = (table.shape[0], table.shape[1])
        self.device = table.device
        self.offset = self.slack = torch.zeros(table.shape[0], dtype=torch.float64, device=table.device)

    def block(self, first: int, last: int) -> Float[Tensor, "session block"]:
        """See `Scores.block`."""
        return self.table[:, first:last]

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """See `Scores.exact`."""
        return self.table[session, candidate].double()


class VectorScores:
    """Scores of query vectors against a gallery's: negative squared L2 distance, dot product or cosine.

    Args:
        queries: one a session.
        vectors: the gallery's.
        norms: L2 norms of `vectors` in float64 (`Gallery.norms`).
        similarity: 'l2' scores -||q - g||^2.
    Raises:
        ValueError: a query is not finite; a query or a vector is zero where a cosine is wanted; or one is so long
            that float32 overflows.
    Source:
        The bounds are the standard ones of a dot product summed in any order, |fl(x.y) - x.y| <= g_n |x|.|y| with
        g_n = n u / (1 - n u): Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1.
    """

    def __init__(
        self,
        queries: Float[Tensor, "session dim"],
        vectors: Float[Tensor, "candidate dim"],
        norms: Float64[Tensor, " candidate"],
        similarity: Similarity = "l2",
    ) -> None:
        queries = queries.detach().float()
        lengths = norms_of_rows(queries)
        _check_lengths(lengths, norms, similarity)
        self.queries, self.vectors, self.norms = queries, vectors, norms
        self.similarity: Similarity = similarity
        self.lengths = lengths
        self.shape: tuple[int, int] = (queries.shape[0], vectors.shape[0])
        self.device = vectors.device
        self.offset = -lengths.square() if similarity == "l2" else torch.zeros_like(lengths)
        if similarity == "cosine":
            self.queries, self._unscaled = (queries.double() / lengths[:, None]).float(), queries
        self.slack = self._slack(relative_error(vectors.shape[1] + _STEPS, vectors.device))
        self._screen = screen(self.queries, vectors, norms, similarity)
        # Many sums side by side, each of few products, are wrong by less than one of them all may be.
        self.screen_slack = self._slack(summing_error(self._screen.roundings + _STEPS)) if self._screen else self.slack

    def _slack(self, gamma: float) -> Float64[Tensor, " session"]:
        """The bound on a score's error by that of a product of vectors of length 1."""
        lengths, longest, terms = self.lengths, float(self.norms.max()), self.vectors.shape[1] + _STEPS
        tiny = terms * 2.0**-124  # what hardware that flushes subnormal numbers to zero loses, for vectors of length 1
        match self.similarity:
            case "l2":
                slack = gamma * (2 * lengths * longest) + 4 * 2.0**-24 * longest**2 + tiny * (1 + lengths + longest)
                # A query far away: the offset and the exact scores are themselves rounded, to float64.
                return slack + terms * 2.0**-52 * (lengths + longest).square()
            case "dot":
                return gamma * lengths * longest + tiny * (1 + lengths + longest)
            case "cosine":
                return torch.full_like(lengths, gamma + tiny * (1 + 2 / float(self.norms.min())))

    def block(self, first: int, last: int) -> Float[Tensor, "session block"]:
        """See `Scores.block`."""
        part, norms = self.vectors[first:last].float(), self.norms[first:last]
        # Mixed precision would round the scores to 8 or 11 bits, and the bound would not hold.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            if self.similarity == "l2":
                return torch.addmm(-norms.square().float(), self.queries, part.T, alpha=2)
            products = self.queries @ part.T
            return products if self.similarity == "dot" else products.mul_(norms.reciprocal().float())

    @property
    def screened(self) -> bool:
        """See `ScreenedScores.screened`."""
        return self._screen is not None

    needs_floor = True

    def close(self, first: int, last: int, limits: Limits) -> tuple[Int[Tensor, " session"], Close] | None:
        """See `ScreenedScores.close`."""
        return None if self._screen is None else self._screen.close(first, last, limits)

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """See `Scores.exact`."""
        queries = self._unscaled if self.similarity == "cosine" else self.queries
        scores = pair_scores(queries, self.vectors, session, candidate, self.similarity == "l2")
        if scores is not None:
            return scores / (self.lengths[session] * self.norms[candidate]) if self.similarity == "cosine" else scores
        parts = []
        for s, c in zip(session.split(_PAIRS_AT_ONCE), candidate.split(_PAIRS_AT_ONCE), strict=True):
            query, vector = queries[s].double(), self.vectors[c].double()
            match self.similarity:
                case "l2":
                    parts.append(-sum_in_fixed_order((query - vector).square()))
                case "dot":
                    parts.append(sum_in_fixed_order(query * vector))
                case "cosine":
                    parts.append(sum_in_fixed_order(query * vector) / (self.lengths[s] * self.norms[c]))
        return torch.cat(parts)


def _check_lengths(
    lengths: Float64[Tensor, " session"], norms: Float64[Tensor, " candidate"], similarity: Similarity
) -> None:
    if not bool(torch.isfinite(lengths).all()):
        session = int((~torch.isfinite(lengths)).nonzero()[0, 0])
        raise ValueError(
            f"the query of session {session} is not finite; a model that diverged cannot be ranked: lower its "
            "learning rate or look for NaN in its input"
        )
    if similarity == "cosine":
        for what, own, least in (("query of session", lengths, 0.0), ("vector of candidate", norms, 1e-37)):
            if bool((own <= least).any()):
                where = int((own <= least).nonzero()[0, 0])
                raise ValueError(f"the {what} {where} is zero, or nearly so, and has no cosine")
    longest, query = float(norms.max()), float(lengths.max())
    if longest * {"l2": max(query, longest), "dot": query, "cosine": 1.0}[similarity] > 1e37:
        raise ValueError(f"query length {query} and vector length {longest} overflow float32")


def relative_error(terms: int, device: torch.device) -> float:
    """Bound on |fl(x.y) - x.y| / (|x| |y|) in a float32 matrix product, as the user has set PyTorch up."""
    summed = summing_error(terms)
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    exact_inputs = backend.matmul.fp32_precision in ("none", "ieee")  # type: ignore[attr-defined]
    # Inputs rounded to bfloat16 are the worst that 'medium' allows; they are still summed in float32.
    rounded = 0.0 if exact_inputs else 2.0**-8
    return (1 + rounded) ** 2 * (1 + summed) - 1


def summing_error(terms: int) -> float:
    """Bound on |fl(x.y) - x.y| / (|x| |y|) of float32 numbers that are products' inputs as they are, in any order."""
    return terms * 2.0**-24 / (1 - terms * 2.0**-24)


def norms_of_rows(vectors: Float[Tensor, "row *region dim"]) -> Float64[Tensor, "row *region"]:
    """L2 norms in float64; those of equal vectors are equal to the last bit, whatever lies beside them."""
    parts = []
    for part in vectors.split(max(1, _PAIRS_AT_ONCE // math.prod(vectors.shape[1:-1]))):
        squares = part.double().square().flatten(0, -2)
        parts.append(sum_in_fixed_order(squares).sqrt().view(part.shape[:-1]))
    return torch.cat(parts)


def sum_in_fixed_order(terms: Float64[Tensor, "pair dim"]) -> Float64[Tensor, " pair"]:
    """Add up the columns in halves; library sums may reorder with the shape, and equal vectors must tie."""
    while terms.shape[1] > 1:
        if terms.shape[1] % 2:
            terms = torch.nn.functional.pad(terms, (0, 1))
        half = terms.shape[1] // 2
        terms = terms[:, :half] + terms[:, half:]
    return terms[:, 0]
