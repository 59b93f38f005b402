"""Whole runs of tasks on what a program draws, with no download: how long they take."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.program import save, start

EXAMPLES = """examples:
  python -m benchmarks.defaults
  python -m benchmarks.defaults --tasks '[lfw-reverse]' --more '[--faces.count,400]' --output runs/bench
"""
ROOT = Path(__file__).resolve().parent.parent
TASKS = ("celeba-attributes", "cub-relevance", "lfw-reverse")
LIMIT = 240  # seconds: what a task's default may take on two cores


def defaults(
    tasks: list[str] | None = None, more: list[str] | None = None, limit: int = LIMIT, output: Path | None = None
) -> dict[str, Any]:
    """Train and evaluate tasks as a user does who has nothing, each in an empty folder and a process of its own.

    Where other programs run, the wall time says little; the processor time is that of all cores together.

    Args:
        tasks: celeba-attributes, cub-relevance and lfw-reverse if not given.
        more: options of train.py.
        limit: seconds that a run may take; printed beside the times.
        output: folder for defaults.json; benchmarks/results if not given.
    """
    measured = {}
    for task in tasks or TASKS:
        with tempfile.TemporaryDirectory() as folder:
            measured[task] = timed([sys.executable, "train.py", "--task", task, "--output_dir", folder, *(more or [])])
        print(f"{task}: " + ", ".join(f"{name} {value:,.0f}" for name, value in measured[task].items()), flush=True)
    return save("defaults", {"limit": limit, "more": more or []}, {"tasks": measured}, output)


def timed(command: list[str]) -> dict[str, float]:
    """Seconds and megabytes of a command, which runs in the root of the checkout.

    Raises:
        ValueError: it fails; the message ends with the last line of what it said.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        # nothing else may wait for it: its times come with its end
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        if process.returncode:
            said.seek(0)
            raise ValueError(f"{' '.join(command[1:4])} failed: {said.read().strip().splitlines()[-1:]}")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return {"wall_seconds": wall, "processor_seconds": used.ru_utime + used.ru_stime, "peak_megabytes": peak}


if __name__ == "__main__":
    start(defaults, "defaults", EXAMPLES)
