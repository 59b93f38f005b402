"""Scoring by as few bits as state vectors allow."""

from collections.abc import Callable

from jaxtyping import Float32
from torch import Tensor

from multiturn.region_scoring.axes import Axes
from multiturn.region_scoring.quantised_regions import QuantisedRegions
from multiturn.region_scoring.screened import Screened

_MOST = 0.1  # reach of a similarity, in standard deviations of them
_LOOKED_AT = 16  # sessions, evenly spaced


class AdaptiveBits:
    """Regions quantised along their principal axes; as they are, once state vectors turn out to lie along others.

    The regions say where they lie, and a trained model's state vectors lie there, too. Those of another model may not:
    then too many similarities would be too close to call. Scores and ranks are the same in any case.

    Args:
        along: lays the regions out along some axes.
        axes: to begin with: those of the regions.
    Attributes:
        numbers: the regions.
    """

    fine = False

    def __init__(self, along: Callable[[Axes], QuantisedRegions], axes: Axes) -> None:
        self._along, self.numbers = along, along(axes)

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
