"""Ranks in sessions of several state vectors against images of many regions: the classic ranker against ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from benchmarks.region_rankers import Played

EXAMPLES = """examples:
  python -m benchmarks.regions
  python train.py --task vg-drilldown --model.states 5 --model.dim 256 --joint.epochs 1 --single_state false \\
      --output_dir runs/drilldown-5x256
  python -m benchmarks.regions --checkpoint runs/drilldown-5x256
  python -m benchmarks.regions --images 9896 --sessions 512 --classic_sessions 20
  python -m benchmarks.regions --images 200 --sessions 64 --classic_sessions 4 --rounds 1 --output runs/bench
"""
KEPT = {"16": "int16", "8": "int8", "0": "left out"}
SHORT = {"classic": "the classic ranker", "ours": "ours"}
KINDS = {"random": 0.0, "near their targets": 0.3}  # share of a region of the target in a state vector


def regions(
    images: int = 1000,
    regions: int = 36,
    dim: int = 256,
    states: int = 5,
    turns: int = 10,
    sessions: int = 1000,
    classic_sessions: int = 50,
    batch_size: int = 1000,
    page: int = 1,
    rounds: int = 5,
    seed: int = 0,
    checkpoint: str | None = None,
    output: Path | None = None,
) -> dict[str, Any]:
    """Time exact ranks of sessions by the classic ranker, by ours, and by ours without the compiled kernel.

    The classic ranker takes sessions one by one; a sample of them is enough to know its pace.

    Args:
        images: in the gallery.
        regions: of an image.
        dim: of a vector.
        states: state vectors a session; turn t writes state t mod this.
        turns: of a session.
        sessions: each with a target whose rank is wanted after each turn.
        classic_sessions: so many of them are ranked by the classic ranker, and checked in float64.
        batch_size: sessions at once in ours.
        page: best images that ours finds beside the rank; the classic ranker sorts them all.
        rounds: repetitions of each way, in alternation; the median counts.
        seed: of all draws.
        checkpoint: a trained vg-drilldown of this shape, whose sessions are ranked, too.
        output: folder for regions.json; benchmarks/results if not given.
    """
    settings = {name: value for name, value in locals().items() if name not in ("checkpoint", "output")}
    for name in ("classic_sessions", "batch_size", "page", "rounds", "states", "turns"):
        at_least(name, settings[name], 1)
    if classic_sessions > sessions:
        raise ValueError(f"classic_sessions are at most the {sessions} sessions, not {classic_sessions}")
    from benchmarks.region_rankers import peaks, random_sessions

    learned = None if checkpoint is None else trained(checkpoint, settings)
    peak = peaks()
    kinds = {}
    for kind in (*KINDS, *(["of a trained model"] if learned else [])):
        if kind in KINDS:
            played = random_sessions(images, regions, dim, sessions, turns, states, seed, KINDS[kind])
        else:
            assert learned is not None
            played = learned
        kinds[kind] = measure(played, settings, peak)
        ways = kinds[kind]["ways"]
        print(f"{kind}: " + ", ".join(f"{way} {1e6 * ways[way]['median']:.1f} us a rank" for way in ways))
    return save("regions", settings, {"gemm_gflops": peak, "kinds": kinds, "processes": "one a way"}, output)


def trained(checkpoint: str, settings: Mapping[str, Any]) -> Played:
    """Sessions of a checkpoint, if they are of the shape of the others.

    Raises:
        ValueError: they are not.
    """
    from benchmarks.trained_sessions import trained_sessions

    played, name = trained_sessions(checkpoint, settings["sessions"])
    shape = dict(zip(("images", "regions", "dim"), played.images.shape, strict=True))
    shape |= {"turns": len(played.vectors), "states": played.slots}
    wrong = {name: number for name, number in shape.items() if number != settings[name]}
    if wrong:
        told = " ".join(f"--{name} {number}" for name, number in wrong.items())
        raise ValueError(f"{name} has other sizes than are to be measured; measure with {told}")
    return played


def measure(played: Played, settings: Mapping[str, Any], peak: Mapping[str, float]) -> dict[str, Any]:
    """Seconds a rank of each way, their ratios, shares of the peak, and which ranks hold in float64."""
    from benchmarks.region_rankers import agreement
    from benchmarks.region_ways import Task, alternate
    from multiturn.region_scoring.kernel import kernel

    task = Task(played, settings["classic_sessions"], settings["page"], settings["batch_size"])
    repetitions = alternate(task, settings["rounds"])
    seconds = {way: [repetition.seconds_a_rank for repetition in some] for way, some in repetitions.items()}
    ranks = {way: some[-1].ranks for way, some in repetitions.items()}
    own = median(seconds["ours"])
    _, regions, dim = played.images.shape
    operations = 2e-9 * len(played.images) * regions * dim  # of one rank: the products with one new vector
    compiled = kernel()
    ways = {
        name: {
            "median": median(taken),
            "seconds": taken,
            "times_ours": median(taken) / own,
            "gflops": operations / median(taken),
            "share_of_peak": {kind: operations / median(taken) / rate for kind, rate in peak.items()},
        }
        for name, taken in seconds.items()
    }
    right = agreement(played, ranks, settings["classic_sessions"])
    if right["ours"]["right"] != right["ours"]["of"]:
        raise RuntimeError(f"of {right['ours']['of']} ranks of ours only {right['ours']['right']} hold in float64")
    same = bool((ranks["ours"].best == ranks["pytorch"].best).all())
    products = "float32"
    if compiled is not None and compiled.fast_integers:
        products = f"integers with {'AMX' if compiled.amx else 'AVX-512' if compiled.lanes == 16 else 'AVX2'}"
    bits = repetitions["ours"][-1].bits
    return {"ways": ways, "agreement": right, "same_without_kernel": same, "products": products, "bits": bits}


def table_of_regions(result: Mapping[str, Any]) -> str:
    """The README's block: times of a rank, and how many ranks hold in float64."""
    from benchmarks.blocks import machine_line
    from benchmarks.region_ways import WAYS
    from multiturn.report.tables import markdown_table

    settings, kinds, peak = result["settings"], result["kinds"], result["gemm_gflops"]
    table = [["One rank of one session", *(f"States {kind}" for kind in kinds), "Right ranks"]]
    for name, words in WAYS.items():
        ways = [kind["ways"][name] for kind in kinds.values()]
        times = [f"{1e6 * way['median']:,.1f} µs ({way['times_ours']:.1f} ×)" for way in ways]
        right = [kind["agreement"][name] for kind in kinds.values()]
        table.append([words, *times, f"{sum(r['right'] for r in right):,} of {sum(r['of'] for r in right):,}"])
    first = next(iter(kinds.values()))["ways"]
    ours, goal = first["ours"], 100 * first["ours"]["gflops"] / first["classic"]["times_ours"]
    kept = "; ".join(
        f"states {name}: {' and '.join(f'{n} {KEPT[bits]}' for bits, n in kind['bits'].items() if n)}"
        for name, kind in kinds.items()
        if kind.get("bits")
    )
    spread = {
        name: [1e6 * second for kind in kinds.values() for second in kind["ways"][name]["seconds"]] for name in WAYS
    }
    spreads = [f"{min(spread[name]):,.0f} to {max(spread[name]):,.0f} µs by {words}" for name, words in SHORT.items()]
    where = "each way in a process of its own" if result.get("processes") == "one a way" else "all in one process"
    note = (
        f"{settings['sessions']:,} sessions of {settings['turns']} turns and {settings['states']} state vectors among "
        f"{settings['images']:,} images of {settings['regions']} regions of {settings['dim']} numbers; medians of "
        f"{settings['rounds']} alternating repetitions, {where}, and how many times ours. Single repetitions took "
        f"{' and '.join(spreads)}. Ours screens by "
        f"products of {next(iter(kinds.values()))['products']}{f' (numbers of a vector: {kept})' if kept else ''}, and "
        f"with states {next(iter(kinds))} multiplies at "
        f"{ours['gflops']:,.0f} GFLOP/s, all included: {ours['share_of_peak']['float32']:.2f} of the "
        f"{peak['float32']:,.0f} that PyTorch's float32 products reach here, and "
        f"{ours['share_of_peak']['bfloat16']:.2f} of the {peak['bfloat16']:,.0f} of its bfloat16 products; to be 100 "
        f"times as fast as the classic ranker would take {goal:,.0f} GFLOP/s. Right: it holds when all scores are "
        f"computed in float64, of the {settings['classic_sessions']} sessions that the classic ranker ranked. "
    )
    return markdown_table(table, note + machine_line(result))


if __name__ == "__main__":
    start(regions, "regions", EXAMPLES)
