"""What people read of a replay: its tables, and the page; the numbers are made in `replaying`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multiturn.report.figures import curves, save_figure
from multiturn.report.said import said
from multiturn.report.sessions import FILE
from multiturn.report.study import Section, StudyPage, write_study_page
from multiturn.report.tables import ENDED, NONE, SEEN, Table, cell, chance, label, number, recalls

MOST = 50  # sessions that the page lists one by one; replay.json has all
DIFFERS = (
    "First other page: the first turn at which this system shows another page than people saw. What they said after it "
    "answers a page that this system would not have shown; ranks up to and with that turn do not depend on it."
)


def write_page(told: Mapping[str, Any], folder: Path) -> Path:
    """Write FOLDER/replay.html and its figures."""
    kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
    sections = [
        Section("By turn", turn_table(told), turn_note(told), _figures(told, folder)),
        Section("Sessions that would have seen other pages", session_table(told), _listed(told)),
    ]
    rules = told["rules"]
    facts = {
        "log": told["log"],
        "checkpoint": told["checkpoint"],
        "page size": str(rules["page_size"]),
        "seen": f"{rules['seen']} ({SEEN[rules['seen']]})",
    }
    page = StudyPage(
        "Replay",
        told["title"],
        headline(told),
        told["gallery"]["source"],
        told["created"],
        told["command"],
        facts,
        sections,
        warnings(told),
        {f"Sessions with {told['system']}": (kept, told["gallery"]["size"])},
    )
    return write_study_page(page, folder, "replay.html")


def headline(told: Mapping[str, Any]) -> str:
    """One sentence on what is the same."""
    sessions = "1 session" if told["sessions"] == 1 else f"{told['sessions']:,} sessions"
    whole = f"{sessions} ({told['log']}) with {told['system']}."
    if not told["with_pages"]:
        return f"{whole} The log has no pages to compare with."
    return f"{whole} {told['the_same']:,} of {told['with_pages']:,} show every page as it was."


def warnings(told: Mapping[str, Any]) -> list[str]:
    """What a reader must know first."""
    lines = list(told["notes"])
    other = told["with_pages"] - told["the_same"]
    if other:
        lines.insert(
            0, f"In {other:,} of {told['with_pages']:,} sessions replies answer pages that were not shown here."
        )
    for name, value in told["log_rules"].items():
        if value is not None and value != told["rules"][name]:
            lines.append(f"{name.replace('_', ' ')} was {value} in the log and is {told['rules'][name]} here.")
    if told["log_per_turn"] is None and any(one["log_ranks"][0] for one in told["each"]):
        lines.append("The log ranks another number of candidates, so that its ranks are not compared.")
    return lines


def turn_table(told: Mapping[str, Any]) -> Table:
    """By turn: how many replies still answer the page they were said to, and the metrics of both systems."""
    columns = [*recalls(told["per_turn"][-1]), "reciprocal_rank", "mean_rank"]
    table = [["System", "Turn", "Sessions", "Answer their page", "First other page", *map(label, columns)]]
    rows = [(told["system"], told["per_turn"])]
    if told["log_per_turn"] is not None:
        rows.insert(0, (f"{told['log_name']} (log)", told["log_per_turn"]))
    for name, turns in rows:
        ours = name == told["system"]
        for counts, row in zip(told["turns"], turns, strict=True):
            known = ours and told["with_pages"]
            kept = [str(counts[key]) if known else NONE for key in ("answers_its_page", "first_differs")]
            table.append([name, str(row["turn"]), str(counts["sessions"]), *kept, *(cell(one, row) for one in columns)])
    return table


def turn_note(told: Mapping[str, Any]) -> str:
    """What a reader of the table alone must know."""
    chances = {name: value for name, value in chance(told).items() if name.startswith("R@")}
    by_chance = ", ".join(f"{name} {number(name, value)} %" for name, value in chances.items())
    return (
        f"Turn 0 is before any reply. {DIFFERS} By chance: {by_chance}. Ties: the expected rank. "
        f"{ENDED[told['rules']['ended']]}. Brackets: {100 * told['confidence']:g} % bootstrap intervals over sessions."
    )


def session_table(told: Mapping[str, Any]) -> Table:
    """Sessions whose pages differ: where, what was said after it, and the last ranks."""
    table = [
        ["Session", "Target", "First other page", "Said after it", "Last rank, log", f"Last rank, {told['system']}"]
    ]
    for one in [one for one in told["each"] if one["differs"] is not None][:MOST]:
        ranks = [_rank(one["log_ranks"][-1]), _rank(one["ranks"][-1])]
        table.append([one["session"], one["target"], f"turn {one['differs']}", _words(one["said_after"]), *ranks])
    return table


def _listed(told: Mapping[str, Any]) -> str:
    other = told["with_pages"] - told["the_same"]
    return f"The first {MOST} of {other:,}; replay.json has all." if other > MOST else ""


def _words(reply: str | Mapping[str, Any] | None) -> str:
    if reply is None or isinstance(reply, str):
        return reply or NONE
    words = said(reply)
    told = [words.text, *(f"{title}: {', '.join(names)}" for title, names in words.lists.items())]
    return "; ".join(filter(None, told))


def _rank(ends: Sequence[int] | None) -> str:
    if ends is None:
        return NONE
    best, worst = ends
    return f"{best:,}" if best == worst else f"{best:,}–{worst:,}"


def _figures(told: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    series = {told["system"]: told["per_turn"]}
    if told["log_per_turn"] is not None:
        series = {f"{told['log_name']} (log)": told["log_per_turn"], **series}
    page = told["rules"]["page_size"]
    names = recalls(told["per_turn"][-1])
    drawn = {}
    for name in (next((k for k in names if int(k[2:]) >= page), names[-1]), "reciprocal_rank"):
        title = f"{label(name)} by turn"
        by_chance = chance(told).get(name)
        stem = "replay_mrr" if name == "reciprocal_rank" else "replay_recall"
        drawn[title] = save_figure(curves(series, name, title, by_chance), folder / "figures" / stem)
    return drawn
