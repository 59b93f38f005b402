"""Claims about quantised scores: their error stays within the bound, and no search finds anything else."""

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.directed_rounding import down, up
from multiturn.scoring import Similarity, VectorScores, norms_of_rows
from multiturn.search import search
from multiturn.vector_screen import screen as module
from multiturn.vector_screen.quantised import QuantisedVectors
from multiturn.vector_screen.screen import Limits, VectorScreen, screen_library
from multiturn.vector_screen.sides import GallerySide
from tests.multiturn.test_search import draw as drawn

SIMILARITIES: tuple[Similarity, ...] = ("l2", "dot", "cosine")
KINDS = ("normal", "duplicates", "close", "tiny", "huge", "uneven", "far", "sparse")
LIBRARY = screen_library()
LANES = 8 if LIBRARY is None else LIBRARY.lanes()
screens = pytest.mark.skipif(LIBRARY is None, reason="this processor multiplies no small integers fast")


def draw(kind: str, candidates: int, dim: int, seed: int, sessions: int = 13) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and a gallery, float32."""
    queries, vectors = (torch.from_numpy(one) for one in drawn(kind, candidates, dim, seed, sessions))
    return queries, vectors


def draw_pairs(kind: str, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, a gallery, and a candidate for each query: all pairs of 13 queries and 70 candidates."""
    queries, vectors = draw(kind, 70, dim, 5)
    return queries.repeat_interleave(70, 0), vectors, torch.arange(70).repeat(len(queries))


def scores_of(queries: torch.Tensor, vectors: torch.Tensor, similarity: Similarity) -> VectorScores:
    """Scores that are screened: those of a gallery that was asked before."""
    norms = norms_of_rows(vectors)
    VectorScores(queries, vectors, norms, similarity)
    return VectorScores(queries, vectors, norms, similarity)


def unseen(queries: torch.Tensor, vectors: torch.Tensor, similarity: Similarity, bits: int) -> VectorScreen:
    """A screen whose close calls are not rechecked at again in float32, as it has the vectors in float64."""
    norms = norms_of_rows(vectors)
    quantised = QuantisedVectors(vectors, norms, module.screen_library().lanes(), bits == 8)
    if similarity == "cosine":
        queries = (queries.double() / norms_of_rows(queries)[:, None]).float()
    return VectorScreen(queries, GallerySide(vectors.double(), norms, quantised, similarity))


def pairs_left(queries: torch.Tensor, vectors: torch.Tensor, bits: int) -> int:
    """How many are too close to call to the query's own candidate without a look at them."""
    scores = VectorScores(queries, vectors, norms_of_rows(vectors), "l2")
    own = scores.exact(torch.arange(len(queries)), torch.arange(len(queries))) - scores.offset
    limits = Limits(down(own), up(own), torch.full((len(queries),), torch.inf))
    found = unseen(queries, vectors, "l2", bits).close(0, len(vectors), limits)
    assert found is not None
    return len(found[1].session)


FEW_BITS = LIBRARY is not None and LIBRARY.has_vnni() == 1
WAYS = [(LANES, bits) for bits in ((8, 16) if FEW_BITS else (16,))]


# Where registers are long, once more as on processors with short ones; where there are numbers of 8 bits, with both.
@pytest.fixture(scope="module", autouse=True, params=WAYS + ([(8, 16)] if LANES == 16 else []), ids=str)
def way(request):
    lanes, bits = request.param
    library = screen_library("-mno-avx512f") if lanes < LANES else LIBRARY
    if library is None:
        yield request.param
        return
    assert library.lanes() == lanes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_IT", 0)
        patch.setattr(module, "screen_library", lambda: library)
        patch.setattr(module, "QuantisedVectors", lambda *told: QuantisedVectors(*told[:3], int8=bits == 8 and told[3]))
        yield request.param


@screens
@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    candidates=st.integers(40, 300),
    dim=st.sampled_from([1, 2, 63, 64, 65, 130]),
    seed=st.integers(0, 999),
    page=st.integers(1, 40),
    block=st.sampled_from([32, 64, 128]),
    watch=st.booleans(),
)
def test_a_search_finds_the_same_with_and_without(similarity, kind, candidates, dim, seed, page, block, watch):
    queries, vectors = draw(kind, candidates, dim, seed)
    watched = torch.arange(len(queries)) * 3 % candidates if watch else None
    plain = VectorScores(queries, vectors, norms_of_rows(vectors), similarity)
    assert not plain.screened
    expected = search(plain, page, watched, block=block)
    scores = VectorScores(queries, vectors, plain.norms, similarity)
    assert scores.screened
    found = search(scores, page, watched, block=block)
    assert torch.equal(found.positions, expected.positions) and torch.equal(found.scores, expected.scores)
    if watch:
        assert found.ranks is not None and expected.ranks is not None
        assert torch.equal(found.ranks.best, expected.ranks.best)
        assert torch.equal(found.ranks.worst, expected.ranks.worst)


