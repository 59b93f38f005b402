"""Time and memory of exact ranks against regions, at three sizes each of sessions, turns and gallery."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.program import save, start
from multiturn.settings import at_least

EXAMPLES = """examples:
  python -m benchmarks.scaling
  python -m benchmarks.scaling --images 100 --sessions 32 --turns 2 --batch_size 16 --output runs/bench
"""
TIMES = (1, 2, 4)
GROWING = ("sessions", "turns", "images")


def scaling(
    images: int = 1000,
    regions: int = 36,
    dim: int = 256,
    states: int = 5,
    turns: int = 5,
    sessions: int = 1024,
    batch_size: int = 512,
    rounds: int = 3,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Rank targets at once, twice and four times the sessions, the turns or the images, each in a process of its own.

    Args:
        images: in the smallest gallery.
        regions: of an image.
        dim: of a vector.
        states: state vectors a session.
        turns: of the shortest sessions.
        sessions: fewest.
        batch_size: sessions at once.
        rounds: repetitions of each size, in alternation; medians count.
        seed: of all draws.
        output: folder for scaling.json; benchmarks/results if not given.
    """
    settings = {name: value for name, value in locals().items() if name != "output"}
    for name in ("images", "regions", "dim", "states", "turns", "sessions", "batch_size", "rounds"):
        at_least(name, settings[name], 1)
    grown = {}
    for what in GROWING:
        sizes = [settings | {what: settings[what] * times} for times in TIMES]
        found = [[in_own_process(size) for size in sizes] for _ in range(rounds)]
        grown[what] = [
            {what: size[what]} | {name: median(one[name] for one in repeated) for name in repeated[0]}
            for size, repeated in zip(sizes, zip(*found, strict=True), strict=True)
        ]
        print(f"{what}: " + ", ".join(f"{one[what]:,}: {one['seconds']:.2f} s" for one in grown[what]))
    return save("scaling", settings, {"grown": grown}, output)


def in_own_process(size: Mapping[str, int]) -> dict[str, float]:
    """`measured` in a new process, whose peak of memory is that of this size alone."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measured, dict(size)).result()


def measured(size: Mapping[str, int]) -> dict[str, float]:
    """Seconds of ranking, and megabytes: of the gallery as given, and of each part at its peak."""
    import torch

    from benchmarks.region_rankers import by_state_scores, random_sessions
    from multiturn.region_scoring import RegionVectors

    arguments = (size[name] for name in ("images", "regions", "dim", "sessions", "turns", "states", "seed"))
    played = random_sessions(*arguments)
    before = _megabytes()
    laid_out = RegionVectors(played.images, torch.ones(played.images.shape[:2], dtype=torch.bool))
    warm = type(played)(played.images, played.vectors[:1, :1], played.targets[:1], played.slots)
    by_state_scores(warm, laid_out, 1, 1)  # compiles the kernel, lays the regions out
    laid_out_megabytes, ready = _peak_megabytes() - before, _megabytes()
    begun = time.perf_counter()
    by_state_scores(played, laid_out, 1, size["batch_size"])
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "gallery_megabytes": played.images.nbytes / 1e6,
        "laid_out_megabytes": laid_out_megabytes,
        "ranking_megabytes": _peak_megabytes() - ready,
    }


def _megabytes() -> float:
    """What is in memory now, from where a new peak begins; elsewhere than on Linux the peak since the beginning."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak_megabytes()


def _peak_megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def table_of_scaling(result: Mapping[str, Any]) -> str:
    """The README's block: seconds and memory, a row a size."""
    from benchmarks.blocks import machine_line
    from multiturn.report.tables import markdown_table

    settings = result["settings"]
    table = [["Grown", "Size", "Seconds", "Times the first", "Gallery, MB", "Layout, MB", "Ranking, MB"]]
    for what, sizes in result["grown"].items():
        for one in sizes:
            share = one["seconds"] / sizes[0]["seconds"]
            memory = [f"{one[f'{part}_megabytes']:,.0f}" for part in ("gallery", "laid_out", "ranking")]
            table.append([what, f"{one[what]:,}", f"{one['seconds']:.2f}", f"{share:.1f}", *memory])
    note = (
        f"From {settings['sessions']:,} sessions of {settings['turns']} turns, {settings['states']} state vectors and "
        f"{settings['images']:,} images of {settings['regions']} regions of {settings['dim']} numbers, "
        f"{settings['batch_size']:,} sessions at once; medians of {settings['rounds']} alternating repetitions, each "
        "in a process of its own. Memory is what each part needs at its peak, beside what was there before it. "
    )
    return markdown_table(table, note + machine_line(result))


if __name__ == "__main__":
    start(scaling, "scaling", EXAMPLES)
