"""Claims about exact search: it equals sorting everything in float64, on whatever data and in whatever blocks."""

import itertools

import numpy as np
import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.index import ExactIndex, Index
from multiturn.scoring import DenseScores, Scores, VectorScores
from multiturn.search import Found, search

SIMILARITIES = ("l2", "dot", "cosine")


def draw(kind: str, candidates: int, dim: int, seed: int, sessions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Queries and a gallery, float32."""
    rng = np.random.default_rng(seed)
    queries, vectors = rng.normal(size=(sessions, dim)), rng.normal(size=(candidates, dim))
    match kind:
        case "duplicates":
            vectors = vectors[rng.integers(0, max(1, candidates // 5), candidates)]
        case "equal":
            vectors[:] = vectors[0]
        case "integers":
            queries, vectors = rng.integers(1, 3, queries.shape), rng.integers(1, 3, vectors.shape)
        case "close":  # closer to each other than float32 can tell from far away
            vectors = 1 + rng.integers(0, 8, vectors.shape) * 2.0**-23
        case "tiny":
            queries, vectors = queries * 1e-18, vectors * 1e-18
        case "huge":
            queries, vectors = queries * 1e17, vectors * 1e17
        case "uneven":
            vectors *= 10 ** rng.uniform(-8, 8, (candidates, 1))
        case "far":
            queries = queries * 1e6
        case "sparse":
            vectors[:, 1:] *= rng.random((candidates, dim - 1)) < 0.02
        case "zeros":
            vectors[:] = 0
    return queries.astype(np.float32), vectors.astype(np.float32)


def table(queries: np.ndarray, vectors: np.ndarray, similarity: str) -> np.ndarray:
    """All scores in float64; rows of equal numbers get equal bits, since each is summed alone."""
    q, g = queries.astype(np.float64), vectors.astype(np.float64)
    products = np.array([[float(np.sum(one * other)) for other in g] for one in q])
    if similarity == "dot":
        return products
    if similarity == "cosine":
        lengths, norms = (np.array([float(np.sqrt(np.sum(one * one))) for one in rows]) for rows in (q, g))
        return products / np.outer(lengths, norms)
    return -np.array([[float(np.sum((one - other) ** 2)) for other in g] for one in q])


def check(found: Found, exact: np.ndarray, watched: np.ndarray, page: int, hidden: np.ndarray | None = None) -> None:
    """Hold what was found against a full sort, allowing for nothing but the last bits of a float64 sum."""
    assert found.ranks is not None
    for session, row in enumerate(exact):
        gone = set() if hidden is None else set(hidden[session].tolist())
        order = [place for place in sorted(range(len(row)), key=lambda p: (-row[p], p)) if place not in gone][:page]
        got = found.positions[session].tolist()
        scale = np.abs(row).max() * 1e-13
        assert len(set(got)) == len(order) == len(got)
        np.testing.assert_allclose(row[got], row[order], rtol=0, atol=scale)
        np.testing.assert_allclose(found.scores[session].numpy(), row[got], rtol=0, atol=scale)
        gaps = np.abs(np.subtract.outer(row, row))
        if not np.any((gaps > 0) & (gaps < scale)):
            assert got == order
        own = row[watched[session]]
        sure, possible = np.sum(row > own + scale), np.sum(row >= own - scale)
        assert 1 + sure <= found.ranks.best[session] <= found.ranks.worst[session] <= possible
        if not np.any((gaps > 0) & (gaps < scale)):
            assert found.ranks.best[session] == 1 + np.sum(row > own)
            assert found.ranks.worst[session] == np.sum(row >= own)


def vector_scores(queries: np.ndarray, vectors: np.ndarray, similarity) -> VectorScores:
    gallery = Gallery(tuple(f"{i:06d}" for i in range(len(vectors))), torch.from_numpy(vectors), "f", "s")
    return VectorScores(torch.from_numpy(queries), gallery.vectors, gallery.norms, similarity)


def same(one: Found, other: Found) -> bool:
    assert one.ranks is not None and other.ranks is not None
    pairs = [(one.positions, other.positions), (one.scores, other.scores)]
    pairs += [(one.ranks.best, other.ranks.best), (one.ranks.worst, other.ranks.worst)]
    return all(torch.equal(a, b) for a, b in pairs)


KINDS = ["random", "duplicates", "equal", "integers", "close", "tiny", "huge", "uneven", "far"]


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_search_equals_sorting_everything_in_float64(kind, similarity):
    for seed, (candidates, dim) in enumerate([(2, 1), (3, 5), (40, 7), (211, 16)]):
        queries, vectors = draw(kind, candidates, dim, seed)
        exact = table(queries, vectors, similarity)
        watched = np.random.default_rng(seed).integers(0, candidates, 3)
        for page in (1, 4, candidates, candidates + 10):
            scores = vector_scores(queries, vectors, similarity)
            found = search(scores, page, torch.from_numpy(watched))
            check(found, exact, watched, page)


@pytest.mark.parametrize("similarity", ["l2", "dot"])
def test_a_gallery_of_zeros_is_one_tie(similarity):
    queries, vectors = draw("zeros", 9, 33, 0)
    found = search(vector_scores(queries, vectors, similarity), 3, torch.tensor([0, 4, 8]))
    assert found.ranks is not None
    assert found.positions.tolist() == [[0, 1, 2]] * 3
    assert (found.ranks.best.tolist(), found.ranks.worst.tolist()) == ([1, 1, 1], [9, 9, 9])


def test_a_query_astronomically_far_away_still_ranks():
    queries, vectors = draw("random", 50, 24, 3)
    for scale in (1e8, 1e12, 1e20):
        far = (queries * scale).astype(np.float32)
        check(
            search(vector_scores(far, vectors, "l2"), 5, torch.arange(3)),
            table(far, vectors, "l2"),
            np.arange(3),
            5,
        )


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_gallery_of_5000_is_searched_exactly(similarity):
    queries, vectors = draw("duplicates", 5000, 6, 7)
    found = search(vector_scores(queries, vectors, similarity), 30, torch.tensor([0, 2500, 4999]), block=700)
    exact = table(queries, vectors, similarity)
    for session, row in enumerate(exact):
        order = np.lexsort((np.arange(5000), -row))[:30]
        assert found.positions[session].tolist() == order.tolist()
    assert found.ranks is not None
    assert found.ranks.best.tolist() == [1 + int((r > r[w]).sum()) for r, w in zip(exact, [0, 2500, 4999], strict=True)]
    assert found.ranks.worst.tolist() == [int((r >= r[w]).sum()) for r, w in zip(exact, [0, 2500, 4999], strict=True)]


@pytest.mark.parametrize("kind", ["random", "duplicates", "integers", "close", "equal"])
def test_no_block_size_changes_the_result(kind):
    queries, vectors = draw(kind, 23, 4, 1)
    scores, watched = vector_scores(queries, vectors, "l2"), torch.tensor([0, 11, 22])
    whole = search(scores, 5, watched)
    assert all(same(search(scores, 5, watched, block=block), whole) for block in range(1, 25))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_table_of_scores_is_searched_by_its_own_values(dtype):
    for levels, block in itertools.product((1, 3, 1000), (1, 7, 64)):
        generator = torch.Generator().manual_seed(levels)
        scores = torch.randint(-levels, levels + 1, (3, 64), generator=generator).to(dtype) / 7
        watched = np.array([0, 31, 63])
        check(
            search(DenseScores(scores), 6, torch.from_numpy(watched), block=block),
            scores.double().numpy(),
            watched,
            6,
        )


def test_a_dense_table_tells_values_apart_that_float32_cannot():
    scores = DenseScores(torch.tensor([[1.0, 1.0 + 2.0**-50, 1.0 - 2.0**-50]], dtype=torch.float64))
    found = search(scores, 3, torch.tensor([0]))
    assert found.ranks is not None
    assert found.positions.tolist() == [[1, 0, 2]]
    assert (found.ranks.best.item(), found.ranks.worst.item()) == (2, 2)


@pytest.mark.parametrize("kind", ["random", "integers", "equal"])
def test_the_watched_candidate_never_influences_the_page(kind):
    queries, vectors = draw(kind, 20, 3, 4)
    scores = vector_scores(queries, vectors, "l2")
    plain = search(scores, 6)
    for place in range(20):
        found = search(scores, 6, torch.full((3,), place))
        assert torch.equal(found.positions, plain.positions)
        assert torch.equal(found.scores, plain.scores)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", ["random", "duplicates", "close", "uneven"])
def test_a_batch_of_64_equals_64_batches_of_one(kind, similarity):
    _, vectors = draw(kind, 90, 17, 5)
    queries = np.random.default_rng(6).normal(size=(64, 17)).astype(np.float32)
    watched = torch.arange(64)
    together = search(vector_scores(queries, vectors, similarity), 7, watched)
    assert together.ranks is not None
    for session in range(0, 64, 5):
        one = search(vector_scores(queries[session : session + 1], vectors, similarity), 7, watched[session, None])
        assert one.ranks is not None
        assert torch.equal(one.positions[0], together.positions[session])
        assert torch.equal(one.scores[0], together.scores[session])
        assert one.ranks.best[0] == together.ranks.best[session]
        assert one.ranks.worst[0] == together.ranks.worst[session]


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", ["random", "duplicates", "close"])
def test_a_gallery_in_another_order_gives_the_same_ranks_and_scores(kind, similarity):
    queries, vectors = draw(kind, 50, 9, 6)
    order = np.random.default_rng(0).permutation(50)
    watched = np.array([4, 20, 49])
    places = np.argsort(order)[watched]  # where they lie now
    one = search(vector_scores(queries, vectors, similarity), 50, torch.from_numpy(watched))
    two = search(vector_scores(queries, vectors[order], similarity), 50, torch.from_numpy(places))
    assert one.ranks is not None and two.ranks is not None
    assert torch.equal(one.ranks.best, two.ranks.best)
    assert torch.equal(one.ranks.worst, two.ranks.worst)
    assert torch.equal(one.scores, two.scores)
    if kind == "random":
        assert order[two.positions.numpy()].tolist() == one.positions.tolist()


@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_products_rounded_to_bfloat16_change_nothing(similarity, precision):
    queries, vectors = draw("random", 600, 256, 8)
    queries = np.concatenate([queries] * 4)  # with few rows, some processors do not round at all
    vectors[300:] = vectors[:300] + 1e-4
    scores, watched = vector_scores(queries, vectors, similarity), torch.arange(3, 600, 50)
    expected = search(scores, 10, watched, block=300)
    torch.set_float32_matmul_precision(precision)
    try:
        rough = vector_scores(queries, vectors, similarity)
        assert bool((rough.slack >= scores.slack).all())
        assert same(search(rough, 10, watched, block=300), expected)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_autocast_changes_nothing(similarity):
    queries, vectors = draw("random", 300, 32, 9)
    watched = torch.tensor([3, 150, 299])
    expected = search(vector_scores(queries, vectors, similarity), 10, watched)
    with torch.autocast("cpu", torch.bfloat16):
        assert same(search(vector_scores(queries, vectors, similarity), 10, watched), expected)


def test_a_table_with_nan_is_refused_and_located():
    scores = torch.zeros(2, 4)
    scores[1, 3] = torch.nan
    with pytest.raises(ValueError, match="candidate 3 in session 1"):
        DenseScores(scores)


def test_a_block_that_is_not_finite_is_refused():
    class Broken(DenseScores):
        def block(self, first, last):
            return super().block(first, last) + torch.inf

    with pytest.raises(ValueError, match=r"among candidates 0\.\.3 is not finite"):
        search(Broken(torch.zeros(2, 4)), 1)


def test_a_page_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        search(DenseScores(torch.zeros(1, 3)), 0)


def test_a_watched_position_outside_the_gallery_is_refused():
    with pytest.raises(ValueError, match=r"target 3 .* 0\.\.2"):
        search(DenseScores(torch.zeros(1, 3)), 1, torch.tensor([3]))


def test_the_exact_index_returns_fewer_where_the_gallery_is_smaller():
    gallery = Gallery(("a", "b"), torch.tensor([[0.0], [3.0]]), "f", "s")
    index = ExactIndex(gallery)
    scores, positions = index.search(torch.tensor([[1.0]]), 10)
    assert isinstance(index, Index)
    assert isinstance(index.scores(torch.zeros(1, 1)), Scores)
    assert (positions.tolist(), scores.tolist()) == ([[0, 1]], [[-1.0, -4.0]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_gallery_of_another_precision_is_searched_by_its_own_values(similarity, dtype):
    queries, vectors = draw("random", 60, 12, 11)
    stored = torch.from_numpy(vectors).to(dtype) / 3
    gallery = Gallery(tuple(f"{i:06d}" for i in range(60)), stored, "f", "s")
    scores = VectorScores(torch.from_numpy(queries), gallery.vectors, gallery.norms, similarity)
    exact = table(queries, stored.double().numpy(), similarity)
    check(search(scores, 8, torch.arange(3), block=7), exact, np.arange(3), 8)
