"""Tables of the protocols beside independent turns: cumulative, carried, over whole sessions; rows as in tables.py."""

from collections.abc import Mapping
from typing import Any

from multiturn.report.tables import NONE, OVER_TIME, Metrics, Table, all_turns, cell, label, number, titled


def protocol_table(metrics: Metrics) -> Table:
    """What earlier turns make of later ones, and MRR: the model at each turn, each other method at its last.

    Hits@K counts a hit at this turn or before; carry@K stops a session at its first hit and keeps the rank.
    """
    turns = all_turns(metrics)
    columns = ["reciprocal_rank", *(name for name in turns[-1] if name.startswith(OVER_TIME))]
    early = any("ended_early" in row for row in turns)
    rows = [(metrics["model"], row) for row in turns]
    rows += [(titled(other), other["per_turn"][-1]) for other in metrics["others"]]
    head = ["Method", "Turn", *(label(name) for name in columns), *(["Ended before"] if early else [])]
    return [
        head,
        *(
            [
                name,
                str(row["turn"]),
                *(cell(column, row) for column in columns),
                *([str(row.get("ended_early", 0))] if early else []),
            ]
            for name, row in rows
        ),
    ]


def session_table(metrics: Metrics) -> Table:
    """Metrics of whole sessions, a row a method: BRI, areas, rounds to the first hit, and who never had one.

    Rounds count a session without a hit as its last turn (the restricted mean); beside it stand how many sessions
    never had one, and the mean over those that did.
    """
    methods = [(metrics["model"], metrics["summary"])]
    methods += [(titled(other), other["summary"]) for other in metrics["others"]]
    names = list(metrics["summary"])
    table = [["Method"]]
    for name in names:
        table[0] += [label(name), *(["Never hit", "Rounds where hit"] if "never" in metrics["summary"][name] else [])]
    for method, summary in methods:
        line = [method]
        for name in names:
            one = summary[name]
            ties = {name: one["ties"]} if "ties" in one else {}
            line.append(cell(name, {name: one["value"], "interval": {name: one["interval"]}, "ties": ties}))
            if "never" in one:
                line += _never(name, one, metrics["sessions"])
        table.append(line)
    return table


def _never(name: str, rounds: Mapping[str, Any], sessions: int) -> list[str]:
    """How many sessions never had a hit, with the bounds of ties, and the mean of those that did."""
    expected, most, least = (f"{value:,.1f}".removesuffix(".0") for value in rounds["never"])
    bounds = "" if most == least else f" (ties {least}–{most})"
    mean = NONE
    if rounds["mean_over_found"] is not None:
        low, high = rounds["mean_interval"]
        mean = f"{number(name, rounds['mean_over_found'])} [{number(name, low)}, {number(name, high)}]"
    return [f"{expected} of {sessions:,}{bounds}", mean]
