"""Scoring by as few bits as state vectors allow."""

import ctypes
from functools import partial

from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from multiturn.region_scoring.axes import Axes
from multiturn.region_scoring.layouts import Layout
from multiturn.region_scoring.quantised_regions import QuantisedRegions
from multiturn.region_scoring.screened import Screened

_MOST = 0.1  # reach of a similarity, in standard deviations of them
_LOOKED_AT = 16  # sessions, evenly spaced


class AdaptiveBits:
    """Regions quantised along their principal axes; as they are, once state vectors turn out to lie along others.

    The regions say where they lie, and a trained model's state vectors lie there, too. Those of another model may not:
    then too many similarities would be too close to call. Scores and ranks are the same in any case.

    Attributes:
        numbers: the regions.
    """

    fine = False

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
        library: ctypes.CDLL,
        layout: Layout,
    ) -> None:
        self._along = partial(QuantisedRegions, vectors, norms, mask, library, layout)
        self.numbers = self._along(Axes.of(vectors, mask, layout))

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`."""
        found = self.numbers.score(units, sharpness, steepest)
        if self.numbers.axes.basis is None or found.reach is None:
            return found
        some = slice(None, None, -(-len(units) // _LOOKED_AT))
        if float(found.reach.table[some].mean()) <= _MOST * float(found.table[some].std(1).mean()):
            return found
        self.numbers = self._along(Axes.none(units.shape[1]))
        return self.numbers.score(units, sharpness, steepest)
