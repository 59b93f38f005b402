"""How many participants a difference between two systems needs, by simulating the study and its test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from multiturn.settings import at_least

STUDIES = 2000  # simulated at each size: the power is then right to within .02 or so
SIZES = (6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256)


@dataclass(frozen=True)
class PlannedStudy:
    """A study to plan: each participant looks for half of the targets with either system.

    Args:
        measure: 'found', a share of trials, or 'seconds' or any other number.
        difference: of the two systems that is to be seen: in the share, or in the unit of the number.
        base: of the one system: its share found, or its mean; the other has base + difference.
        spread: for numbers, the standard deviation of a trial within a participant and target.
        participants_spread: standard deviation between participants of a share found, in log-odds. How fast people are
            leaves no trace in pairs, so numbers have none.
        difference_spread: standard deviation between participants of the difference itself, in the unit of the number
            or in log-odds: some people may take to one system more than others do.
        targets: each of which every participant looks for once.
        alpha: of the two-sided test.
    Raises:
        ValueError: shares outside 0..1, no difference, or fewer than two targets.
    """

    measure: Literal["found", "seconds"] = "found"
    difference: float = 0.15
    base: float = 0.6
    spread: float = 30.0
    participants_spread: float = 0.5
    difference_spread: float = 0.0
    targets: int = 12
    alpha: float = 0.05

    def __post_init__(self) -> None:
        at_least("targets", self.targets, 2)
        at_least("participants_spread", self.participants_spread, 0)
        at_least("difference_spread", self.difference_spread, 0)
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha lies between 0 and 1, not at {self.alpha}")
        if self.difference == 0:
            raise ValueError("no number of participants shows a difference of 0; say which difference would matter")
        if self.measure == "found" and not (0 < self.base < 1 and 0 < self.base + self.difference < 1):
            raise ValueError(
                f"a share of {self.base} and one of {self.base + self.difference:g} do not both lie between 0 and 1; "
                "lower --difference or --base"
            )
        if self.measure == "seconds" and not self.spread > 0:
            raise ValueError(f"spread must be above 0, not {self.spread}")


def power(planned: PlannedStudy, participants: int, studies: int = STUDIES, seed: int = 0) -> float:
    """Share of simulated studies of a size whose paired t test over participants sees the difference.

    The test compares each participant's mean with one system with their mean with the other.

    Example:
        >>> sure = PlannedStudy("seconds", difference=60.0, base=100.0, spread=30.0)
        >>> power(sure, 12, studies=200)
        1.0
    """
    from scipy.stats import t

    rng = np.random.default_rng([seed, participants])
    half = planned.targets // 2
    everyone = (studies, participants)
    own = rng.normal(0, planned.difference_spread, everyone)  # beside the difference of all
    if planned.measure == "found":
        between = rng.normal(0, planned.participants_spread, everyone)
        one, other = _log_odds(planned.base), _log_odds(planned.base + planned.difference)
        means = [rng.binomial(half, 1 / (1 + np.exp(-odds))) / half for odds in (one + between, other + between + own)]
    else:
        noise = planned.spread / np.sqrt(half)
        means = [
            shift + rng.normal(0, noise, everyone) for shift in (planned.base, planned.base + planned.difference + own)
        ]
    gaps = means[1] - means[0]
    errors = gaps.std(axis=1, ddof=1) / np.sqrt(participants)
    # Where all participants differ alike there is no error, and the smallest difference counts.
    beyond = np.abs(gaps.mean(axis=1)) > errors * t.ppf(1 - planned.alpha / 2, participants - 1)
    return float(beyond.mean())


def participants_needed(
    planned: PlannedStudy, wanted: float = 0.8, sizes: Sequence[int] = SIZES, studies: int = STUDIES, seed: int = 0
) -> tuple[int | None, list[tuple[int, float]]]:
    """The smallest size with the wanted power, and the power of each size up to it.

    Returns:
        None for the size where none of `sizes` is enough.
    """
    rows = []
    for size in sizes:
        rows.append((size, power(planned, size, studies, seed)))
        if rows[-1][1] >= wanted:
            return size, rows
    return None, rows


def _log_odds(share: float) -> float:
    return float(np.log(share / (1 - share)))
