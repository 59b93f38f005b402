"""Whose sessions they were: the best person of each image, how people differ, and how long they took."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from multiturn.ranks import Ranks
from multiturn.results import Results
from multiturn.study.scripts import Script

NOTE = "The best of several people is an optimistic number: it grows with their number, also by chance."


def best_of_users(results: Results, people: Mapping[str, str]) -> Results:
    """Of each target, the session of the person who did best with this system.

    The best is whose target ranks best after the last turn, ties as expected; among equals, who got there first; then
    the first by name. Their whole session counts, from its first turn.

    Args:
        people: who spoke in each session.
    Source:
        papers/drill-down.txt, section 4.2: "For each model, the best result on each image is selected across users".
        Whether a session or each turn for itself is chosen is not said.
    """
    ranks = results.ranks.under("expected")
    best: dict[str, int] = {}

    def order(row: int) -> tuple[float, int, str]:
        final = float(ranks[row, -1])
        return final, int((ranks[row] == final).int().argmax()), people[results.sessions[row]]

    for row, target in enumerate(results.targets):
        if target not in best or order(row) < order(best[target]):
            best[target] = row
    return rows_of(results, sorted(best.values()), {"people": "the best of each target"})


def rows_of(results: Results, rows: Sequence[int], protocol: Mapping[str, Any]) -> Results:
    """Some rows of results.

    Args:
        protocol: what to say of them.
    """
    chosen = torch.tensor(rows, dtype=torch.long)
    ranks = Ranks(results.ranks.best[chosen], results.ranks.worst[chosen], results.ranks.candidates)
    return replace(
        results,
        ranks=ranks,
        sessions=tuple(results.sessions[row] for row in rows),
        targets=tuple(results.targets[row] for row in rows),
        played=results.played[chosen],
        measures={name: table[chosen] for name, table in results.measures.items()},
        protocol={**results.protocol, **protocol},
    )


def spread(results: Results, scripts: Sequence[Script], shown: Mapping[str, int | None]) -> dict[str, Any]:
    """How people differ with one system.

    Args:
        scripts: of the sessions.
        shown: see `multiturn.study.recording.first_shown`.
    Returns:
        JSON-ready: `people`, a dict each with `participant`, `sessions`, `found` (share whose target was on a page),
        `final_rank` (median), `turns` (mean) and `seconds` (mean of the sessions that were timed, or None); and
        `over_people`, of found and final_rank the least, median and greatest value and the standard deviation.
    """
    by_number = {str(script.number): script for script in scripts}
    mine: dict[str, list[int]] = {}
    for row, name in enumerate(results.sessions):
        mine.setdefault(by_number[name].participant, []).append(row)
    final = results.ranks.under("expected")[:, -1].numpy()
    people = []
    for participant, rows in sorted(mine.items()):
        own = [by_number[results.sessions[row]] for row in rows]
        timed = [sum(script.seconds) for script in own if script.seconds]
        people.append(
            {
                "participant": participant,
                "sessions": len(rows),
                "found": float(np.mean([shown[results.sessions[row]] is not None for row in rows])),
                "final_rank": float(np.median(final[rows])),
                "turns": float(np.mean([len(script.said) for script in own])),
                "seconds": float(np.mean(timed)) if timed else None,
            }
        )
    over = {name: _over([one[name] for one in people]) for name in ("found", "final_rank")}
    return {"people": people, "over_people": over}


def found(scripts: Sequence[Script], shown: Mapping[str, int | None]) -> dict[str, Any]:
    """How many sessions had their target on a page, after how many turns and seconds.

    Returns:
        JSON-ready: `sessions`; `found`, how many; `turns`, the median number of the first such turn, or None; `timed`,
        how many sessions were timed; `seconds_per_turn`, the median of each turn, from 1; `seconds`, the median of a
        whole session, or None; `seconds_until_found`, the median up to the first such turn of the timed, or None.
    """
    hits = [hit for hit in shown.values() if hit is not None]
    timed = [(script.seconds, shown[str(script.number)]) for script in scripts if script.seconds]
    longest = max((len(seconds) for seconds, _ in timed), default=0)
    turns = [[seconds[place] for seconds, _ in timed if place < len(seconds)] for place in range(longest)]
    return {
        "sessions": len(shown),
        "found": len(hits),
        "turns": _median(hits),
        "timed": len(timed),
        "seconds_per_turn": [_median(one) for one in turns],
        "seconds": _median([sum(seconds) for seconds, _ in timed]),
        "seconds_until_found": _median([sum(seconds[:hit]) for seconds, hit in timed if hit is not None]),
    }


def _median(values: Sequence[float | int]) -> float | None:
    return float(np.median(values)) if values else None


def _over(values: Sequence[float | int]) -> dict[str, float]:
    """How a value of each person spreads."""
    return {
        "least": float(np.min(values)),
        "median": float(np.median(values)),
        "greatest": float(np.max(values)),
        "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
    }