@screens
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [1, 66, 256])
def test_no_score_is_wrong_by_more_than_the_bound(similarity, kind, dim):
    queries, vectors, candidate = draw_pairs(kind, dim)
    session, never = torch.arange(len(queries)), torch.full((len(queries),), torch.inf)
    scores = scores_of(queries, vectors, similarity)
    exact = scores.exact(session, candidate) - scores.offset
    low = torch.nextafter((exact - scores.screen_slack).float(), -never)
    high = torch.nextafter((exact + scores.screen_slack).float(), never)
    found = scores.close(0, len(vectors), Limits(low, high, never))
    assert found is not None
    assert (found[1].candidate == candidate[found[1].session]).sum() == len(queries)


@screens
def test_the_bound_is_close_enough_to_leave_few_pairs(way):
    queries, vectors = draw("normal", 2000, 256, 0, 50)
    scores = scores_of(queries, vectors, "cosine")
    watched = scores.exact(torch.arange(50), torch.arange(50))
    assert bool((scores.screen_slack < scores.slack / 5).all())
    low, high = ((watched + sign * scores.screen_slack).float() for sign in (-1, 1))
    limits = Limits(low, high, torch.full((50,), torch.inf))
    found = scores.close(0, 2000, limits)
    assert found is not None and len(found[1].session) < 50 + 0.00005 * 50 * 2000
    assert (found[0] > 0).sum() > 40
    # What is left open before a look at it in float32.
    found = unseen(queries, vectors, "cosine", way[1]).close(0, 2000, limits)
    assert found is not None
    assert 50 + 0.0003 * 50 * 2000 < len(found[1].session) < {8: 0.15, 16: 0.005}[way[1]] * 50 * 2000


@screens
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [1, 66, 256])
def test_quantised_scores_are_within_their_reach(similarity, kind, dim, way):
    queries, vectors, candidate = draw_pairs(kind, dim)
    session, never = torch.arange(len(queries)), torch.full((len(queries),), torch.inf)
    scores = VectorScores(queries, vectors, norms_of_rows(vectors), similarity)
    exact = scores.exact(session, candidate) - scores.offset
    # The exact score itself is a close call, if the reach is reckoned rightly; queries of length 1 are rounded.
    apart = 2.0**-24 if similarity == "cosine" else 0.0
    limits = Limits(down(exact - apart), up(exact + apart), never)
    found = unseen(queries, vectors, similarity, way[1]).close(0, len(vectors), limits)
    assert found is not None
    assert (found[1].candidate == candidate[found[1].session]).sum() == len(queries)


@screens
def test_vectors_less_their_mean_and_turned_leave_fewer_pairs(way):
    generator = torch.Generator().manual_seed(0)
    queries, vectors = (torch.randn(rows, 64, generator=generator) for rows in (40, 500))
    plain, far = pairs_left(queries, vectors, way[1]), pairs_left(queries + 3, vectors + 3, way[1])
    # All lies in a few numbers.
    few = torch.tensor([30.0, 20.0, 10.0, *[0.1] * 61])
    assert far < 1.3 * plain
    assert pairs_left(queries * few, vectors * few, way[1]) < 2 * plain


@screens
def test_a_search_goes_on_with_more_bits_once_too_much_is_too_close_to_call(way, monkeypatch):
    if way[1] == 16:
        pytest.skip("has them already")
    monkeypatch.setattr(module, "_AGAIN", 3)
    vectors = draw("normal", 640, 256, 0)[1]
    norms, watched = norms_of_rows(vectors), torch.arange(40)
    # Queries near their targets leave little open, those that have nothing to do with them much.
    near, far = vectors[:40] + 0.1, draw("normal", 1, 256, 1, 40)[0]
    made = []
    for queries in (near, near, far, near):
        found = search(VectorScores(queries, vectors, norms), 5, watched, block=64)
        expected = search(VectorScores(queries, vectors.clone(), norms), 5, watched, block=64)
        assert torch.equal(found.positions, expected.positions) and torch.equal(found.scores, expected.scores)
        assert found.ranks is not None and expected.ranks is not None
        assert torch.equal(found.ranks.best, expected.ranks.best)
        made.append(sorted(module._layouts[vectors].quantised))
    assert made == [[], [True], [False, True], [False, True]]
    # One of three searches tries 8 bits again: the last one above and the first one here begin with 16.
    began = [VectorScores(near, vectors, norms)._screen._gallery.quantised.int8 for _ in range(3)]
    assert began == [False, True, True]


