"""Blocks of search by attributes, by likes and by example photos, each from the content of one JSON file."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.blocks import Result, machine_line, methods_of, narrow, noted, table_by_turn
from multiturn.metrics import known
from multiturn.report.tables import NO_COLUMN, cell, label, markdown_table, protocol_line

UNLISTED = ("loss", "average_precision_left", "left")
ITERATIONS = (0, 1, 2, 3, 5, 8, 11, 15)


def measures_block(metrics: Result) -> str:
    """What a task measures of whole lists, of every method after the first reply and after the last."""
    names = measured(metrics)
    table = [["Method", "Turn", *(label(name) for name in names)]]
    for method, rows in methods_of(metrics):
        for row in [rows[0], *([rows[-1]] if len(rows) > 1 else [])]:
            table.append([method, str(row["turn"]), *(cell(name, row) for name in names)])
    return markdown_table(table, protocol_line(narrow(metrics)))


def hits_block(metrics: Result) -> str:
    """Hits of every method's pages and what was found, by iteration of feedback."""
    return _by_iteration(metrics, ["Hit", "found"])


def iterations_block(metrics: Result) -> str:
    """The same, with the precision of the pages, the order of the whole list, and how many sessions fare worse."""
    block = _by_iteration(metrics, ["Hit", "precision", "average_precision", "found"])
    if not metrics["harm_rate"]:
        return block
    harmed = ", ".join(f"{100 * metrics['harm_rate'][turn - 1]:.1f}" for turn in _turns(metrics))
    return f"{block} Share of sessions that {metrics['model']} harms at these iterations, %: {harmed}."


def _by_iteration(metrics: Result, wanted: Sequence[str]) -> str:
    """Tables of some measures, each named by what stands before its @."""
    names = [name for one in wanted for name in measured(metrics) if name.partition("@")[0] == one]
    tables = [table_by_turn(metrics, name, f"{label(name)} by iteration", _turns(metrics)) for name in names]
    return "\n\n".join([*map(markdown_table, tables), noted(metrics)])


def _turns(metrics: Result) -> dict[int, str]:
    """Turns to show and their iterations: turn 1 answers the example, the source's iteration 0."""
    last = metrics["per_turn"][-1]["turn"]
    return {one + 1: f"{one}" for one in ITERATIONS if one + 1 < last} | {last: f"{last - 1}"}


def scripted_block(study: Mapping[str, Any]) -> str:
    """What each system of a scripted study makes of the same words, turn by turn."""
    names = ["percentile", "R@1", "R@10", "mean_rank"]
    table = [["System", "Turn", *(label(name) for name in names)]]
    for system, found in study["systems"].items():
        for row in found["per_turn"]:
            table.append([system, str(row["turn"]), *(cell(name, row) for name in names)])
    protocol = study["protocol"]
    note = (
        f"{study['sessions']} written sessions, which look for {study['targets']} images among "
        f"{study['gallery']['size']:,} candidates ({study['data']}); {protocol['page_size']} shown a turn. Turn 0 is "
        f"before any reply; sessions that ended early keep their last rank. Brackets: "
        f"{100 * protocol['confidence']:g} % bootstrap intervals over sessions, which take sessions of one image for "
        "independent."
    )
    return markdown_table(table, note)


def open_set_block(result: Mapping[str, Any]) -> str:
    """Misses at calibrated thresholds, a row an embedder and wanted share of strangers."""
    table = [["Embedder", "Wanted FPIR, %", "FPIR, %", "FNIR, %", "Thresholds of 1 / (1 + d²)"]]
    for name, one in result.items():
        for level in one["levels"]:
            rates = [_rate(level[what], level[f"{what} interval"]) for what in ("FPIR", "FNIR")]
            limits = " and ".join(f"{limit:.4f}" for limit in level["thresholds"])
            table.append([name, f"{100 * level['wanted FPIR']:g}", *rates, limits])
    one = next(iter(result.values()))
    note = (
        f"{one['enrolled people']} people enrolled with one photo each and {one['searches for them']:,} searches for "
        f"them; {one['strangers']:,} strangers and {one['searches for strangers']:,} searches for these. Two halves of "
        "the people; the thresholds of one come from the strangers of the other. Brackets: 95 % bootstrap intervals "
        "over people."
    )
    return markdown_table(table, note)


def refits_block(result: Result) -> str:
    """Seconds of whole sessions of each method, against a loop that refits one session at a time."""
    settings = result["settings"]
    table = [["Method", "All at once, s", "Loop, s", "Times faster", "Found", "Found by the loop", "The loop fits"]]
    for name, way in result["methods"].items():
        times = [f"{way['seconds']:.1f}", f"{way['loop_seconds']:,.0f}", f"{way['times_faster']:.1f}"]
        table.append([name, *times, f"{way['found']:.3f}", f"{way['loop_found']:.3f}", way["loop"]])
    note = (
        f"{settings['sessions']:,} sessions of {settings['iterations']} pages of {settings['page']}, refitted after "
        f"each, over {settings['images']:,} {result['source']}, of {settings['dim']} numbers; the loop's time is that "
        f"of {settings['loop_sessions']} sessions, scaled up. Found: share of the class that the pages held. "
    )
    return markdown_table(table, note + machine_line(result))


def defaults_block(result: Result) -> str:
    """Wall and processor time of whole runs on drawn pictures."""
    table = [["Task", "Wall time, s", "Processor time, s", "Peak memory, MB", "Limit, s"]]
    for task, one in result["tasks"].items():
        times = [f"{one[name]:,.0f}" for name in ("wall_seconds", "processor_seconds", "peak_megabytes")]
        table.append([task, *times, f"{result['settings']['limit']}"])
    note = (
        "`python train.py --task TASK` from an empty folder: drawing, training, evaluation, pictures and report. "
        f"{machine_line(result)}"
    )
    return markdown_table(table, note)


def measured(metrics: Result) -> list[str]:
    """Names of what a task measures beside ranks."""
    names = [name for name in metrics["per_turn"][-1] if name not in NO_COLUMN and not known(name)]
    return [name for name in names if name not in UNLISTED]


def _rate(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{100 * share:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
