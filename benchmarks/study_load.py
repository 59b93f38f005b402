"""A live study with many participants at once: how long a turn takes, on 127.0.0.1 alone."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.program import save, start
from benchmarks.study_visitors import GONE, Refused, Visitor, opened, serving
from multiturn.settings import at_least

EXAMPLES = """examples:
  make demo && python -m benchmarks.study_load
  python -m benchmarks.study_load --checkpoint runs/vg-drilldown --participants 20 --seconds 20 --output runs/bench
"""
GOAL = 300.0  # milliseconds, of 95 % of turns


@dataclass
class Log:
    """What the participants met."""

    turns: list[float] = field(default_factory=list)
    images: int = 0
    errors: list[str] = field(default_factory=list)


def study_load(
    checkpoint: str = "runs/demo",
    participants: int = 100,
    think: float = 5.0,
    seconds: float = 60.0,
    page_size: int = 8,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Let participants say things at once, and time each turn: the form sent, and the next page received.

    Each thinks for a random time between two turns and fetches the images of each page. Client and server share the
    machine.

    Args:
        checkpoint: of the one system.
        participants: at once.
        think: mean seconds between two turns of a participant, drawn from an exponential distribution.
        seconds: that are measured, after all have arrived.
        page_size: images a page.
        seed: of thinking and replies.
        output: folder for study_load.json; benchmarks/results if not given.
    """
    from multiturn.study.protocol import StudyProtocol

    for name, value, least in (("participants", participants, 1), ("think", think, 0), ("seconds", seconds, 1)):
        at_least(name, value, least)
    protocol = StudyProtocol({"system": checkpoint}, targets=20, turns=8, page_size=page_size, practice=0)
    protocol = replace(protocol, consent="A test.", questionnaires=[], seen="keep")
    systems = opened(checkpoint)
    log = Log()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(protocol, systems, Path(folder) / "study.sqlite") as (port, _),
    ):
        _visit(port, participants, think, seconds, seed, log)
    if not log.turns:
        raise ValueError(f"nobody came to say anything in {seconds:g} s: {log.errors[:1] or 'raise --seconds'}")
    times = 1000 * np.array(log.turns)
    measured = {
        "gallery": {"size": len(systems["system"].gallery), "source": systems["system"].gallery.source},
        "turns": len(times),
        "turns_a_second": len(times) / seconds,
        "images": log.images,
        "errors": len(log.errors),
        "milliseconds": {
            "median": float(np.median(times)),
            "p95": float(np.quantile(times, 0.95)),
            "p99": float(np.quantile(times, 0.99)),
            "longest": float(times.max()),
        },
        "goal": GOAL,
        "nice": _nice(),
    }
    for error in log.errors[:3]:
        print(f"error: {error}")
    print(", ".join(f"{name} {value:.1f} ms" for name, value in measured["milliseconds"].items()))
    settings = {"participants": participants, "think": think, "seconds": seconds, "page_size": page_size, "seed": seed}
    return save("study_load", settings, measured, output)


def _nice() -> int:
    """How far the machine puts this program behind others, below 0 before them: of its group where groups count."""
    group = Path("/proc/self/autogroup")
    grouped = group.read_text().rsplit(" ", 1)[-1] if group.is_file() else ""
    return int(grouped) if grouped.strip().lstrip("-").isdecimal() else os.nice(0)


def _visit(port: int, participants: int, think: float, seconds: float, seed: int, log: Log) -> None:
    """Let all of them take part; turns count that begin within so many seconds after all have arrived."""
    ready, lock = threading.Barrier(participants + 1), threading.Lock()
    ends = [0.0]

    def take_part(number: int) -> None:
        draws, visitor = Random(f"{seed} {number}"), Visitor(port, number, persistent=True)
        try:
            visitor.arrive()
            visitor.act()
        except (*GONE, Refused) as reason:
            with lock:
                log.errors.append(f"participant {number} could not begin: {reason!r}")
        ready.wait()
        time.sleep(draws.uniform(0, think))
        while time.perf_counter() < ends[0] and "/study/" in visitor.page:
            begun = time.perf_counter()
            try:
                path, _ = visitor.act()
                taken = time.perf_counter() - begun
                images = visitor.look()
            except (*GONE, Refused) as reason:
                with lock:
                    log.errors.append(repr(reason))
                break
            with lock:
                log.images += images
                if path == "/study/reply":
                    log.turns.append(taken)
            time.sleep(draws.expovariate(1 / think) if think else 0)

    threads = [threading.Thread(target=take_part, args=(number,), daemon=True) for number in range(participants)]
    for thread in threads:
        thread.start()
    # Set before anybody can pass the barrier, with room for the passing itself.
    ends[0] = float("inf")
    ready.wait()
    ends[0] = time.perf_counter() + seconds
    for thread in threads:
        thread.join(seconds + 10 * think + 60)


def study_load_block(result: Mapping[str, Any]) -> str:
    """The table of RESULTS.md."""
    from benchmarks.blocks import machine_line
    from multiturn.report.tables import markdown_table

    settings, times = result["settings"], result["milliseconds"]
    table = [
        ["Participants at once", "Turns", "Median, ms", "95 %, ms", "99 %, ms", "Longest, ms", "Errors"],
        [
            str(settings["participants"]),
            f"{result['turns']:,}",
            *(f"{times[name]:.0f}" for name in ("median", "p95", "p99", "longest")),
            str(result["errors"]),
        ],
    ]
    gallery = result["gallery"]
    ahead = f" Client and server were put before these, at nice {result['nice']}." if result["nice"] < 0 else ""
    note = (
        f"A turn: the form is sent, answered, stored on the disk, and the next page received. Each participant thinks "
        f"for {settings['think']:g} s on average; {result['turns_a_second']:.1f} turns a second, and "
        f"{result['images']:,} images beside them. {gallery['size']:,} candidates ({gallery['source']}). Client and "
        f"server share the machine. Goal: 95 % of turns under {result['goal']:.0f} ms, no error. "
        f"{machine_line(result)}{ahead}"
    )
    return markdown_table(table, note)


if __name__ == "__main__":
    start(study_load, "study_load", EXAMPLES)
