"""Similarities of one new state vector a session with all images, in float32 blocks and with a bound on their error."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from multiturn.region_scoring.screened import Bound, Reach, Screened
from multiturn.region_scoring.vectors import RegionFormula, RegionVectors, usable
from multiturn.scoring import norms_of_rows, relative_error

_ROUNDING = 2.0**-24  # of float32
_LARGEST = 1.01  # root mean square of cosines, computed ones among them


class Column:
    """Similarities of one new state vector a session with all images, computed when first asked for.

    Args:
        vectors: of any length but zero.
        regions: the images.
        formula: its `average` is no concern of a column.
        fine: compute similarities as near as float32 products give them, for those who read whole tables.

    Attributes:
        vectors: a copy of them, in float32.
        lengths: their L2 norms.
    Raises:
        ValueError: a vector is not finite, or is zero.
    """

    def __init__(
        self,
        vectors: Float[Tensor, "session dim"],
        regions: RegionVectors,
        formula: RegionFormula,
        fine: bool = False,
    ) -> None:
        vectors = vectors.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        self.regions, self.formula, self.fine = regions, formula, fine
        lengths = norms_of_rows(vectors) if regions.kernel is None else regions.kernel.norms_of_rows(vectors)
        if not bool(usable(lengths).all()):
            session = int((~usable(lengths)).nonzero()[0, 0])
            raise ValueError(
                f"the new state vector of session {session} has length {float(lengths[session]):g} and no cosine; a "
                "model that diverged cannot be ranked: lower its learning rate or look for NaN in its input"
            )
        self.vectors, self.lengths = vectors, lengths
        self._made: _Made | None = None
        self._asked: tuple[Tensor, Tensor] | None = None

    @property
    def units(self) -> Float64[Tensor, "session dim"]:
        """The vectors at length 1."""
        return self.vectors.double() / self.lengths[:, None]

    @property
    def table(self) -> Float[Tensor, "session candidate"]:
        """The similarities, each within `slack` of the exact one."""
        return self._make().table

    @property
    def slack(self) -> Float64[Tensor, " session"]:
        """Bound on the error of a session's similarities.

        An error e of the cosines moves a similarity by at most sum_k |df/ds_k| e, which is at most
        `RegionFormula.steepness`, and in the notation there, with (u - 1)_+ <= u^2 / 4, at most
        1 + b^2 / 2 sum_k a_k (s_k - f)^2 <= 1 + b^2 / 2 m, where m = sum_k a_k s_k^2 is computed beside f. On the
        way from exact to computed cosines m changes by at most (2 + 2 b) e: |dm/ds_k| <= a_k (2 |s_k| + b |s_k^2 - m|).
        The weights' own relative errors d (of exp, of its argument, of sums in any order) move f by at most
        2 d sum_k a_k |s_k| <= 2 d sqrt(m), and m by at most 2 d m.
        """
        return self._make().slack

    @property
    def bound(self) -> Bound | None:
        """What is known of single similarities beside `slack`, if anything."""
        return self._make().bound

    @property
    def steepness(self) -> float:
        """The most that an error of all cosines, of at most 1, moves a similarity; see `slack`.

        That of any vector, as long as the similarities were not asked for: a page of proposals never does.
        """
        return self._made.steepness if self._made else self.formula.steepness(self.regions.vectors.shape[1])

    @property
    def root_mean_square(self) -> float:
        """The largest sqrt(m) of all images, exact or computed; see `slack` and, for what it is before, `steepness`."""
        return self._made.root_mean_square if self._made else _LARGEST

    def similarities(self, candidate: Int[Tensor, " session"]) -> Float64[Tensor, " session"]:
        """Similarities to one candidate a session, by the compiled kernel in float64; those asked for last are kept."""
        if self._asked is None or not torch.equal(self._asked[0], candidate):
            regions, formula, sessions = self.regions, self.formula, torch.arange(len(candidate))
            assert regions.kernel is not None
            found = regions.kernel.score_pairs(
                *(regions.vectors, regions.norms, regions.counts, [self.vectors], [self.lengths]),
                *(torch.zeros_like(sessions)[:, None], sessions, candidate, formula.sharpness, formula.per_region),
            )
            self._asked = candidate.clone(), found
        return self._asked[1]

    def _make(self) -> "_Made":
        if self._made is None:
            # Mixed precision would round the cosines to 8 or 11 bits, and the bound would not hold.
            with torch.no_grad(), torch.autocast(self.vectors.device.type, enabled=False):
                self._made = self._compute()
        return self._made

    def _compute(self) -> "_Made":
        regions, units, sharpness = self.regions, self.units.float(), self.formula.sharpness
        steepest = self.formula.steepness(regions.vectors.shape[1])
        screen = regions.screen
        if screen is not None and self.fine and not screen.fine:
            screen = None
        screened = self._by_pytorch(units) if screen is None else screen.score(units, sharpness, steepest)
        table, squares = screened.table, screened.squares
        if self.formula.per_region:
            table /= regions.counts
        cosine = screened.within + 4 * _ROUNDING  # vectors of length 1 are rounded, too
        weight = (3 * sharpness * (1 + cosine) + regions.vectors.shape[1] + 16) * _ROUNDING + screened.weights
        squares = squares.double() * (1 + 4 * weight) + (2 + 2 * sharpness) * 2 * cosine
        steep = (1 + sharpness**2 / 2 * squares).clamp(max=steepest)
        return _Made(
            table,
            steep * cosine,
            steep * 4 * _ROUNDING,
            (2 * weight + 4 * _ROUNDING) * squares.sqrt() + 2.0**-120,
            int(regions.counts.min()) if self.formula.per_region else 1,
            screened.reach,
            float(steep.max()),
            float(squares.max()) ** 0.5,
        )

    def _by_pytorch(self, units: Float[Tensor, "session dim"]) -> Screened:
        regions = self.regions
        table = torch.empty(len(units), len(regions), device=units.device)
        squares = torch.zeros(len(units), device=units.device)
        outputs, masks = table.split(regions.at_once, 1), regions.mask.split(regions.at_once)
        for block, mask, output in zip(regions.blocks, masks, outputs, strict=True):
            cosines = (units @ block.flatten(0, 1).T).view(len(units), *mask.T.shape)
            mean, square = attended(cosines, mask, self.formula.sharpness)
            output.copy_(mean)
            squares = torch.maximum(squares, square.amax(1))
        dim = regions.vectors.shape[2]
        within = relative_error(dim, units.device) + dim * 2.0**-120
        return Screened(table, squares, torch.full_like(squares, within, dtype=torch.float64))


@dataclass(frozen=True)
class _Made:
    """Similarities, and the parts of the bound on their error.

    Attributes:
        moved: by the error of the cosines, whatever its direction.
        rounded: by the rounding of the vectors to length 1.
        weighted: by the error of the weights.
        divisor: of a similarity; the least there is.
        reach: what is known beside `moved`.
        steepness, root_mean_square: see `Column`.
    """

    table: Float[Tensor, "session candidate"]
    moved: Float64[Tensor, " session"]
    rounded: Float64[Tensor, " session"]
    weighted: Float64[Tensor, " session"]
    divisor: int
    reach: Reach | None
    steepness: float
    root_mean_square: float

    @cached_property
    def slack(self) -> Float64[Tensor, " session"]:
        """See `Column.slack`."""
        moved = self.moved
        if self.reach is not None:
            moved = torch.minimum(moved, self.reach.most + self.rounded)
        return 1.01 * (moved + self.weighted) / self.divisor

    @property
    def bound(self) -> Bound | None:
        """See `Column.bound`."""
        if self.reach is None:
            return None
        most, more = self.moved + self.weighted, self.rounded + self.weighted
        return Bound(self.reach.table, most, more, 1.0001 / self.divisor)


def attended(
    cosines: Float[Tensor, "session region block"], mask: Bool[Tensor, "block region"], sharpness: float
) -> tuple[Float[Tensor, "session block"], Float[Tensor, "session block"]]:
    """Means of the cosines and of their squares, weighted by the softmax over real regions; `cosines` is used up."""
    weights = torch.mul(cosines, sharpness).exp_()
    if not bool(mask.all()):
        weights *= mask.T
    # Cosines are bounded, and so are their exponentials: no maximum need be taken off.
    total = weights.sum(1)
    weights *= cosines
    mean = weights.sum(1).div_(total)
    return mean, weights.mul_(cosines).sum(1).div_(total)
