"""One turn of a batch of sessions: nearest neighbours and exact ranks, against a plain loop, a table and faiss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from benchmarks.rankers import Batch

EXAMPLES = """examples:
  python -m benchmarks.search
  python -m benchmarks.search --candidates 5000 --sessions 16 --rounds 2 --output runs/bench
"""


def search(
    candidates: int = 202_599,
    dim: int = 256,
    sessions: int = 128,
    rounds: int = 5,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Time the nearest neighbours and ranks of one turn, in seven ways, on two kinds of vectors.

    The simulated features are made of CelebA's attribute vectors if RETRIEVAL_REAL_DATA names the real data, and of
    drawn ones if not. faiss returns no ranks.

    Args:
        candidates: vectors in the gallery.
        dim: of a vector.
        sessions: queries, each with a target.
        rounds: repetitions of each way, in alternation; the median counts.
        seed: of all draws.
        output: folder for search.json; benchmarks/results if not given.
    """
    from benchmarks.rankers import compare
    from multiturn.faiss_library import products

    for name, value, least in (("candidates", candidates, 2), ("sessions", sessions, 1), ("rounds", rounds, 1)):
        at_least(name, value, least)
    kinds = {}
    for kind, batch in (
        ("random normal", random_normal(candidates, dim, sessions, seed)),
        ("simulated features", simulated(candidates, dim, sessions, seed)),
    ):
        ways = compare(batch, rounds, kind)
        kinds[kind] = {"source": batch.gallery.source, "ways": ways}
        print(f"{kind}: " + ", ".join(f"{name} {way['median']:.3f} s" for name, way in ways.items()))
    settings = {"candidates": candidates, "dim": dim, "sessions": sessions, "rounds": rounds, "seed": seed}
    return save("search", settings, {"kinds": kinds, "faiss_products": products()}, output)


def random_normal(candidates: int, dim: int, sessions: int, seed: int) -> Batch:
    """Vectors, queries and targets that have nothing to do with each other."""
    import torch

    from benchmarks.rankers import Batch
    from multiturn.gallery import Gallery

    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(candidates, dim, generator=generator)
    names = tuple(f"{number:06d}" for number in range(candidates))
    queries = torch.randn(sessions, dim, generator=generator)
    targets = torch.randint(candidates, (sessions,), generator=generator)
    return Batch(Gallery(names, vectors, "random", "random normal vectors"), queries, targets)


def simulated(candidates: int, dim: int, sessions: int, seed: int) -> Batch:
    """Clustered vectors, and queries near their targets, as late in a session."""
    import torch

    from benchmarks.rankers import Batch
    from benchmarks.simulated import NOISE, load_attributes, real_data_is_there, simulated_features, simulated_gallery

    faces = load_attributes(candidates, not real_data_is_there(), seed)
    gallery = simulated_gallery(faces, dim, NOISE, seed)
    targets = torch.randint(candidates, (sessions,), generator=torch.Generator().manual_seed(seed + 1))
    queries = simulated_features(faces.attributes[targets], dim, NOISE, seed, draw=1)
    return Batch(gallery, queries, targets)


if __name__ == "__main__":
    start(search, "search", EXAMPLES)
