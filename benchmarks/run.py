"""All benchmarks one after the other, each in its own process, so that memory is measured for it alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.program import start

EXAMPLES = """examples:
  python -m benchmarks.run
  python -m benchmarks.run --quick
  python -m benchmarks.run --only '[search, epoch]'
"""
FLAGS = {"quick": "tiny sizes, to see that everything runs; results go to runs/bench-quick"}
TINY = {
    "search": ["--candidates", "3000", "--sessions", "16", "--rounds", "2"],
    "search_whole": ["--candidates", "3000", "--targets", "100", "--batch_size", "32", "--checked", "5"],
    "full_size": ["--candidates", "2000", "--targets", "200", "--train_targets", "256", "--resamples", "50"],
    "epoch": ["--faces", "[256]", "--epochs", "2"],
    "encoding": ["--network", "test_resnet", "--size", "64", "--pictures", "24", "--batch_size", "8", "--rounds", "2"],
}
QUICK_OUTPUT = Path("runs") / "bench-quick"


def run(only: list[str] | None = None, quick: bool = False, output: Path | None = None) -> None:
    """Run the benchmarks and write one JSON file each.

    Without RETRIEVAL_REAL_DATA the attribute vectors are drawn, and the results say so.

    Args:
        only: names of benchmarks; all if not given.
        output: folder for the results; benchmarks/results if not given.
    """
    names = list(TINY) if only is None else only
    if unknown := set(names) - set(TINY):
        raise ValueError(f"no benchmark is called {sorted(unknown)[0]!r}; known: {', '.join(TINY)}")
    failed = []
    for number, name in enumerate(names, start=1):
        print(f"[{number}/{len(names)}] {name}", flush=True)
        begun = time.perf_counter()
        # This process stays small: on Linux a child's peak memory starts at that of its parent.
        if subprocess.run(command(name, quick, output), check=False).returncode:
            failed.append(name)
        print(f"[{number}/{len(names)}] {name}: {time.perf_counter() - begun:.0f} s", flush=True)
    if failed:
        raise ValueError(f"{', '.join(failed)} failed; see above")
    if not quick and output is None:
        print("now write the numbers into the README: python -m benchmarks.readme")


def command(name: str, quick: bool, output: Path | None) -> list[str]:
    """The command line of one benchmark."""
    words = [sys.executable, "-m", f"benchmarks.{name}"]
    if quick:
        words += TINY[name]
    if name == "full_size" and (quick or "RETRIEVAL_REAL_DATA" not in os.environ):
        words.append("--simulate_attributes")
    folder = output or (QUICK_OUTPUT if quick else None)
    return words + (["--output", str(folder)] if folder else [])


if __name__ == "__main__":
    start(run, "run", EXAMPLES, FLAGS)
