"""Mixed-effects models of what people did: participant and target as random effects; reads no database."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

FEWEST = 2  # participants, and targets: of one nobody knows how they vary


@dataclass(frozen=True)
class Effects:
    """Fixed effects of a model.

    Attributes:
        difference: one system minus the other.
        low: end of its 95 % interval.
        high: likewise.
        p: two-sided, of no difference.
        order: change from one trial to the participant's next.
        p_order: two-sided, of no change.
        spread: standard deviation of what is left: of trials of one participant, target, system and position.
        participants_spread: standard deviation of what participants have in common in all their trials.
        note: what a reader must know of the fit; "" if it went well.
    """

    difference: float
    low: float
    high: float
    p: float
    order: float
    p_order: float
    spread: float
    participants_spread: float
    note: str


def fit_effects(
    values: Float64[np.ndarray, " trial"],
    of_one: Sequence[bool],
    positions: Sequence[int],
    participants: Sequence[str],
    targets: Sequence[str],
) -> Effects | None:
    """Fit value = system + position + participant + target, the last two as crossed random effects.

    Args:
        values: of the trials with two systems; a share is modelled on its own scale.
        of_one: whether each trial was with the one system; the other otherwise.
        positions: of each trial among its participant's.
        participants: of each trial.
        targets: of each trial.
    Returns:
        None where there are too few participants, targets or trials, all values are equal, or nothing can be fitted.
    Source:
        Baayen, Davidson and Bates, "Mixed-effects modeling with crossed random effects for subjects and items", 2008,
        with random intercepts; statsmodels' MixedLM, restricted maximum likelihood.
    """
    if min(len(set(participants)), len(set(targets))) < FEWEST or len(set(of_one)) < 2 or np.ptp(values) == 0:
        return None
    if len(values) < len(set(participants)) + len(set(targets)):
        return None
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    table = pd.DataFrame(
        {"value": values, "system": np.asarray(of_one, float), "position": np.asarray(positions, float)}
        | {"participant": list(participants), "target": list(targets)}
    )
    random = {"participant": "0 + C(participant)", "target": "0 + C(target)"}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = MixedLM.from_formula(
                "value ~ system + position", table, groups=np.ones(len(values)), vc_formula=random, re_formula="0"
            )
            fitted = model.fit(reml=True)
            low, high = fitted.conf_int().loc["system"]
            found = Effects(
                float(fitted.params["system"]),
                float(low),
                float(high),
                float(fitted.pvalues["system"]),
                float(fitted.params["position"]),
                float(fitted.pvalues["position"]),
                float(fitted.scale) ** 0.5,
                float(fitted.vcomp[model.exog_vc.names.index("participant")]) ** 0.5,
                "",
            )
        except (np.linalg.LinAlgError, ValueError):
            return None
    if not np.isfinite([found.difference, found.low, found.high, found.p, found.p_order]).all():
        return None
    troubled = any("onverge" in str(one.message) or "oundary" in str(one.message) for one in said)
    note = "a variance is at its bound, or the fit did not settle" if troubled else ""
    return Effects(**{**vars(found), "note": note})
