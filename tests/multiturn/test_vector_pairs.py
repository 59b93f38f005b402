"""Claims about scores of single pairs of vectors by the compiled kernel: they have the bits of PyTorch's."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.scoring import VectorScores, norms_of_rows
from multiturn.vector_screen.screen import pair_library, pair_scores
from tests.multiturn.test_vector_screen import KINDS, LIBRARY, draw

compiles = pytest.mark.skipif(pair_library() is None, reason="no C++ compiler")


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
