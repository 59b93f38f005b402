"""Exact scores of single pairs of a session and an image, the same bits in any company and on any device."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torch.nn.functional import pad

from multiturn.region_scoring.columns import Column
from multiturn.region_scoring.vectors import RegionFormula, RegionVectors
from multiturn.scoring import sum_in_fixed_order

_CELLS_AT_ONCE = 1 << 18  # numbers of float64: 2 MB, which stays in a core's cache
_GRID = 2.0**-36


class Pairs:
    """Exact scores of pairs, as multiples of a power of two near 1e-11.

    A score is defined by sums in a fixed order, rounded to the grid. Library products are many times faster and add
    up in an order of their own; they are within a proven bound of the same score, and decide wherever it does not
    reach across the border between two multiples. The rest, some hundredth, is computed in the fixed order.

    Args:
        columns: of the state vectors.
        places: the column that holds each slot's; -1 where it is empty.
        divisor: slots that a session's mean is taken over.
    Source:
        The rounding test is that of A. Ziv, Fast evaluation of elementary mathematical functions with correctly
        rounded last bit, ACM TOMS 17(3), 1991.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        places: Int[Tensor, "session slot"],
        divisor: Int[Tensor, " session"],
        regions: RegionVectors,
        formula: RegionFormula,
    ) -> None:
        self.columns, self.places, self.divisor = columns, places, divisor
        self.regions, self.formula = regions, formula
        self._fewest = int(regions.counts.min()) if formula.per_region else 1
        self.grid = _GRID / (1 << (self._fewest.bit_length() - 1))

    @property
    def reach(self) -> float:
        """How far quick sums may be from careful ones; less once the columns have been looked at."""
        return _bound(self.regions, self.formula, self.columns) / self._fewest

    def scores(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """Scores of pairs."""
        widest, dim = self.regions.vectors.shape[1:]
        at_once = max(1, _CELLS_AT_ONCE // (widest * dim))
        if self.regions.kernel is None:
            quick = self._quick(session, candidate, at_once)
        elif torch.equal(session, torch.arange(len(self.places))):
            quick = self._one_each(candidate)
        else:
            quick = self._compiled(session, candidate)
        multiple = quick / self.grid
        unsure = (multiple - torch.floor(multiple) - 0.5).abs() * self.grid <= self.reach
        rounded = torch.round(multiple) * self.grid
        places = unsure.nonzero()[:, 0]
        # The compiled kernel holds one pair at a time.
        careful_at_once = at_once // self.places.shape[1] if self.regions.kernel is None else len(places)
        for some in places.split(max(1, careful_at_once)) if len(places) else ():
            careful = self._careful(session[some], candidate[some])
            rounded[some] = torch.round(careful / self.grid) * self.grid
        return rounded

    def _quick(
        self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"], at_once: int
    ) -> Float64[Tensor, " pair"]:
        regions, sums = self.regions, []
        for s, c in zip(session.split(at_once), candidate.split(at_once), strict=True):
            cosines = regions.vectors[c].double() @ self._units(s).transpose(1, 2)
            cosines /= regions.norms[c][..., None]
            weights = torch.exp(cosines * self.formula.sharpness) * regions.mask[c][..., None]
            means = (weights * cosines).sum(1) / weights.sum(1)
            sums.append(means.sum(1) / regions.counts[c] if self.formula.per_region else means.sum(1))
        return torch.cat(sums) / self.divisor[session]

    def _one_each(self, candidate: Int[Tensor, " session"]) -> Float64[Tensor, " session"]:
        """Of one candidate a session; columns know their part of it when they are asked again, turn after turn."""
        total = torch.zeros(len(candidate), dtype=torch.float64)
        for number, column in enumerate(self.columns):
            total += (self.places == number).sum(1) * column.similarities(candidate)
        return total / self.divisor

    def _compiled(
        self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"], in_fixed_order: bool = False
    ) -> Float64[Tensor, " pair"]:
        assert self.regions.kernel is not None
        regions, formula = self.regions, self.formula
        sums = self.regions.kernel.score_pairs(
            regions.vectors,
            regions.norms,
            regions.counts,
            [column.vectors for column in self.columns],
            [column.lengths for column in self.columns],
            self.places,
            session,
            candidate,
            formula.sharpness,
            formula.per_region,
            in_fixed_order,
        )
        return sums / self.divisor[session]

    def _units(self, session: Int[Tensor, " pair"]) -> Float64[Tensor, "pair slot dim"]:
        """State vectors of some sessions, at length 1; zero where a slot is empty."""
        places = self.places[session]
        units = torch.zeros(*places.shape, self.regions.vectors.shape[2], dtype=torch.float64, device=places.device)
        for number, column in enumerate(self.columns):
            pair, slot = (places == number).nonzero(as_tuple=True)
            own = session[pair]
            units[pair, slot] = column.vectors[own].double() / column.lengths[own, None]
        return units

    def _careful(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        if self.regions.kernel is not None:
            return self._compiled(session, candidate, in_fixed_order=True)
        regions, slots = self.regions, self.places.shape[1]
        norms, mask, counts = (one[candidate, None] for one in (regions.norms, regions.mask, regions.counts))
        products = self._units(session)[:, :, None] * regions.vectors[candidate, None].double()
        cosines = sum_in_fixed_order(products.flatten(0, 2)).view(len(session), slots, norms.shape[2]) / norms
        weights = exp64(cosines * self.formula.sharpness) * mask
        sums = [_sum_of_padded(terms.flatten(0, 1)).view(-1, slots) for terms in (weights * cosines, weights)]
        means = sums[0] / sums[1]
        if self.formula.per_region:
            means = means / counts
        return sum_in_fixed_order(means) / self.divisor[session]


def _bound(regions: RegionVectors, formula: RegionFormula, columns: Sequence[Column]) -> float:
    """Bound on |quick - careful|, by their distances from the score in real numbers.

    The steps are those of `multiturn.region_scoring.columns.Column.slack`, in float64. Sums in halves make each term go
    through few additions, and so do the compiled kernel's, of which there are four or eight side by side: besides those
    of its own sum, a term goes through three that add up the sums, seven at most where these do not fill a register,
    and four more roundings make a cosine of it.
    """
    widest, dim = regions.vectors.shape[1:]
    steepness = max(column.steepness for column in columns)
    root_mean_square = max(column.root_mean_square for column in columns)
    careful = math.ceil(math.log2(dim)) + 6
    quick = 16 + (dim / max(4, regions.kernel.lanes // 2) if regions.kernel else dim)
    weights = 2 * 2 * (3 * formula.sharpness + widest + 32) * root_mean_square
    return 1.01 * 2.0**-53 * (steepness * (careful + quick) + weights + 64 * root_mean_square)


def exp64(x: Float64[Tensor, "*any"]) -> Float64[Tensor, "*any"]:
    """exp(x) to about 1e-15, of |x| < 700, made of additions and products alone.

    Libraries' exp differs in the last bit between devices, and between the middle and the end of a tensor.

    Example:
        >>> f"{exp64(torch.tensor([1.0], dtype=torch.float64)).item():.12f}"
        '2.718281828459'
    """
    power = torch.round(x * (1 / math.log(2)))
    rest = x - power * 0.693147180369123816490  # log 2 in two parts; the first has 33 bits, so the product is exact
    rest = rest - power * 1.90821492927058770002e-10
    result = torch.full_like(x, 1 / math.factorial(14))
    for degree in range(13, -1, -1):
        result = result * rest + 1 / math.factorial(degree)
    return result * ((power.long() + 1023) << 52).view(torch.float64)


def _sum_of_padded(terms: Float64[Tensor, "row term"]) -> Float64[Tensor, " row"]:
    """Sums in halves that zeros at the end do not change by a bit."""
    width = 1 << (terms.shape[1] - 1).bit_length()
    return sum_in_fixed_order(pad(terms, (0, width - terms.shape[1])))
