"""Blocks of the README, each from the content of one JSON file; finding and replacing them is in readme.py."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.program import QUIET
from multiturn.report.tables import cell, label, markdown_table, paper_table_1, protocol_line, titled

Result = Mapping[str, Any]
Table = list[list[str]]

KEPT = ("turn", "percentile", "R@1", "R@10", "R@100", "mean_rank", "matching_attributes", "interval", "ties")
WITHOUT_INTERVAL = re.compile(r" \[[^]]*\]")
NONE = "–"
WAYS = {
    "search": "this toolkit: `search` over `VectorScores`",
    "table": "one matrix product, whole table kept, beating scores counted",
    "faiss": "faiss `IndexFlatL2`, k = 1",
    "loop": "a loop over queries: all distances, argsort, place of the target",
}


def search_block(result: Result) -> str:
    """Times of one turn of a batch of sessions, and how many answers hold in float64."""
    settings, kinds = result["settings"], result["kinds"]
    answers = settings["sessions"] * len(kinds)
    table = [["One turn", *(kind.capitalize() for kind in kinds), "Right nearest", "Right ranks"]]
    for name, words in WAYS.items():
        ways = [kind["ways"][name] for kind in kinds.values()]
        times = [f"{way['median']:.3f} s ({way['times_ours']:.1f} ×)" for way in ways]
        nearest = sum(way["right"]["nearest"] for way in ways)
        ranks = [way["right"]["ranks"] for way in ways]
        found = "returns none" if None in ranks else f"{sum(ranks)} of {answers}"
        table.append([words, *times, f"{nearest} of {answers}", found])
    note = (
        f"{settings['sessions']} sessions looking for their targets among {settings['candidates']:,} vectors of "
        f"{settings['dim']} dimensions; medians of {settings['rounds']} alternating repetitions in one process, and "
        f"how many times ours. Clustered vectors are {kinds['simulated features']['source']}. Right: it holds when "
        f"all distances are computed in float64. faiss returns no ranks. {machine_line(result)}"
    )
    return markdown_table(table, note)


def full_size_block(result: Result) -> str:
    """The feedback GRU at the full size of CelebA, on simulated features."""
    metrics, memory, seconds = result["metrics"], result["memory"], result["seconds_per_turn"]
    peaks, sessions, steps = memory["peak_megabytes"], metrics["sessions"], result["training"]["steps"]
    reached = next(moment for moment, peak in peaks.items() if peak == max(peaks.values()))
    weights = f"was trained for {steps} steps only" if steps else "is untrained"
    pace = 1000 * sum(seconds) / len(seconds) / sessions
    lines = [
        f"{sessions:,} targets (from {result['first_target']}) among {metrics['gallery']['size']:,} candidates; "
        f"{metrics['data']}.",
        f"{sum(seconds):.0f} s for {len(seconds)} exact ranks of each target, {min(seconds):.1f} to "
        f"{max(seconds):.1f} s a turn, {pace:.2f} ms a rank.",
        f"Peak memory of the process {max(peaks.values()):,.0f} MB (by the moment '{reached}'), of which the gallery "
        f"takes {memory['gallery_megabytes']:,.0f} MB and the loaded programs {peaks['programs loaded']:,.0f} MB.",
        f"{result['ranks_checked']} ranks equal those of a full computation in float64.",
        f"The GRU {weights}: the table shows that this size can be played, not how well faces are found.",
        machine_line(result),
    ]
    return compact_table(metrics) + "\n\n" + " ".join(lines)


def epoch_block(result: Result) -> str:
    """Shares of a training epoch's time, a column a size."""
    sizes = result["sizes"]
    table = [["Part of a training epoch", *(f"{size['faces']:,} faces" for size in sizes)]]
    names = list(dict.fromkeys(name for size in sizes for name in size["seconds"]))
    for name in names:
        shares = [f"{100 * size['seconds'].get(name, 0.0) / size['total']:.1f} %" for size in sizes]
        table.append([name[0].upper() + name[1:], *shares])
    table.append(["Seconds an epoch", *(f"{size['total']:.2f}" for size in sizes)])
    settings = result["settings"]
    note = (
        f"celeba-feedback, {settings['dim']} dimensions, batches of {settings['batch_size']}, "
        f"{settings['turns']} turns, mean of all {settings['epochs']} epochs but the first; {result['features']}. "
        f"{machine_line(result)}"
    )
    return markdown_table(table, note)


def machine_line(result: Result) -> str:
    """What it was measured on."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if name != "python")
    device = "" if machine["device"] == "cpu" else f"{machine['device']}, "
    others = machine["other_programs"]
    busy = f", while other programs kept {others:.1f} cores busy" if others and others > QUIET else ""
    return f"Measured on {device}{machine['cpu']}, {machine['threads']} threads, {versions}{busy}."


def evaluation_block(metrics: Result) -> str:
    """An evaluation: turns, then the baselines as the paper's table 1 shows them, if there are any."""
    parts = [compact_table(metrics)]
    if any(other["role"] == "baseline" for other in metrics["others"]):
        head, *rows = paper_table_1(narrow(metrics))
        short = [row[:4] + [WITHOUT_INTERVAL.sub("", text) for text in row[4:]] for row in rows]
        parts += ["Ranking percentile, with the bounds of tied ranks:", markdown_table([head, *short])]
    return "\n\n".join([*parts, protocol_line(narrow(metrics))])


def ablation_block(studies: Sequence[Mapping[str, Any]]) -> str:
    """Titled tables with a line under each."""
    return "\n\n".join(f"**{study['title']}**\n\n{markdown_table(study['table'], study['note'])}" for study in studies)


def compact_table(metrics: Result) -> str:
    """Few columns a turn: intervals for the percentile only; each other method at its own last turn."""
    metrics = narrow(metrics)
    turns = [metrics["before_feedback"], *metrics["per_turn"]]
    columns = [name for name in KEPT[1:-2] if name in turns[-1]]
    harmed = [NONE, *(f"{100 * share:.2f}" for share in metrics["harm_rate"])] if metrics["harm_rate"] else []
    table = [["Method", "Turn", *(label(name) for name in columns), *(["Harmed, %"] if harmed else [])]]
    for place, row in enumerate(turns):
        table.append([metrics["model"], *_cells(row, columns), *harmed[place : place + 1]])
    for other in metrics["others"]:
        table.append([titled(other), *_cells(other["per_turn"][-1], columns), *([NONE] if harmed else [])])
    return markdown_table(table)


def narrow(metrics: Result) -> dict[str, Any]:
    """The same metrics with the README's columns only."""

    def short(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name in KEPT}

    return {
        **metrics,
        "before_feedback": short(metrics["before_feedback"]),
        "per_turn": [short(row) for row in metrics["per_turn"]],
        "others": [{**other, "per_turn": [short(row) for row in other["per_turn"]]} for other in metrics["others"]],
    }


def _cells(row: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    cells = [cell(name, row) for name in columns]
    return [
        str(row["turn"]),
        *(c if n == "percentile" else WITHOUT_INTERVAL.sub("", c) for n, c in zip(columns, cells, strict=True)),
    ]
