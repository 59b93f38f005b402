"""Measuring an index against exact search of the same queries in the same process."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor

from multiturn.certificates.queries import Queries, Scorer
from multiturn.certificates.record import Certificate, Recall, Speed, records_of
from multiturn.faiss_index import FaissIndex
from multiturn.index import Index, Together, search_proposed
from multiturn.region_scoring import RegionFormula
from multiturn.search import search

AT = (1, 10, 100)
BATCH = 64
_ALONE = 50  # queries that are timed one by one, and
_ROUNDS = 5  # times that batches are timed, after one more that warms up


def measure(
    index: Index,
    folder: Path,
    queries: Queries,
    at: Sequence[int] = AT,
    page: int = 10,
    formula: RegionFormula | None = None,
) -> Certificate:
    """Compare pages that an index proposes with the exact ones.

    Args:
        index: saved in `folder`; of several together the first, and the others in the folders beside it.
        at: k of recall@k; those larger than the gallery, less what is hidden, are left out.
        page: candidates a query in the measurements of time.
        formula: of regions; Drill-down's if not given.
    Raises:
        ValueError: no k fits the gallery; queries that the index refuses.
    """
    gallery = index.gallery
    scorer = Scorer.of(gallery, index.similarity, formula or RegionFormula())
    room = len(gallery) - (queries.hidden is not None)
    ks = sorted({k for k in at if 1 <= k <= room})
    if not ks:
        raise ValueError(f"recall at {list(at)} cannot be had among {room} candidates; ask for 1..{room}")
    page = min(page, room)
    exact, tied = _exact(scorer, queries, ks, room)
    recall, short = [], 0.0
    for k in ks:
        share, short = _recall(index, scorer, queries, exact[:, k - 1], k)
        recall.append(Recall(k, share, *wilson(share, len(queries))))

    ways = _Ways(index, scorer, queries, page)
    single = _alternated([slice(row, row + 1) for row in range(min(_ALONE, len(queries)))], ways, 1)
    batched = _alternated(_batches(len(queries)), ways, _ROUNDS)
    return Certificate(
        records_of(index, folder),
        gallery.source,
        len(gallery),
        gallery.vectors.shape[-1],
        len(queries),
        queries.about,
        tuple(recall),
        tied,
        short,
        page,
        single,
        batched,
        min(BATCH, len(queries)),
        _machine(index),
    )


def wilson(share: float, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share, which keeps a width where every trial went well.

    Of a mean of shares, one a query, it is wide rather than narrow: numbers in [0, 1] vary most where they are 0 or 1.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    Example:
        >>> [round(end, 4) for end in wilson(1.0, 100)]
        [0.963, 1.0]
    """
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _batches(queries: int) -> list[slice]:
    return [slice(first, min(first + BATCH, queries)) for first in range(0, queries, BATCH)]


def _exact(
    scorer: Scorer, queries: Queries, ks: Sequence[int], room: int
) -> tuple[Float64[Tensor, "query place"], float]:
    """Scores of the exact answers, and the share of their places whose score the next place has, too."""
    wide = min(ks[-1] + 1, room)
    parts = [
        search(scorer.prepared(queries.vectors[rows], True)(), wide, hidden=queries.hidden_of(rows)).scores
        for rows in _batches(len(queries))
    ]
    scores = torch.cat(parts)
    tied = (scores[:, :-1] == scores[:, 1:]).double().mean() if wide > 1 else torch.zeros(())
    return scores, float(tied)


def _recall(
    index: Index, scorer: Scorer, queries: Queries, least: Float64[Tensor, " query"], k: int
) -> tuple[float, float]:
    """Share of a page of k that scores as high as the exact page's last, and share of queries searched exactly."""
    hits, short = 0, 0
    for rows in _batches(len(queries)):
        scores = scorer.prepared(queries.vectors[rows], False)()
        proposed = search_proposed(scores, index, k, queries.hidden_of(rows))
        hits += int((proposed.found.scores >= least[rows, None]).sum())
        short += int(proposed.short.sum())
    return hits / (k * len(queries)), short / len(queries)


@dataclass(frozen=True)
class _Ways:
    """The two ways to a page that are timed."""

    index: Index
    scorer: Scorer
    queries: Queries
    page: int

    def of(self, rows: slice) -> tuple[Callable[[], object], Callable[[], object]]:
        """By the index, and exactly; each from what a session has when a reply comes."""
        vectors, hidden = self.queries.vectors[rows], self.queries.hidden_of(rows)
        fresh, carried = self.scorer.prepared(vectors, False), self.scorer.prepared(vectors, True)
        return (
            lambda: search_proposed(fresh(), self.index, self.page, hidden),
            lambda: search(carried(), self.page, hidden=hidden),
        )


def _alternated(parts: Sequence[slice], ways: _Ways, rounds: int) -> Speed:
    """Medians over rounds and parts of milliseconds a query, the two ways in turns after one that is not counted."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(-1, rounds):
        for rows in parts[:3] if number < 0 else parts:
            for way, own in zip(ways.of(rows), taken, strict=True):
                _wait_for_gpu()  # for what was made ready
                start = time.perf_counter()
                way()
                _wait_for_gpu()
                if number >= 0:
                    own.append(1000 * (time.perf_counter() - start) / (rows.stop - rows.start))
    return Speed(statistics.median(taken[0]), statistics.median(taken[1]))


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _machine(index: Index) -> dict[str, object]:
    from multiturn.faiss_library import faiss, products

    parts = index.indexes if isinstance(index, Together) else (index,)
    return {
        "faiss": faiss.__version__,
        "faiss_products": products(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": str(index.gallery.vectors.device),
        "index_on_gpu": any(isinstance(one, FaissIndex) and one.on_gpu for one in parts),
    }
