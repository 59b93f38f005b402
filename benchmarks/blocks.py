"""Blocks of the README, each from the content of one JSON file; finding and replacing them is in readme.py."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.program import QUIET
from multiturn.report.tables import cell, harmed, label, markdown_table, paper_table_1, protocol_line, titled

Result = Mapping[str, Any]
Table = list[list[str]]

KEPT = ("turn", "percentile", "R@1", "R@10", "R@100", "mean_rank", "matching_attributes", "interval", "ties")
WITHOUT_INTERVAL = re.compile(r" \[[^]]*\]")
NONE = "–"
WAYS = {
    "search": "this toolkit: `search` over `VectorScores`",
    "blocks": "the same without a screen: float32 blocks",
    "table": "one matrix product, whole table kept, beating scores counted",
    "faiss": "faiss `IndexFlatL2`, k = 1, by matrix products",
    "faiss_100": "faiss `IndexFlatL2`, k = 100, by matrix products",
    "faiss_100_by_itself": "faiss `IndexFlatL2`, k = 100, as it comes",
    "loop": "a loop over queries: all distances, argsort, place of the target",
}

ENCODING_WAYS = {
    "encoder": "this toolkit: `TimmEncoder.encode`",
    "plain loop": "a plain PyTorch loop over a DataLoader",
    "network alone": "the network alone, on pixels that are decoded already",
}


def search_block(result: Result) -> str:
    """Times of one turn of a batch of sessions, and how many answers hold in float64."""
    settings, kinds = result["settings"], result["kinds"]
    answers = settings["sessions"] * len(kinds)
    table = [["One turn", *(kind.capitalize() for kind in kinds), "Right nearest", "Right ranks"]]
    names = [name for name in WAYS if all(name in kind["ways"] for kind in kinds.values())]
    for name, words in ((name, WAYS[name]) for name in names):
        ways = [kind["ways"][name] for kind in kinds.values()]
        times = [f"{way['median']:.3f} s ({way['times_ours']:.1f} ×)" for way in ways]
        nearest = sum(way["right"]["nearest"] for way in ways)
        ranks = [way["right"]["ranks"] for way in ways]
        found = "returns none" if None in ranks else f"{sum(ranks)} of {answers}"
        table.append([words, *times, f"{nearest} of {answers}", found])
    note = (
        f"{settings['sessions']} sessions looking for their targets among {settings['candidates']:,} vectors of "
        f"{settings['dim']} dimensions; medians of {settings['rounds']} alternating repetitions in one process, and "
        f"how many times ours. The features are {kinds['simulated features']['source']}. Right: it holds when "
        f"all distances are computed in float64. faiss returns no ranks, and multiplies matrices"
        f"{multiplied_by(result)}; as it comes, it multiplies none for so few queries. {machine_line(result)}"
    )
    return markdown_table(table, note)


def multiplied_by(result: Result) -> str:
    """Whose matrix products faiss took, if it is known."""
    products = result.get("faiss_products")
    return f" by {products}" if products else ""


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
        "Brackets: bootstrap intervals over sessions, at the last turn and of the percentile at every turn.",
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


def encoding_block(result: Result) -> str:
    """Pictures a second of the encoder, of a plain loop and of the network alone."""
    settings, ways = result["settings"], result["ways"]
    table = [["Way", "Pictures/s", "Median, s"]]
    for name, words in ENCODING_WAYS.items():
        way = ways[name]
        table.append([words, f"{way['pictures_per_second']:.1f}", f"{way['median']:.2f}"])
    note = (
        f"{settings['pictures']} JPEG files through {settings['network']} at {settings['size']} pixels, batches of "
        f"{settings['batch_size']}, {settings['workers']} processes that decode; medians of {settings['rounds']} "
        f"alternating repetitions in one process. The encoder reaches {result['share_of_plain_loop']:.3f} of the plain "
        f"loop (median of the repetitions' ratios) and {result['share_of_network']:.3f} of the network alone, which "
        f"decodes nothing. {machine_line(result)}"
    )
    return markdown_table(table, note)


def galleries_block(result: Result) -> str:
    """What was encoded, how fast, and how large it is."""
    head = ["Data", "Encoder", "Candidates", "Vectors each", "Dimensions", "Pictures/s"]
    table = [[*head, "MB, float32", "MB, float16"]]
    for row in result["galleries"]:
        counts = [f"{row['candidates']:,}", str(row["vectors_per_candidate"]), str(row["dim"])]
        sizes = [f"{row['megabytes'][kind]:,.1f}" for kind in ("float32", "float16")]
        table.append([row["data"], row["encoder"], *counts, f"{row['pictures_per_second']:.1f}", *sizes])
    lost = [
        f"{row['encoder']} on {row['data']} leaves {row['pictures'] - row['candidates']:,} of {row['pictures']:,} out"
        for row in result["galleries"]
        if row["candidates"] < row["pictures"]
    ]
    sources = list(dict.fromkeys(row["source"] for row in result["galleries"]))
    note = (
        f"{'; '.join(sources)}. {limited(result)}The time is that of reading, decoding, encoding, writing and loading, "
        f"batches of {result['settings']['batch_size']}. {'. '.join([*lost, machine_line(result)])}"
    )
    return markdown_table(table, note)


def probes_block(result: Result) -> str:
    """Known results, and whether they came out."""
    table = [["Probe", "Found", "Should be", "Pictures", "Without a face"]]
    for probe in result["probes"]:
        row = [probe["what"], f"{probe['found']:.3f}", _wanted(probe), f"{probe['pictures']:,}"]
        table.append([*row, str(probe["without_face"])])
    holding = sum(probe["holds"] for probe in result["probes"])
    told = "" if limited(result) else f"{holding} of {len(result['probes'])} come out as they should. "
    note = f"Share of right answers; a picture without a face counts as wrong. {limited(result)}{told}"
    return markdown_table(table, note + machine_line(result))


def limited(result: Result) -> str:
    """A warning where only a part of the data was looked at."""
    limit = result["settings"]["limit"]
    return "" if limit is None else f"A trial run on a part of the data (--limit {limit}): no result. "


def _wanted(probe: Mapping[str, Any]) -> str:
    if probe["least"] is None:
        return NONE
    return f"≥ {probe['least']:.3f}" if probe["most"] is None else f"{probe['least']:.2f} to {probe['most']:.2f}"


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
        parts += ["Ranking percentile, with the bounds of tied ranks:", markdown_table(paper_table_1(narrow(metrics)))]
    where = "at the last turn of every method, those of the percentile at every turn"
    return "\n\n".join([*parts, noted(metrics, where)])


def by_turn_block(metrics: Result) -> str:
    """R@1 and R@10 of every method, a column a turn; intervals at the last."""
    turns = {row["turn"]: f"Turn {row['turn']}" for row in metrics["per_turn"]}
    parts = [markdown_table(table_by_turn(metrics, name, label(name), turns)) for name in ("R@1", "R@10")]
    return "\n\n".join([*parts, noted(metrics)])


def noted(metrics: Result, where: str = "at the last turn of every method") -> str:
    """What a reader of the tables must know, with where their intervals stand."""
    return f"{protocol_line(narrow(metrics))} Intervals stand {where}; metrics.json and report.html have all."


def table_by_turn(metrics: Result, name: str, corner: str, turns: Mapping[int, str]) -> Table:
    """One metric of every method, a column a turn; intervals at the last.

    Args:
        corner: heads the methods.
        turns: which, and what heads their columns.
    """
    table = [[corner, *turns.values()]]
    for method, rows in methods_of(metrics):
        cells = [cell(name, row) for row in rows if row["turn"] in turns]
        table.append([method, *(WITHOUT_INTERVAL.sub("", text) for text in cells[:-1]), cells[-1]])
    return table


def methods_of(metrics: Result) -> list[tuple[str, list[Result]]]:
    """Every method and its turns, the model first."""
    others = [(titled(one), one["per_turn"]) for one in metrics["others"]]
    return [(metrics["model"], metrics["per_turn"]), *others]


def ablation_block(studies: Sequence[Mapping[str, Any]]) -> str:
    """Titled tables with a line under each."""
    return "\n\n".join(f"**{study['title']}**\n\n{markdown_table(study['table'], study['note'])}" for study in studies)


def recall_block(studies: Sequence[Mapping[str, Any]]) -> str:
    """The table of R@10 alone."""
    return ablation_block([study for study in studies if "R@10" in study["title"]])


def compact_table(metrics: Result) -> str:
    """Few columns a turn, and each other method at its own last turn: intervals there, of the percentile everywhere."""
    metrics = narrow(metrics)
    turns = [metrics["before_feedback"], *metrics["per_turn"]]
    columns = [name for name in KEPT[1:-2] if name in turns[-1]]
    shares = harmed(metrics)
    shares = [NONE, *(WITHOUT_INTERVAL.sub("", share) for share in shares[:-1]), *shares[-1:]] if shares else []
    table = [["Method", "Turn", *(label(name) for name in columns), *(["Harmed, %"] if shares else [])]]
    for place, row in enumerate(turns):
        table.append([metrics["model"], *_cells(row, columns, row is turns[-1]), *shares[place : place + 1]])
    for other in metrics["others"]:
        table.append([titled(other), *_cells(other["per_turn"][-1], columns, True), *([NONE] if shares else [])])
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


def _cells(row: Mapping[str, Any], columns: Sequence[str], last: bool) -> list[str]:
    """A turn and its values; their intervals if it is a method's last, and that of the percentile always."""
    cells = [(name, cell(name, row)) for name in columns]
    shown = [text if last or name == "percentile" else WITHOUT_INTERVAL.sub("", text) for name, text in cells]
    return [str(row["turn"]), *shown]
