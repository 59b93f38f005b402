"""All turns of all targets at the full size of CelebA: exact ranks by ours, and the first hundred by faiss."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from benchmarks.rankers import Answer, Way
    from benchmarks.simulated import Faces
    from multiturn.gallery import Gallery

EXAMPLES = """examples:
  python -m benchmarks.search_whole
  python -m benchmarks.search_whole --batch_size 128
  python -m benchmarks.search_whole --candidates 5000 --targets 300 --batch_size 64 --output runs/bench
"""
WAYS = {
    "search": "this toolkit: `search` over `VectorScores`",
    "faiss_100": "faiss `IndexFlatL2`, k = 100",
}
KINDS = {
    "simulated features": "a query is the mean of what was seen of its target so far",
    "random normal": "queries have nothing to do with their targets",
}


def search_whole(
    candidates: int = 202_599,
    targets: int = 22_599,
    dim: int = 256,
    turns: int = 5,
    batch_size: int = 1024,
    checked: int = 40,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Time every turn of every target, batch by batch in turn: ours, faiss, faiss, ours, ...

    Ours gives the nearest, and the exact rank of the target with its bounds of ties. faiss gives the nearest hundred
    and no rank. It gets its queries in the same batches and multiplies matrices for all of them, which it would not do
    for small ones by itself. The simulated features are made of CelebA's attribute vectors if RETRIEVAL_REAL_DATA names
    the real data, and of drawn ones if not.

    Args:
        candidates: vectors in the gallery.
        targets: the last so many of them are looked for.
        dim: of a vector.
        turns: queries of a target; by turn t, simulated ones have seen it t times, with other noise each time.
        batch_size: targets at once.
        checked: ranks and nearest candidates of each turn that are computed again in float64.
        seed: of all draws.
        output: folder for search_whole.json; benchmarks/results if not given.
    Raises:
        RuntimeError: an answer of ours does not hold.
    """
    settings = {name: value for name, value in locals().items() if name != "output"}
    for name in ("targets", "turns", "batch_size", "checked"):
        at_least(name, settings[name], 1)
    if targets >= candidates:
        raise ValueError(f"targets must be fewer than the {candidates} candidates, not {targets}")
    from multiturn.faiss_library import products

    kinds = {kind: _measure(kind, settings) for kind in KINDS}
    for kind, measured in kinds.items():
        ways = measured["ways"]
        print(f"{kind}: " + ", ".join(f"{way} {sum(found['seconds']):.1f} s" for way, found in ways.items()))
    return save("search_whole", settings, {"kinds": kinds, "faiss_products": products()}, output)


