"""What people read of a live study: tables, curves and the page; the numbers are made in `analysis`."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from multiturn.report.figures import curves, save_figure
from multiturn.report.study import Section, StudyPage, write_study_page
from multiturn.report.tables import NONE, Table, cell, chance, label, plain, recalls
from multiturn.settings import EvaluationSettings
from multiturn.study.analysis import analyse
from multiturn.study.records import read_records
from multiturn.study.store import Store
from multiturn.study.withdrawal import write_noted

Numbers = Mapping[str, Any]
LABELS = {
    "found_rate": "Found, %",
    "seconds": "Seconds, censored",
    "reciprocal_rank": "Reciprocal last rank",
    "tlx": "Raw TLX (low is good)",
    "sus": "SUS (high is good)",
}
PEOPLE = "Brackets: bootstrap intervals over participants, of the mean of their means."
MISSED = (
    "Shown and missed: the target stood on a page that was left without its being claimed. Seconds are censored: a "
    "trial without success counts as the limit, or as the time until it was given up where there is none."
)
PAIRED = (
    "Differences are the first system minus the second. Over targets, or over participants: means of the trials of "
    "each, or a participant's scores. p: exchange of the two systems at random, corrected by Holm for all rows over "
    "the same. Model: value = system + position, with participant and target as crossed random effects; none is fitted "
    "where there are too few of either, or all values are equal."
)
PLANNING = (
    "Options of python -m eval.study power, of the models above: what a trial is with the second system, and standard "
    "deviations of trials of one participant and target, and of participants (of shares, in log-odds)."
)


def report(store: Store, folder: Path, settings: EvaluationSettings) -> dict[str, Any]:
    """Write FOLDER/report.html, its figures and numbers.json; a later withdrawal deletes them.

    Returns:
        the numbers.
    Raises:
        ValueError: the database holds no study, or no trial of it is over.
    """
    records = read_records(store)
    numbers = analyse(records, settings)
    rows = {name: one["per_turn"] for name, one in numbers["systems"].items()}
    gallery = next(iter(records.facts["galleries"].values()))
    drawn = [folder / "figures" / f"{_stem(name)}.{kind}" for name in recalls(_last(rows)) for kind in ("svg", "png")]
    text = json.dumps(numbers, indent=1, allow_nan=False) + "\n"
    write_noted(store, records.participants, {folder / "numbers.json": text}, [folder / "report.html", *drawn])
    figures = {}
    for name in recalls(_last(rows)):
        title = f"{label(name)}, all trials"
        figure = curves(rows, name, title, chance({"gallery": gallery, "per_turn": next(iter(rows.values()))})[name])
        figures[title] = save_figure(figure, folder / "figures" / _stem(name))
    facts = {name: plain(value) for name, value in vars(records.protocol).items() if name not in ("consent", "systems")}
    page = StudyPage(
        "Live study",
        records.protocol.title,
        headline(numbers),
        gallery["source"],
        datetime.now(UTC).isoformat(timespec="seconds"),
        shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        {name.replace("_", " "): value for name, value in facts.items()} | {"systems": ", ".join(rows)},
        [
            Section("Systems", system_table(numbers), f"{PEOPLE} {MISSED}"),
            Section("By turn", turn_table(numbers), "A trial that ended early keeps its last rank.", figures),
            Section("Load and usability", score_table(numbers), PEOPLE),
            Section("By the order of trials", order_table(numbers), "Trials in this place of the participants' order."),
            Section("Systems compared", comparison_table(numbers), PAIRED),
            Section("To plan the next study", planning_table(numbers), PLANNING),
        ],
        warnings(numbers),
    )
    write_study_page(page, folder)
    return numbers


def headline(numbers: Numbers) -> str:
    """One sentence on how often each system led to the target."""
    shares = [f"{name} {one['found']} of {one['trials']}" for name, one in numbers["systems"].items()]
    return (
        f"{numbers['participants']} participants, {numbers['finished']} to the end; {numbers['trials']} trials, "
        f"{numbers['targets']} targets. Found: {', '.join(shares)}."
    )


def warnings(numbers: Numbers) -> list[str]:
    """What a reader must know first."""
    lines = list(numbers["warnings"])
    if (few := numbers["participants"]) < 12:
        lines.append(f"{few} participants are few: intervals are wide, and differences may be of these people alone.")
    if left := numbers["participants"] - numbers["finished"]:
        lines.append(f"{left} participants have not come to the end; their trials that are over count.")
    lines += [
        f"{row['one']} and {row['other']}, {LABELS[row['measure']]}: {row['model']['note']}."
        for row in numbers["comparisons"]
        if row["model"] and row["model"]["note"]
    ]
    return lines + [_out_of_reach(family) for family in _families(numbers) if _out_of_reach(family)]


def _families(numbers: Numbers) -> list[list[Mapping[str, Any]]]:
    """The tests that are corrected together."""
    tested = [row for row in numbers["comparisons"] if row["paired"]]
    return [[row for row in tested if row["over"] == over] for over in ("targets", "participants")]


def _out_of_reach(family: Sequence[Mapping[str, Any]]) -> str:
    """A warning where no difference, however large, could be significant."""
    if not family:
        return ""
    pairs, over = max(row["pairs"] for row in family), family[0]["over"]
    least = 2.0 ** (1 - pairs) * len(family)  # all pairs on one side, and Holm's correction
    if least <= 0.05:
        return ""
    return (
        f"No test over {pairs} {over} can fall below p = {min(least, 1):.2f} with {len(family)} tests, whatever the "
        f"difference: more {over} are needed."
    )


def system_table(numbers: Numbers) -> Table:
    """What came of the trials with each system."""
    head = ["System", "Trials", "Found, %", "Seconds, censored", "Seconds to found, median", "Replies"]
    table = [[*head, "Gave up", "Time over", "Wrong claims", "Shown and missed", "Taken back"]]
    for name, one in numbers["systems"].items():
        table.append(
            [
                name,
                str(one["trials"]),
                _interval(one["found_rate"], 100),
                _interval(one["seconds"]),
                NONE if one["seconds_to_found"] is None else f"{one['seconds_to_found']:.1f}",
                _interval(one["replies"]),
                str(one["outcomes"]["gave up"]),
                str(one["outcomes"]["time"]),
                str(one["wrong_claims"]),
                f"{one['missed_pages']} pages, {one['missed_trials']} trials",
                str(one["undone"]),
            ]
        )
    return table


def turn_table(numbers: Numbers) -> Table:
    """R@K of each system by turn."""
    columns = recalls(_last({name: one["per_turn"] for name, one in numbers["systems"].items()}))
    table = [["System", "Turn", *map(label, columns)]]
    for name, one in numbers["systems"].items():
        table += [[name, str(row["turn"]), *(cell(column, row) for column in columns)] for row in one["per_turn"]]
    return table


def score_table(numbers: Numbers) -> Table:
    """Questionnaires of each system."""
    of = {system: one["scores"] for system, one in numbers["systems"].items()}
    # Where systems change from trial to trial, participants were asked about all of them together.
    of = {"all together": numbers["scores"]} if numbers["scores"] else of
    names = list(dict.fromkeys(name for scores in of.values() for name in scores))
    table = [["System", *(LABELS[name] for name in names)]]
    return table + [
        [system, *(_interval(scores[name]) if name in scores else NONE for name in names)]
        for system, scores in of.items()
        if names
    ]


def order_table(numbers: Numbers) -> Table:
    """What was found in each place of the order."""
    return [
        ["Place", "Trials", "Found, %", "Seconds, censored"],
        *(
            [str(row["position"]), str(row["trials"]), f"{100 * row['found_rate']:.1f}", f"{row['seconds']:.1f}"]
            for row in numbers["order"]
        ),
    ]


def comparison_table(numbers: Numbers) -> Table:
    """Each two systems: the paired test, and the model beside it."""
    head = ["Systems", "Measure", "Over", "Difference", "p", "Model's difference", "p", "Order: change a trial", "p"]
    table = [head]
    for row in numbers["comparisons"]:
        scale = 100 if row["measure"] == "found_rate" else 1
        test, model = row["paired"], row["model"]
        cells = [f"{row['one']} – {row['other']}", LABELS[row["measure"]], f"{row['pairs']} {row['over']}"]
        if test:
            cells += [_ends(test["difference"], test["low"], test["high"], scale), f"{test['p_holm']:.4f}"]
        else:
            cells += [NONE, NONE]
        if model:
            cells += [_ends(model["difference"], model["low"], model["high"], scale), f"{model['p']:.4f}"]
            cells += [f"{scale * model['order']:+.2f}", f"{model['p_order']:.4f}"]
        else:
            cells += [NONE] * 4
        table.append(cells)
    return table


def planning_table(numbers: Numbers) -> Table:
    """What `multiturn.study.power` wants to know, from each two systems' models."""
    table = [["Systems", "--measure", "--base", "--spread", "--participants_spread"]]
    for row in numbers["comparisons"]:
        measure = {"found_rate": "found", "seconds": "seconds"}.get(row["measure"])
        if row["model"] is None or measure is None:
            continue
        base, between = numbers["systems"][row["other"]][row["measure"]]["mean"], row["model"]["participants_spread"]
        spread = f"{row['model']['spread']:.3g}"
        if measure == "found":
            if not 0 < base < 1:
                continue
            # Near the share, log-odds are so much steeper.
            spread, between = NONE, f"{between / (base * (1 - base)):.3g}"
        else:
            between = NONE
        table.append([f"{row['one']} – {row['other']}", measure, f"{base:.3g}", spread, between])
    return table


def _interval(summary: Mapping[str, Any], scale: int = 1) -> str:
    mean, low, high = (scale * summary[name] for name in ("mean", "low", "high"))
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def _ends(value: float, low: float, high: float, scale: int) -> str:
    return f"{scale * value:+.2f} [{scale * low:.2f}, {scale * high:.2f}]"


def _last(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(rows.values()))[-1]


def _stem(metric: str) -> str:
    return metric.lower().replace("@", "_at_")
