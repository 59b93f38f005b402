"""What people read of a scripted study: tables of systems, people and times, curves, and the page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multiturn.report.comparison import comparison_line, paired_table
from multiturn.report.figures import curves, save_figure
from multiturn.report.sessions import FILE
from multiturn.report.study import Section, StudyPage, write_study_page
from multiturn.report.tables import ENDED, NONE, Table, cell, chance, label, number, plain, recalls
from multiturn.study.people import NOTE

Study = Mapping[str, Any]
LAST_RANK = "After the last turn, a session that ended early counted as the protocol says."
COMPARED = {"all": "Systems compared, over all sessions", "best": "Systems compared, over the best person per image"}


def write_page(study: Study, folder: Path) -> Path:
    """Write FOLDER/report.html and its figures.

    Args:
        study: what metrics.json holds.
        folder: of the study, with a folder of each system.
    """
    sections = [
        Section("All sessions by turn", turn_table(study, "per_turn"), turn_note(study), _figures(study, folder)),
        Section("The best person of each image, by turn", turn_table(study, "best_of_users"), NOTE),
        Section("Found on a page, and how long it took", found_table(study), FOUND),
        Section("People", people_table(study), LAST_RANK),
        *(
            Section(COMPARED[name], paired_table(comparison), comparison_line(comparison))
            for name, comparison in study["comparisons"].items()
        ),
    ]
    kept = {name: json.loads((folder / name / FILE).read_text(encoding="utf-8")) for name in study["systems"]}
    page = StudyPage(
        "Scripted study",
        study["title"],
        headline(study),
        study["data"],
        study["created"],
        study["command"],
        {name.replace("_", " "): plain(value) for name, value in study["protocol"].items()},
        sections,
        warnings(study),
        {f"Sessions with {name}": (one, study["gallery"]["size"]) for name, one in kept.items()},
    )
    return write_study_page(page, folder)


FOUND = (
    "Found: the target was on a page of turn 1 or later. Seconds are medians over the sessions that were timed; they "
    "passed with the system that people had before them."
)


def headline(study: Study) -> str:
    """One sentence on how often each system found the target."""
    shares = [f"{name} {one['found']['found']} of {one['found']['sessions']}" for name, one in study["systems"].items()]
    return (
        f"{study['participants']} people, {study['sessions']:,} sessions, {study['targets']:,} targets among "
        f"{study['gallery']['size']:,} candidates. Targets that came onto a page: {', '.join(shares)}."
    )


def warnings(study: Study) -> list[str]:
    """What a reader must know first."""
    lines = [
        "What people said answers the pages that they saw, which need not be these; sessions end where they ended then."
    ]
    if len(study["lengths"]) > 1:
        spread = ", ".join(f"{count} of {turns}" for turns, count in study["lengths"].items())
        lines.append(f"Sessions differ in length: {spread} turns. {ENDED[study['protocol']['ended']]}.")
    if study["sessions"] > study["targets"]:
        lines.append(
            "Several sessions share a target or a person: intervals over sessions take them for independent, and are "
            "too narrow. The paired tests over all sessions average those of a target first."
        )
    return lines


def turn_table(study: Study, which: str) -> Table:
    """R@K, reciprocal rank and mean rank of each system by turn."""
    systems = study["systems"]
    first = next(iter(systems.values()))[which][-1]
    columns = [*recalls(first), "reciprocal_rank", "percentile", "mean_rank"]
    table = [["System", "Turn", *map(label, columns)]]
    for name, one in systems.items():
        table += [[name, str(row["turn"]), *(cell(column, row) for column in columns)] for row in one[which]]
    return table


def turn_note(study: Study) -> str:
    """What a reader of the table alone must know."""
    facts, chances = study["protocol"], _chances(study)
    by_chance = ", ".join(f"{name} {number(name, value)} %" for name, value in chances.items() if name.startswith("R@"))
    return (
        f"Turn 0 is before any reply. {facts['page_size']} shown a turn; seen: {facts['seen']}. "
        f"By chance: {by_chance}. "
        f"Ties: the expected rank. {ENDED[facts['ended']]}. Brackets: {100 * facts['confidence']:g} % bootstrap "
        "intervals over sessions."
    )


def found_table(study: Study) -> Table:
    """How many sessions of each system found their target, when, and how long it took."""
    table = [["System", "Sessions", "Found", "Found, %", "First turn, median", "Timed", "Seconds", "Seconds to found"]]
    for name, one in study["systems"].items():
        told = one["found"]
        share = 100 * told["found"] / told["sessions"]
        times = [_or_none(told["turns"]), str(told["timed"])]
        times += [_or_none(told["seconds"]), _or_none(told["seconds_until_found"])]
        table.append([name, str(told["sessions"]), str(told["found"]), f"{share:.1f}", *times])
    return table


def people_table(study: Study) -> Table:
    """How people differ, a row a system and person, then what is between them."""
    table = [["System", "Person", "Sessions", "Found, %", "Median last rank", "Turns", "Seconds a session"]]
    for name, one in study["systems"].items():
        for person in one["spread"]["people"]:
            share, rank, turns = person["found"], person["final_rank"], person["turns"]
            row = [name, person["participant"], str(person["sessions"]), f"{100 * share:.1f}", f"{rank:,.1f}"]
            table.append([*row, f"{turns:.1f}", _or_none(person["seconds"])])
        over = one["spread"]["over_people"]
        shares, ranks = over["found"], over["final_rank"]
        between = [f"{100 * shares['least']:.1f} to {100 * shares['greatest']:.1f}, σ {100 * shares['deviation']:.1f}"]
        between.append(f"{ranks['least']:,.1f} to {ranks['greatest']:,.1f}, σ {ranks['deviation']:,.1f}")
        table.append([name, f"all {len(one['spread']['people'])}", str(study["sessions"]), *between, "", ""])
    return table


def _chances(study: Study) -> dict[str, float]:
    """What a random ranking reaches."""
    first = next(iter(study["systems"].values()))
    return chance({"gallery": study["gallery"], "per_turn": first["per_turn"]})


def _or_none(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"


def _figures(study: Study, folder: Path) -> dict[str, Path]:
    """Curves of R@K at the page and of the best person of each image."""
    systems, drawn = study["systems"], {}
    rows = next(iter(systems.values()))["per_turn"][-1]
    name = next((k for k in recalls(rows) if int(k[2:]) >= study["protocol"]["page_size"]), recalls(rows)[-1])
    by_chance = _chances(study)[name]
    for which, title in (("per_turn", "all sessions"), ("best_of_users", "the best person of each image")):
        title = f"{label(name)}: {title}"
        figure = curves({one: numbers[which] for one, numbers in systems.items()}, name, title, by_chance)
        drawn[title] = save_figure(figure, folder / "figures" / which)
    return drawn
