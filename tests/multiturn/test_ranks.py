"""Claims about ranks: exact, with both ends of ties, and never silent about a diverged model."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.ranks import Ranks, join, rank_of_target, ranks_of_targets

FEW_VALUES = st.sampled_from([-1.0, 0.0, 0.5, 0.5000001, 3.0])
TABLES = st.integers(1, 12).flatmap(
    lambda width: st.lists(
        st.tuples(st.lists(FEW_VALUES, min_size=width, max_size=width), st.integers(0, width - 1)),
        min_size=1,
        max_size=4,
    )
)


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_counting_equals_walking_through_the_sorted_list(rows):
    scores = torch.tensor([row for row, _ in rows], dtype=torch.float64)
    ranks = ranks_of_targets(scores, torch.tensor([target for _, target in rows]))
    for number, (row, target) in enumerate(rows):
        ordered = sorted(row, reverse=True)
        first = ordered.index(row[target]) + 1
        last = len(row) - ordered[::-1].index(row[target])
        assert (ranks.best[number].item(), ranks.worst[number].item()) == (first, last)
        assert ranks.under("expected")[number].item() == (first + last) / 2


def test_a_tie_counts_against_the_target():
    scores = torch.tensor([[1.0, 1.0, 0.0]])
    assert rank_of_target(scores, torch.tensor([0])).item() == 2


def test_constant_scores_may_rank_anywhere():
    ranks = ranks_of_targets(torch.zeros(2, 7), torch.tensor([0, 6]))
    assert [ranks.under(tie).tolist() for tie in ("optimistic", "expected", "pessimistic")] == [
        [1.0, 1.0],
        [4.0, 4.0],
        [7.0, 7.0],
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_raises_and_is_located(bad):
    scores = torch.zeros(2, 3)
    scores[1, 2] = bad
    with pytest.raises(ValueError, match=f"candidate 2 in session 1 is {bad}"):
        ranks_of_targets(scores, torch.tensor([0, 0]))


@pytest.mark.parametrize("outside", [-1, 3])
def test_a_target_outside_the_gallery_raises(outside):
    with pytest.raises(ValueError, match=rf"target {outside} .* 0\.\.2"):
        ranks_of_targets(torch.zeros(1, 3), torch.tensor([outside]))


@pytest.mark.parametrize(("best", "worst"), [(0, 1), (3, 2), (1, 6)])
def test_ranks_that_cannot_be_are_refused(best, worst):
    with pytest.raises(ValueError, match=r"not within 1\.\.5"):
        Ranks(torch.tensor([1, best]), torch.tensor([1, worst]), 5)


def test_joined_tables_lie_side_by_side():
    one = Ranks(torch.tensor([[1], [2]]), torch.tensor([[1], [3]]), 5)
    both = join([one, one], dim=1)
    assert both.worst.tolist() == [[1, 1], [3, 3]]
    assert both.candidates == 5
