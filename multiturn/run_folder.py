"""Results in the output folder of a run: its transcript or its table of ranks, and what metrics.json says of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from multiturn.files import atomic_file
from multiturn.rank_rows import Ended, Rows, Searched, tabulate
from multiturn.result_files import read_ranks
from multiturn.results import Candidates, Results
from multiturn.transcript import read_transcript


def write_ranks(results: Results, path: Path) -> None:
    """Write results as a table that `read_ranks` reads, without the turns that a session did not have."""
    import pyarrow
    from pyarrow.parquet import write_table

    turns = np.arange(results.start, results.last + 1)
    there = turns <= results.played.numpy()[:, None]
    session, column = np.nonzero(there)
    table = {
        "session": [results.sessions[place] for place in session],
        "turn": turns[column],
        "target": [results.targets[place] for place in session],
        "rank": results.ranks.best.numpy()[there],
        "rank_worst": results.ranks.worst.numpy()[there],
    }
    with atomic_file(path) as temporary:
        write_table(pyarrow.table(table), temporary)


def read_run(folder: Path, ended: Ended = "carry") -> Results:
    """Read the results of a run from its folder: transcript.jsonl or ranks.parquet, and metrics.json.

    Raises:
        FileNotFoundError: the folder has neither.
        ValueError: a damaged file, or a transcript without targets and ranks.
    """
    path, about = folder / "transcript.jsonl", folder / "metrics.json"
    if not about.is_file() or not (path.is_file() or (folder / "ranks.parquet").is_file()):
        raise FileNotFoundError(
            f"{folder} lacks metrics.json, or has neither transcript.jsonl nor ranks.parquet; give an output folder of "
            "train.py or eval.evaluate"
        )
    metrics: dict[str, Any] = json.loads(about.read_text(encoding="utf-8"))
    gallery = metrics["gallery"]
    candidates = Candidates(gallery["size"], gallery["source"], gallery["fingerprint"], gallery.get("ids"))
    if path.is_file():
        rows = _of_transcript(path)
    else:
        rows = read_ranks(folder / "ranks.parquet", Searched(candidates), None, None, 0)
    told = {"tie", "confidence", "hits_from", "page", "ended"}  # of the report; they do not change a rank
    protocol = {name: value for name, value in metrics["protocol"].items() if name not in told}
    return tabulate(rows, metrics["model"], candidates, protocol, metrics["protocol"].get("ended", ended))


def _of_transcript(path: Path) -> Rows:
    lines = read_transcript(path).rows
    for number, line in enumerate(lines, start=2):
        if "target" not in line or "rank" not in line:
            raise ValueError(
                f"line {number} of {path} has no target or rank; the target was not known when it was made"
            )
    return Rows(
        str(path),
        [str(line["session"]) for line in lines],
        [line["turn"] for line in lines],
        [line["target"] for line in lines],
        np.array([line["rank"][0] for line in lines]),
        np.array([line["rank"][1] for line in lines]),
    )
