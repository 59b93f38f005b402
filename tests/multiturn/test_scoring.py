"""Claims about scores in blocks: within the promised bound of the exact ones, and loud where they cannot be."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.scoring import VectorScores, norms_of_rows

SIMILARITIES = ("l2", "dot", "cosine")
SESSIONS = 8  # with fewer, some processors do not round the inputs of products at all


def gallery_of(vectors: torch.Tensor) -> Gallery:
    return Gallery(tuple(f"{i:06d}" for i in range(len(vectors))), vectors, "f", "s")


def scores_of(queries: torch.Tensor, vectors: torch.Tensor, similarity) -> VectorScores:
    gallery = gallery_of(vectors)
    return VectorScores(queries, gallery.vectors, gallery.norms, similarity)


def adversarial(dim: int, similarity: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Queries and vectors that lose much to rounding."""
    generator = torch.Generator().manual_seed(dim)
    q, g = torch.randn(SESSIONS, dim, generator=generator), torch.randn(300, dim, generator=generator)
    alternating = torch.ones(dim)
    alternating[1::2] = -1
    spread = 10 ** (torch.rand(300, 1, generator=generator) * 30 - 15)
    data = [
        (q, g),
        (q * 1e10, g * spread),
        (q * 1e-12, g * spread),
        (
            torch.full((SESSIONS, dim), 1 / 3),
            alternating * (1 + torch.rand(300, dim, generator=generator) * 1e-6),
        ),  # cancels
        (q, q[:1] + g * 1e-7),  # near the query
        (q * 1e15, g * 1e-3),
        (q * 1e-20, g * 1e-20),
        (q * 1e-30, g * 1e-5),
        (q, 1e-36 + g.abs() * 1e-36),
    ]
    subnormal = [(q, g * 1e-39), (q * 1e30, g * 1e-39), (q * 1e-39, g)]
    return data if similarity == "cosine" else data + subnormal


@pytest.mark.parametrize("precision", ["highest", "medium"])
@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("dim", [1, 2, 33, 128])
def test_blocks_lie_within_the_slack_of_the_exact_scores(dim, similarity, precision):
    pairs = torch.cartesian_prod(torch.arange(SESSIONS), torch.arange(300))
    torch.set_float32_matmul_precision(precision)
    try:
        for queries, vectors in adversarial(dim, similarity):
            scores = scores_of(queries, vectors, similarity)
            exact = scores.exact(pairs[:, 0], pairs[:, 1]).view(SESSIONS, 300)
            for first, last in ((0, 300), (0, 1), (17, 30)):
                block = scores.block(first, last).double() + scores.offset[:, None]
                assert bool(((block - exact[:, first:last]).abs() <= scores.slack[:, None]).all())
            assert bool((scores.slack >= 0).all())
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_slack_is_small_where_the_data_are_tame(similarity):
    queries, vectors = adversarial(256, similarity)[0]
    scores = scores_of(queries, vectors, similarity)
    pairs = torch.cartesian_prod(torch.arange(SESSIONS), torch.arange(300))
    spread = scores.exact(pairs[:, 0], pairs[:, 1]).std()
    assert bool((scores.slack < 0.01 * spread).all())


def test_exact_scores_equal_fractions_to_float64():
    queries, vectors = torch.tensor([[1.5, -2.25, 1e-5]]), torch.tensor([[0.1, 0.2, 0.3], [1e6, -1.0, 3.0]])
    zero, both = torch.zeros(2, dtype=torch.long), torch.arange(2)
    for similarity in ("l2", "dot"):
        found = scores_of(queries, vectors, similarity).exact(zero, both).tolist()
        for row, score in zip(vectors.tolist(), found, strict=True):
            terms = [(Fraction(a), Fraction(b)) for a, b in zip(queries[0].tolist(), row, strict=True)]
            truth = sum(a * b for a, b in terms) if similarity == "dot" else -sum((a - b) ** 2 for a, b in terms)
            assert score == pytest.approx(float(truth), rel=1e-15)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_exact_scores_of_equal_vectors_are_equal_bits_whatever_else_is_asked(similarity):
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(3, 131, generator=generator).repeat(20, 1)
    scores = scores_of(torch.randn(2, 131, generator=generator), vectors, similarity)
    whole = scores.exact(torch.zeros(60, dtype=torch.long), torch.arange(60))
    assert torch.equal(whole, whole[:3].repeat(20))
    for place in (0, 1, 58, 59):
        assert torch.equal(scores.exact(torch.tensor([0]), torch.tensor([place])), whole[place, None])


def test_norms_of_equal_vectors_are_equal_bits_in_any_company():
    vector = torch.randn(1, 257, generator=torch.Generator().manual_seed(0))
    among = norms_of_rows(vector.repeat((1 << 14) + 1, 1))
    assert bool((among == norms_of_rows(vector)).all())
    assert float(among[0]) == pytest.approx(float(np.linalg.norm(vector.double().numpy())), rel=1e-15)


def test_norms_of_regions_have_the_shape_of_the_gallery():
    gallery = Gallery.of([f"{place}" for place in range(5)], Regions.of(list(torch.randn(5, 3, 4)), None), "f", "s")
    assert torch.allclose(gallery.norms, gallery.vectors.double().norm(dim=-1), rtol=1e-14)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_query_that_is_not_finite_names_its_session(similarity, bad):
    queries = torch.ones(3, 2)
    queries[2, 1] = bad
    with pytest.raises(ValueError, match="query of session 2 is not finite"):
        scores_of(queries, torch.ones(2, 2), similarity)


def test_a_zero_query_has_no_cosine():
    with pytest.raises(ValueError, match="query of session 1 is zero"):
        scores_of(torch.tensor([[1.0], [0.0]]), torch.ones(2, 1), "cosine")


@pytest.mark.parametrize("length", [0.0, 1e-40])
def test_a_zero_vector_has_no_cosine(length):
    with pytest.raises(ValueError, match="vector of candidate 1 is zero"):
        scores_of(torch.ones(1, 1), torch.tensor([[1.0], [length]]), "cosine")


@pytest.mark.parametrize(
    ("similarity", "query", "vector"),
    [("l2", 1e-5, 1e20), ("l2", 1e20, 1e20), ("dot", 1e20, 1e20), ("cosine", 1, 2e38)],
)
def test_lengths_that_overflow_float32_are_refused(similarity, query, vector):
    with pytest.raises(ValueError, match="overflow float32"):
        scores_of(torch.tensor([[float(query)]]), torch.full((2, 1), vector), similarity)


def test_scores_carry_no_gradient():
    queries = torch.ones(1, 2, requires_grad=True)
    assert not scores_of(queries, torch.ones(2, 2), "dot").block(0, 2).requires_grad
