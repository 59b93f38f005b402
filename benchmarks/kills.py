"""Kills a real training with SIGKILL at random moments, resumes it, and looks for anything that was lost."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.program import save, start
from multiturn.settings import at_least

EXAMPLES = """examples:
  python -m benchmarks.kills
  python -m benchmarks.kills --kills 5 --epochs 2 --output runs/bench
"""


def kills(kills: int = 50, epochs: int = 4, keep: int = 2, seed: int = 0, output: Path | None = None) -> dict[str, Any]:
    """Kill trainings until there were so many kills; each is resumed until it ends, then the next begins.

    A checkpoint is written after every step, so many kills fall into the writing of one.

    Args:
        kills: in all.
        epochs: of a training.
        keep: checkpoints kept.
        seed: of the moments.
        output: folder for kills.json; benchmarks/results if not given.
    """
    for name, value in (("kills", kills), ("epochs", epochs), ("keep", keep)):
        at_least(name, value, 1)
    counts: dict[str, int] = dict.fromkeys(
        ("kills", "half_written", "before_the_first", "announced", "lost", "damaged", "trainings", "identical"), 0
    )
    draw = random.Random(seed)
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        _life(whole, epochs, keep, None)
        begun = time.perf_counter()
        _life(Path(folder) / "timed", epochs, keep, None)
        seconds = time.perf_counter() - begun
        while counts["kills"] < kills:
            training = Path(folder) / str(counts["trainings"])
            while _life(training, epochs, keep, draw.uniform(0, seconds / 2) if counts["kills"] < kills else None):
                _look(training, keep, counts)
            counts["trainings"] += 1
            counts["announced"] += len(_announced(training))
            counts["identical"] += _same(whole, training)
            print(f"{counts['kills']} kills, {counts['identical']} of {counts['trainings']} trainings identical")
    settings = {"kills": kills, "epochs": epochs, "keep": keep, "seed": seed}
    result = save("kills", settings, {"seconds": seconds, "counts": counts}, output)
    if counts["lost"] or counts["damaged"] or counts["identical"] < counts["trainings"]:
        raise ValueError(f"something was lost: {counts}")
    return result


def _life(folder: Path, epochs: int, keep: int, seconds: float | None) -> bool:
    """One process of a training, killed after so many seconds; whether it was, or else ended before."""
    from benchmarks.killed import train

    # Its server imports torch once; a life is a fork of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.killed"])
    process = context.Process(target=train, args=(folder, epochs, keep))
    process.start()
    process.join(seconds)
    killed = process.exitcode is None
    process.kill()
    process.join()
    if not killed and process.exitcode:
        log = folder / "log.txt"
        raise ValueError(f"the training failed:\n{log.read_text() if log.is_file() else process.exitcode}")
    return killed


def _look(folder: Path, keep: int, counts: dict[str, int]) -> None:
    """Count a kill, what it interrupted, and what is missing."""
    from multiturn.checkpoints import checkpoints, damage

    counts["kills"] += 1
    counts["half_written"] += bool(list((folder / "checkpoints").glob(".*.partial")))
    announced, there = _announced(folder), checkpoints(folder)
    counts["before_the_first"] += not announced
    counts["damaged"] += sum(bool(damage(one)) for one in there)
    whole = [one.name for one in there if not damage(one)]
    for name in announced[-keep:]:
        # One that is not there any more made room for `keep` newer ones.
        counts["lost"] += name not in whole and sum(newer > name for newer in whole) < keep


def _announced(folder: Path) -> list[str]:
    from benchmarks.killed import ANNOUNCED

    path = folder / ANNOUNCED
    return [Path(line).name for line in path.read_text().splitlines()] if path.is_file() else []


def _same(one: Path, other: Path) -> bool:
    from benchmarks.killed import WEIGHTS

    return all((one / name).read_bytes() == (other / name).read_bytes() for name in (WEIGHTS, "history.json"))


def table_of_kills(result: Mapping[str, Any]) -> str:
    """The block of RESULTS.md."""
    from benchmarks.blocks import machine_line
    from multiturn.report.tables import markdown_table

    settings, counts = result["settings"], result["counts"]
    table = [
        ["Killed with SIGKILL", f"{counts['kills']} times, in {counts['trainings']} trainings"],
        ["while a checkpoint was being written", f"{counts['half_written']} times"],
        ["before the first checkpoint", f"{counts['before_the_first']} times"],
        ["Checkpoints announced as written", f"{counts['announced']:,}"],
        ["of these lost, or not as written", f"{counts['lost'] + counts['damaged']}"],
        [
            "Trainings that ended with the weights and history of an uninterrupted one, byte for byte",
            f"{counts['identical']} of {counts['trainings']}",
        ],
    ]
    note = (
        f"{settings['epochs']} epochs of a small network with dropout, a schedule and accumulated gradients, "
        f"{result['seconds']:.1f} s uninterrupted; a checkpoint after each step, {settings['keep']} kept; killed at "
        "moments drawn evenly from half of that time. "
    )
    return markdown_table([["", "Counted"], *table], note + machine_line(result))


if __name__ == "__main__":
    start(kills, "kills", EXAMPLES)
