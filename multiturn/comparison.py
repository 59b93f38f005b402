"""Two or more results on the same targets, compared in pairs; refuses what is not the same experiment."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from multiturn.evaluation import early_warning, per_turn, tie_warnings, values_at
from multiturn.metrics import described
from multiturn.metrics.paired import holm, paired
from multiturn.report.picks import sessions_apart
from multiturn.results import Results, aligned
from multiturn.settings import EvaluationSettings


def differences(one: Results, other: Results) -> dict[str, tuple[Any, Any]]:
    """What two results do not have in common, beside their system: encoder, first turn, and facts of the protocol.

    What only one of them states is among these, with None for the other; but not what holds after a session ended
    early, if in one of them none did.

    Raises:
        ValueError: other targets or candidates, which nothing makes comparable.
    """
    aligned(one, other)
    sides = [
        {"fingerprint": each.candidates.fingerprint, "first turn": each.start, **each.protocol} for each in (one, other)
    ]
    names = [name for name in {**sides[0], **sides[1]} if name != "ended" or all(name in side for side in sides)]
    pairs = {name: (sides[0].get(name), sides[1].get(name)) for name in names}
    return {name: (a, b) for name, (a, b) in pairs.items() if a != b}


def check_comparable(runs: Sequence[Results], allowed: Collection[str] = ()) -> list[str]:
    """Hold that results are of one experiment.

    Args:
        runs: two or more.
        allowed: names of differences that are accepted, such as `fingerprint` where two encoders are compared.
    Returns:
        a sentence for each difference that was accepted, and for each fact that only some of them state.
    Raises:
        ValueError: a difference that is not allowed (it is named), or names that repeat.
    """
    if len(runs) < 2:
        raise ValueError(f"a comparison needs two results or more, not {len(runs)}")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise ValueError(f"two results are called {max(names, key=names.count)!r}; give each a name of its own")
    notes = []
    for other in runs[1:]:
        refused = {}
        for name, (a, b) in differences(runs[0], other).items():
            if a is None or b is None:
                silent, value = (runs[0], b) if a is None else (other, a)
                notes.append(f"{silent.name} does not state its {_spelled(name)}; elsewhere it is {value}")
            elif name in allowed:
                notes.append(f"{_spelled(name)} differs: {a} in {runs[0].name}, {b} in {other.name}")
            else:
                refused[name] = f"{name} is {a!r} in the one and {b!r} in the other"
        if refused:
            raise ValueError(
                f"{runs[0].name} and {other.name} cannot be compared: {'; '.join(refused.values())}; evaluate both "
                f"alike, or accept that with --allow '{','.join(dict.fromkeys([*allowed, *refused]))}'"
            )
    return list(dict.fromkeys(notes))


def _spelled(name: str) -> str:
    return {"fingerprint": "encoder"}.get(name, name.replace("_", " "))


def compare(
    runs: Sequence[Results],
    metrics: Sequence[str],
    settings: EvaluationSettings,
    turn: int | None = None,
    all_pairs: bool = False,
    allowed: Collection[str] = (),
    by_target: bool = False,
) -> dict[str, Any]:
    """Compare results in pairs over the same targets.

    Args:
        runs: the first is what the others are compared with.
        metrics: by their names in tables; those of whole sessions have no turn.
        turn: at which; the last that all of them have if not given.
        all_pairs: compare each with each.
        allowed: see `check_comparable`.
        by_target: average the sessions of one target first, so that several people's are not taken for independent.
    Returns:
        JSON-ready: `tests`, a dict for each metric and pair with the fields of `multiturn.metrics.paired.Paired`, both
        p-values after Holm's correction over all of these tests, and a `reading`: better, worse or no difference shown,
        by the corrected permutation test; `per_turn`, rows of each run; `apart`, of each pair the sessions in which it
        differs most, as `multiturn.report.picks.sessions_apart` gives them; `protocol`, what all runs have in common;
        `notes`, what a reader must know, such as what differs; and `warnings`, where rules for ties matter and which
        sessions ended early.
    Raises:
        ValueError: see `check_comparable`; an unknown metric; a turn that a run lacks; numbers of turns that differ
            while metrics of whole sessions are compared.
    """
    notes = check_comparable(runs, allowed)
    at = min(run.last for run in runs) if turn is None else turn
    whole = [name for name in metrics if not described(name).per_turn]
    if whole and len({(run.start, run.last) for run in runs}) > 1:
        raise ValueError(f"{', '.join(whole)} would compare sessions of different lengths; compare metrics of a turn")
    pairs = list(combinations(runs, 2)) if all_pairs else [(runs[0], other) for other in runs[1:]]
    tests = [_test(one, other, metric, at, settings, by_target) for metric in metrics for one, other in pairs]
    if by_target and len(set(runs[0].targets)) < len(runs[0].targets):
        notes.append(f"Sessions of one target were averaged first: {len(set(runs[0].targets))} values in each test")
    for kind in ("p_permutation", "p_t"):
        for test, adjusted in zip(tests, holm([test[kind] for test in tests]), strict=True):
            test[f"{kind}_holm"] = adjusted
    for test in tests:
        gain = test["difference"] if described(test["metric"]).rising else -test["difference"]
        sure = test["p_permutation_holm"] < 1 - settings.confidence
        test["reading"] = ("better" if gain > 0 else "worse") if sure else "no difference shown"
    first = runs[0]
    unlike = {name for other in runs[1:] for name in differences(first, other)}
    shared = {name: value for name, value in first.protocol.items() if name not in unlike}
    drawn = [name for name in metrics if described(name).per_turn] or [f"R@{settings.page}"]
    rows = {run.name: per_turn(run, settings, drawn) for run in runs}
    return {
        "runs": [run.name for run in runs],
        "gallery": {"size": first.candidates.size, "source": first.candidates.source},
        "sessions": len(first.sessions),
        "protocol": {**shared, "hits_from": settings.hits_from, "confidence": settings.confidence},
        "tests": tests,
        "per_turn": rows,
        "drawn": drawn,
        "apart": [sessions_apart(other, one, at) for one, other in pairs],
        "notes": notes,
        "warnings": [
            line
            for run in runs
            for line in (
                *early_warning(run),
                *tie_warnings(run.name, [row for row in rows[run.name] if row["turn"] > 0]),
            )
        ],
    }


def _test(
    one: Results, other: Results, metric: str, turn: int, settings: EvaluationSettings, by_target: bool
) -> dict[str, Any]:
    """How `other` differs from `one`."""
    rows = aligned(other, one)
    ours = values_at(other, metric, turn, settings)
    theirs = values_at(one, metric, turn, settings)[rows]
    if by_target:
        ours, theirs = (_per_target(values, other.targets) for values in (ours, theirs))
    found = paired(ours, theirs, settings.resamples, settings.confidence)
    return {
        "metric": metric,
        "turn": turn if described(metric).per_turn else None,
        "of": other.name,
        "over": one.name,
        "of_value": float(ours.mean()),
        "over_value": float(theirs.mean()),
        **asdict(found),
    }


def _per_target(values: np.ndarray, targets: Sequence[str]) -> np.ndarray:
    """Mean value of the sessions of each target, in the order of the targets' first sessions."""
    places = {target: place for place, target in enumerate(dict.fromkeys(targets))}
    group = np.array([places[target] for target in targets])
    return np.bincount(group, values) / np.bincount(group)