def _measure(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    import torch
    from tqdm.auto import tqdm

    from benchmarks.rankers import Batch, by_search, check, faiss_index, first_of

    gallery, faces = _gallery(kind, settings)
    positions = torch.arange(settings["candidates"] - settings["targets"], settings["candidates"])
    batches = positions.split(settings["batch_size"])
    sample = positions[torch.linspace(0, len(positions) - 1, settings["checked"]).long().unique()]
    index, seconds = faiss_index(gallery.vectors), {way: [0.0] * settings["turns"] for way in WAYS}
    right = {way: 0 for way in ("nearest", "ranks", "faiss_nearest")}
    queries = torch.zeros(len(positions), settings["dim"])
    for turn in range(settings["turns"]):
        queries = _queries(kind, queries, positions, faces, settings, turn)
        for number, some in enumerate(tqdm(batches, desc=f"{kind}, turn {turn + 1}", leave=False)):
            batch = Batch(gallery, queries[some - positions[0]], some)
            ways: dict[str, Way] = {
                "search": lambda batch=batch: by_search(batch),
                "faiss_100": lambda batch=batch: first_of(index, batch.queries, 100),
            }
            if turn == number == 0:
                # The index is full; a gallery is quantised when it is asked again, and again if 8 bits are too few.
                for way in (*[ways["search"]] * 3, ways["faiss_100"]):
                    way()
            answers = _in_turn(ways, number, seconds, turn)
            rows = torch.isin(some, sample).nonzero()[:, 0]
            found = check(batch, answers, f"{kind}, checking", rows)
            right["nearest"] += found["search"]["nearest"] or 0
            right["ranks"] += found["search"]["ranks"] or 0
            right["faiss_nearest"] += found["faiss_100"]["nearest"] or 0
    wanted = len(sample) * settings["turns"]
    if right["nearest"] != wanted or right["ranks"] != wanted:
        raise RuntimeError(f"{kind}: of {wanted} answers of ours only {right} hold in float64")
    own = sum(seconds["search"])
    measured = {way: {"seconds": taken, "times_ours": sum(taken) / own} for way, taken in seconds.items()}
    return {"source": gallery.source, "ways": measured, "checked": wanted, "right": right}


def _in_turn(ways: Mapping[str, Way], number: int, seconds: dict[str, list[float]], turn: int) -> dict[str, Answer]:
    """The answers of each way; every other batch the other way begins."""
    from benchmarks.rankers import REST

    answers = {}
    for way in list(ways)[:: 1 if number % 2 == 0 else -1]:
        time.sleep(REST)
        begun = time.perf_counter()
        answers[way] = ways[way]()
        seconds[way][turn] += time.perf_counter() - begun
    return answers


def _gallery(kind: str, settings: Mapping[str, Any]) -> tuple[Gallery, Faces | None]:
    from benchmarks.search import random_normal
    from benchmarks.simulated import NOISE, load_attributes, real_data_is_there, simulated_gallery

    candidates, dim, seed = (settings[name] for name in ("candidates", "dim", "seed"))
    if kind == "random normal":
        return random_normal(candidates, dim, 1, seed).gallery, None
    faces = load_attributes(candidates, not real_data_is_there(), seed)
    return simulated_gallery(faces, dim, NOISE, seed), faces


def _queries(
    kind: str, before: Any, positions: Any, faces: Faces | None, settings: Mapping[str, Any], turn: int
) -> Any:
    """Queries of a turn; those of simulated features are means with what was seen before."""
    import torch

    from benchmarks.simulated import NOISE, simulated_features

    dim, seed = settings["dim"], settings["seed"]
    if faces is None:
        return torch.randn(before.shape, generator=torch.Generator().manual_seed(seed + 1 + turn))
    seen = simulated_features(faces.attributes[positions], dim, NOISE, seed, draw=turn + 1)
    return (before * turn + seen) / (turn + 1)


def table_of_whole_search(result: Mapping[str, Any]) -> str:
    """The page's block: seconds of all turns of all targets."""
    from benchmarks.blocks import machine_line, multiplied_by
    from multiturn.report.tables import markdown_table

    settings, kinds = result["settings"], result["kinds"]
    table = [["All turns of all targets", *(kind.capitalize() for kind in kinds), "Right nearest", "Right ranks"]]
    checked = sum(kind["checked"] for kind in kinds.values())
    for way, words in WAYS.items():
        times = [(sum(kind["ways"][way]["seconds"]), kind["ways"][way]["times_ours"]) for kind in kinds.values()]
        cells = [f"{seconds:,.1f} s ({ratio:.1f} ×)" for seconds, ratio in times]
        nearest = "nearest" if way == "search" else "faiss_nearest"
        right = [sum(kind["right"][name] for kind in kinds.values()) for name in (nearest, "ranks")]
        ranks = f"{right[1]:,} of {checked:,}" if way == "search" else "returns none"
        table.append([words, *cells, f"{right[0]:,} of {checked:,}", ranks])
    ranked = settings["targets"] * settings["turns"]
    pace = [f"{1e3 * sum(kind['ways']['search']['seconds']) / ranked:.3f}" for kind in kinds.values()]
    note = (
        f"{settings['targets']:,} targets of {settings['turns']} turns among {settings['candidates']:,} vectors of "
        f"{settings['dim']} dimensions, {settings['batch_size']:,} targets at once, both ways batch by batch in one "
        f"process; ours takes {' and '.join(pace)} ms a rank. The features are "
        f"{kinds['simulated features']['source']}, and {KINDS['simulated features']}; random {KINDS['random normal']}. "
        f"faiss multiplies matrices for all batches{multiplied_by(result)}. "
        f"Right: it holds when all distances are computed in float64, of {checked:,} that were. "
    )
    return markdown_table(table, note + machine_line(result))


if __name__ == "__main__":
    start(search_whole, "search_whole", EXAMPLES)
