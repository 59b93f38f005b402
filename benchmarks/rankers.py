"""Ways to find nearest neighbours and ranks of targets, timed in alternation and checked in float64."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from benchmarks.reference import is_nearest, rank_bracket, squared_distances
from multiturn.gallery import Gallery
from multiturn.ranks import Ranks, ranks_of_targets
from multiturn.scoring import VectorScores
from multiturn.search import search

REST = 0.1  # seconds; another library's idle threads spin for a while and would slow the next way down


@dataclass(frozen=True)
class Batch:
    """One turn of a batch of sessions."""

    gallery: Gallery
    queries: Float[Tensor, "session dim"]
    targets: Int[Tensor, " session"]


@dataclass(frozen=True)
class Answer:
    """Nearest candidates, and ranks of the targets where a way gives them."""

    nearest: Int[Tensor, " session"]
    ranks: Ranks | None


Way = Callable[[], Answer]


def by_search(batch: Batch, vectors: Tensor | None = None) -> Answer:
    """Ours: a quantised screen where the processor has one, counting, and float64 for what is too close to call."""
    vectors = batch.gallery.vectors if vectors is None else vectors
    found = search(VectorScores(batch.queries, vectors, batch.gallery.norms, "l2"), 1, batch.targets)
    return Answer(found.positions[:, 0], found.ranks)


def by_blocks(batch: Batch) -> Answer:
    """Ours for a gallery that is asked once, or on another processor: float32 blocks in place of the screen."""
    return by_search(batch, batch.gallery.vectors.view_as(batch.gallery.vectors))


def by_loop(batch: Batch) -> Answer:
    """As older code does it: for each query all distances, an argsort, and the place of the target in it."""
    nearest, places = [], []
    for query, target in zip(batch.queries, batch.targets, strict=True):
        order = (batch.gallery.vectors - query).norm(dim=1).argsort()
        nearest.append(order[0])
        places.append((order == target).nonzero()[0, 0] + 1)
    ranks = torch.stack(places)
    return Answer(torch.stack(nearest), Ranks(ranks, ranks, len(batch.gallery)))


def by_table(batch: Batch) -> Answer:
    """A plain good way: one matrix product for the whole table of float32 scores, and counting."""
    vectors, norms = batch.gallery.vectors, batch.gallery.norms
    table = torch.addmm(-norms.square().float(), batch.queries, vectors.T, alpha=2)
    return Answer(table.argmax(1), ranks_of_targets(table, batch.targets))


def faiss_index(vectors: Float[Tensor, "candidate dim"]) -> Any:
    """faiss's exact index, filled, with as many threads as torch."""
    from multiturn.faiss_library import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index: Any = faiss.IndexFlatL2(vectors.shape[1])
    index.add(vectors.numpy())
    return index


def first_of(index: Any, queries: Float[Tensor, "session dim"], k: int, matrices: bool = True) -> Answer:
    """The first `k` of each query by faiss, which returns no ranks.

    Args:
        matrices: multiply matrices; by itself faiss 1.15 computes each distance for itself in batches of some hundreds
            and fewer, which takes several times as long.
    """
    from multiturn.faiss_library import faiss

    by_itself = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 1 if matrices else by_itself
    try:
        nearest = index.search(queries.numpy(), min(k, index.ntotal))[1][:, 0]
    finally:
        faiss.cvar.distance_compute_blas_threshold = by_itself
    return Answer(torch.from_numpy(nearest), None)


def compare(batch: Batch, rounds: int, title: str) -> dict[str, Any]:
    """Time all ways in alternation, A B C D A B C D, and check their answers.

    Args:
        rounds: repetitions that count; one more goes before, to warm up.
    Returns:
        for each way its seconds, their median, how many times longer it takes than ours, and how many of its
        answers hold in float64; ranks None where a way returns none.
    Raises:
        RuntimeError: an answer of ours does not hold.
    """
    # As faiss's index is filled once, norms are made once a gallery; it is quantised when it is asked again, and once
    # more if bits are too few.
    for _ in range(3):
        by_search(batch)
    index = faiss_index(batch.gallery.vectors)
    ways: dict[str, Way] = {
        "search": lambda: by_search(batch),
        "blocks": lambda: by_blocks(batch),
        "loop": lambda: by_loop(batch),
        "table": lambda: by_table(batch),
        "faiss": lambda: first_of(index, batch.queries, 1),
        "faiss_100": lambda: first_of(index, batch.queries, 100),
        "faiss_100_by_itself": lambda: first_of(index, batch.queries, 100, matrices=False),
    }
    seconds, answers = alternate(ways, rounds, title)
    agreement = check(batch, answers, title)
    sessions = len(batch.targets)
    for ours in (agreement["search"], agreement["blocks"]):
        if ours != {"nearest": sessions, "ranks": sessions}:
            raise RuntimeError(f"{title}: of {sessions} answers of ours only {ours} hold in float64")
    own = median(seconds["search"])
    return {
        name: {
            "median": median(taken),
            "seconds": taken,
            "times_ours": median(taken) / own,
            "right": agreement[name],
        }
        for name, taken in seconds.items()
    }


def alternate(ways: Mapping[str, Way], rounds: int, title: str) -> tuple[dict[str, list[float]], Mapping[str, Answer]]:
    """Run each way once a round, in turn; returns the seconds of all rounds but the first, and the last answers."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, Answer] = {}
    with tqdm(total=(rounds + 1) * len(ways), desc=title, leave=False) as bar:
        for number in range(rounds + 1):
            for name, way in ways.items():
                time.sleep(REST)
                begun = time.perf_counter()
                answers[name] = way()
                if number > 0:
                    seconds[name].append(time.perf_counter() - begun)
                bar.update()
    return seconds, answers


def check(
    batch: Batch, answers: Mapping[str, Answer], title: str, rows: Int[Tensor, " some"] | None = None
) -> dict[str, dict[str, int | None]]:
    """Count the answers of some sessions, or all, that hold in float64; equal distances may come in any order."""
    right: dict[str, dict[str, int | None]] = {
        name: {"nearest": 0, "ranks": None if answer.ranks is None else 0} for name, answer in answers.items()
    }
    rows = torch.arange(len(batch.targets)) if rows is None else rows
    for row in tqdm(rows.tolist(), desc=f"{title}, checking", leave=False, disable=len(rows) == 0):
        target = int(batch.targets[row])
        distances = squared_distances(batch.gallery.vectors, batch.queries[row])
        low, high = rank_bracket(distances, target)
        for name, answer in answers.items():
            right[name]["nearest"] += is_nearest(distances, int(answer.nearest[row]))  # type: ignore[operator]
            if answer.ranks is not None:
                best, worst = int(answer.ranks.best[row]), int(answer.ranks.worst[row])
                right[name]["ranks"] += low <= best <= worst <= high  # type: ignore[operator]
    return right
