"""Claims about scores by whole numbers: their error stays within the bound, and no search finds anything else."""

import gc
import shutil
import sys
import weakref
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.scoring import Similarity, VectorScores, norms_of_rows
from multiturn.search import search
from multiturn.vector_screen import screen as module
from multiturn.vector_screen.screen import Limits, pair_library, pair_scores, screen_library
from multiturn.vector_screen.whole import WholeVectors, rounded
from tests.multiturn.test_search import draw as drawn

SIMILARITIES: tuple[Similarity, ...] = ("l2", "dot", "cosine")
KINDS = ("normal", "duplicates", "close", "tiny", "huge", "uneven", "far", "sparse")
compiles = pytest.mark.skipif(pair_library() is None, reason="no C++ compiler")
LIBRARY = screen_library()
LANES = 8 if LIBRARY is None else LIBRARY.lanes()
screens = pytest.mark.skipif(LIBRARY is None, reason="this processor multiplies no whole numbers in pairs")


def draw(kind: str, candidates: int, dim: int, seed: int, sessions: int = 13) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and a gallery, float32."""
    queries, vectors = (torch.from_numpy(one) for one in drawn(kind, candidates, dim, seed, sessions))
    return queries, vectors


def scores_of(queries: torch.Tensor, vectors: torch.Tensor, similarity: Similarity) -> VectorScores:
    """Scores that are screened: those of a gallery that was asked before."""
    norms = norms_of_rows(vectors)
    VectorScores(queries, vectors, norms, similarity)
    return VectorScores(queries, vectors, norms, similarity)


# Where registers are long, once more as on processors with short ones.
@pytest.fixture(scope="module", autouse=True, params=[(), ("-mno-avx512f",)] if LANES == 16 else [()], ids=str)
def small_galleries_are_worth_it(request):
    library = screen_library(*request.param)
    assert not request.param or (library is not None and library.lanes() == 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_IT", 0)
        patch.setattr(module, "screen_library", lambda: library)
        yield


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
    queries, vectors = draw(kind, 70, dim, 5)
    scores = scores_of(queries, vectors, similarity)
    everyone = torch.arange(len(queries))
    never = torch.full((len(queries),), torch.inf)
    for candidate in range(len(vectors)):
        exact = scores.exact(everyone, torch.full_like(everyone, candidate)) - scores.offset
        low = torch.nextafter((exact - scores.slack).float(), -never)
        high = torch.nextafter((exact + scores.slack).float(), never)
        found = scores.close(0, len(vectors), Limits(low, high, never))
        assert found is not None
        assert (found[1].candidate == candidate).sum() == len(queries)


@screens
def test_the_bound_is_close_enough_to_leave_few_pairs():
    queries, vectors = draw("normal", 3000, 256, 0, 50)
    scores = scores_of(queries, vectors, "cosine")
    watched = scores.exact(torch.arange(50), torch.arange(50))
    low, high = ((watched + sign * scores.slack).float() for sign in (-1, 1))
    limits = Limits(low, high, torch.full((50,), torch.inf))
    found = scores.close(0, 3000, limits)
    assert found is not None and len(found[1].session) < 0.005 * 50 * 3000
    assert (found[0] > 0).sum() > 40


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
def test_a_gallery_is_rounded_when_it_is_asked_again_and_forgotten_with_it():
    queries, vectors = draw("normal", 100, 8, 0)
    norms = norms_of_rows(vectors)
    assert [VectorScores(queries, vectors, norms).screened for _ in range(3)] == [False, True, True]
    layout = module._layouts[vectors][1]
    gone = weakref.ref(layout)
    vectors.mul_(2)
    assert not VectorScores(queries, vectors, norms_of_rows(vectors)).screened
    del layout
    gc.collect()
    assert gone() is None
    assert VectorScores(queries, vectors, norms_of_rows(vectors)).screened
    gone = weakref.ref(module._layouts[vectors][1])
    del vectors
    gc.collect()
    assert gone() is None


def test_few_queries_are_not_screened():
    queries, vectors = draw("normal", 100, 8, 0, sessions=11)
    assert not scores_of(queries, vectors, "l2").screened


def test_vectors_that_may_change_unnoticed_are_not_screened():
    with torch.inference_mode():
        queries, vectors = (one.clone() for one in draw("normal", 100, 8, 0))
        assert not scores_of(queries, vectors, "l2").screened


@pytest.mark.parametrize("dim", [1, 5, 64, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_rounding_takes_what_it_says(kind, dim):
    _, vectors = draw(kind, 50, dim, 1)
    whole, factor, lost = rounded(vectors)
    apart = (vectors.double() - whole.double() / factor[:, None]).norm(dim=1)
    assert bool((apart <= lost).all())
    parts = torch.nn.functional.pad(whole.double(), (0, -dim % 64)).view(50, -1, 64)
    assert float(parts.norm(dim=2).max()) ** 2 < 2**31
    assert bool((lost <= 1.01 * vectors.double().norm(dim=1) * dim**0.5 / 2 / 32_767).all())
    layout = WholeVectors(vectors, norms_of_rows(vectors), LANES)
    assert layout.lost >= float(apart.max())


@compiles
@settings(deadline=None)
@given(kind=st.sampled_from(KINDS), dim=st.integers(1, 70), seed=st.integers(0, 999), distance=st.booleans())
def test_scores_of_pairs_have_the_bits_of_pytorch(kind, dim, seed, distance):
    queries, vectors = draw(kind, 30, dim, seed)
    session, candidate = torch.randint(13, (99,)), torch.randint(30, (99,))
    found = pair_scores(queries, vectors, session, candidate, distance)
    scores = VectorScores(queries, vectors.double(), norms_of_rows(vectors), "l2" if distance else "dot")
    assert found is not None and torch.equal(found, scores.exact(session, candidate))


def test_vectors_of_another_kind_are_left_to_pytorch():
    queries, vectors = draw("normal", 30, 8, 0)
    pairs = torch.arange(3), torch.arange(3)
    for other in (vectors.half(), vectors[:, ::2], vectors.to("meta")):
        assert pair_scores(queries[:, : other.shape[1]], other, *pairs, True) is None


@pytest.mark.skipif(shutil.which("g++") is None or sys.platform != "linux", reason="no GNU compiler")
def test_a_gnu_compiler_makes_the_functions():
    assert pair_library() is not None
    listed = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert (LIBRARY is not None) == ({"avx2", "fma"} <= set(listed))