@screens
def test_what_beats_the_watched_and_what_may_be_among_the_best_is_told_apart():
    queries, vectors = torch.eye(12)[:, :4], torch.tensor([[1.0, 0, 0, 0], [0.5, 0, 0, 0], [0.1, 0, 0, 0]])
    scores = scores_of(queries, vectors, "dot")
    close = [torch.full((12,), level) for level in (0.49, 0.51, 0.4)]
    found = scores.close(0, 3, Limits(*close))
    assert found is not None
    assert found[0].tolist() == [1] + [0] * 11
    calls = found[1]
    assert calls.session.tolist() == [0, 0] and calls.candidate.tolist() == [0, 1]
    assert calls.watched.tolist() == [False, True] and calls.best.tolist() == [True, True]


@screens
def test_where_all_scores_are_close_the_block_is_computed():
    queries, _ = draw("normal", 1, 8, 0, 40)
    vectors = torch.ones(4000, 8)
    scores = scores_of(queries, vectors, "l2")
    own = (scores.exact(torch.arange(40), torch.arange(40)) - scores.offset).float()
    assert scores.close(0, 4000, Limits(own - 1e-3, own + 1e-3, own)) is None
    ranks = search(scores, 3, torch.arange(40), block=32).ranks
    assert ranks is not None
    assert ranks.best.tolist() == [1] * 40 and ranks.worst.tolist() == [4000] * 40


@screens
@pytest.mark.parametrize("page", [1, 100])
def test_however_large_the_page_only_the_first_block_is_written_down(page, monkeypatch):
    queries, vectors = draw("normal", 9000, 16, 0, 20)
    scores, written = scores_of(queries, vectors, "l2"), []
    block = VectorScores.block
    monkeypatch.setattr(VectorScores, "block", lambda own, *ends: (written.append(ends), block(own, *ends))[1])
    search(scores, page, torch.arange(20), block=1024)
    assert written == [(0, 64 if page == 1 else 384)]


@screens
def test_a_gallery_is_quantised_when_it_is_asked_again_and_forgotten_with_it():
    queries, vectors = draw("normal", 100, 8, 0)
    norms = norms_of_rows(vectors)
    assert [VectorScores(queries, vectors, norms).screened for _ in range(3)] == [False, True, True]
    layout = next(iter(module._layouts[vectors].quantised.values()))
    gone = weakref.ref(layout)
    vectors.mul_(2)
    assert not VectorScores(queries, vectors, norms_of_rows(vectors)).screened
    del layout
    gc.collect()
    assert gone() is None
    assert VectorScores(queries, vectors, norms_of_rows(vectors)).screened
    gone = weakref.ref(next(iter(module._layouts[vectors].quantised.values())))
    del vectors
    gc.collect()
    assert gone() is None


@screens
def test_galleries_in_half_precision_have_16_bits_from_the_start():
    queries, vectors = draw("normal", 700, 256, 0)
    halves = vectors.half()
    scores = scores_of(queries, halves, "l2")
    assert list(module._layouts[halves].quantised) == [False]
    found, expected = (
        search(one, 5, torch.arange(13), block=64)
        for one in (scores, VectorScores(queries, halves.float(), scores.norms, "l2"))
    )
    assert torch.equal(found.positions, expected.positions)
    assert found.ranks is not None and expected.ranks is not None
    assert torch.equal(found.ranks.best, expected.ranks.best)


def test_few_queries_are_not_screened():
    queries, vectors = draw("normal", 100, 8, 0, sessions=11)
    assert not scores_of(queries, vectors, "l2").screened


def test_vectors_that_may_change_unnoticed_are_not_screened():
    with torch.inference_mode():
        queries, vectors = (one.clone() for one in draw("normal", 100, 8, 0))
        assert not scores_of(queries, vectors, "l2").screened
