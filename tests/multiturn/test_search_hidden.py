"""Claims about candidates that a search leaves out: of the page, or of the ranking too."""

import numpy as np
import pytest
import torch

from multiturn.search import search
from tests.multiturn.test_search import SIMILARITIES, check, draw, table, vector_scores


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("kind", ["random", "duplicates", "integers"])
def test_hidden_candidates_leave_the_page_but_not_the_ranks(kind, similarity):
    queries, vectors = draw(kind, 30, 5, 2)
    hidden = np.stack([np.random.default_rng(s).permutation(30)[:12] for s in range(3)])
    hidden[1, 7:] = -1
    watched = np.array([3, hidden[1, 0], 29])
    for block in (4, 30):
        found = search(
            vector_scores(queries, vectors, similarity),
            5,
            torch.from_numpy(watched),
            torch.from_numpy(hidden),
            "display",
            block,
        )
        check(found, table(queries, vectors, similarity), watched, 5, hidden)


@pytest.mark.parametrize("kind", ["random", "duplicates", "integers"])
def test_candidates_dropped_from_the_rank_are_not_counted_and_a_dropped_target_is_last(kind):
    queries, vectors = draw(kind, 30, 5, 2)
    hidden = np.stack([np.random.default_rng(s).permutation(30)[:12] for s in range(3)])
    watched = np.array([next(p for p in range(30) if p not in hidden[0]), hidden[1, 3], hidden[2, 0]])
    scores = vector_scores(queries, vectors, "l2")
    found = search(scores, 5, torch.from_numpy(watched), torch.from_numpy(hidden), "rank")
    row = table(queries, vectors, "l2")[0]
    left = np.array([row[place] for place in range(30) if place not in hidden[0]])
    assert found.ranks is not None
    assert found.ranks.best.tolist() == [1 + int((left > row[watched[0]]).sum()), 30, 30]
    assert found.ranks.worst.tolist() == [int((left >= row[watched[0]]).sum()), 30, 30]
    pages = [set(page) & set(gone) for page, gone in zip(found.positions.tolist(), hidden.tolist(), strict=True)]
    assert pages == [set(), set(), set()]


def test_hiding_too_much_says_how_many_are_left():
    queries, vectors = draw("random", 6, 3, 0)
    with pytest.raises(ValueError, match="only 2 candidates are left"):
        search(vector_scores(queries, vectors, "l2"), 3, None, torch.arange(4).expand(3, 4))
