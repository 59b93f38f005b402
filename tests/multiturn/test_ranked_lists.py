"""Claims about metrics of lists with several relevant candidates."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiturn.ranked_lists import (
    average_precision,
    hit_at,
    in_ranked_order,
    lift_at,
    precision_at,
    r_precision,
    recall_of_relevant_at,
)

LISTS = st.lists(st.booleans(), min_size=1, max_size=30).map(lambda row: torch.tensor([row]))


def slow_average_precision(row: list[bool]) -> float:
    """The definition, one place after the other."""
    found, total = 0, 0.0
    for place, relevant in enumerate(row, start=1):
        if relevant:
            found += 1
            total += found / place
    return total / found if found else 0.0


@given(LISTS)
def test_average_precision_follows_its_definition(ranked):
    assert average_precision(ranked).item() == pytest.approx(slow_average_precision(ranked[0].tolist()), abs=1e-6)


@given(LISTS, st.integers(1, 40))
def test_the_metrics_of_one_list_agree_with_counting(ranked, k):
    row = ranked[0].tolist()
    first, relevant = row[:k], sum(row)
    assert precision_at(k, ranked).item() == sum(first) / k
    assert hit_at(k, ranked).item() == float(any(first))
    assert recall_of_relevant_at(k, ranked).item() == (sum(first) / relevant if relevant else 0)
    assert r_precision(ranked).item() == (sum(row[:relevant]) / relevant if relevant else 0)
    chance = relevant / len(row)
    assert lift_at(k, ranked).item() == pytest.approx(sum(first) / k / chance if relevant else 0)


def test_the_mean_lift_is_not_the_ratio_of_the_means():
    rare, common = [True] + [False] * 9, [True] * 10
    ranked = torch.tensor([rare, common])
    ratio = precision_at(1, ranked).mean() / ranked.double().mean()
    assert lift_at(1, ranked).tolist() == [10, 1] and ratio.item() == pytest.approx(1 / 0.55)


def test_a_perfect_list_has_1_everywhere_and_an_empty_one_0():
    perfect = torch.tensor([[True, True, False], [False, False, False]])
    for metric in (average_precision, r_precision):
        assert metric(perfect).tolist() == [1.0, 0.0]


def test_equal_scores_stand_in_the_order_of_positions():
    relevant = torch.tensor([[False, True, False, True]])
    assert in_ranked_order(torch.zeros(1, 4), relevant).tolist() == relevant.tolist()


def test_what_is_left_out_is_in_no_list():
    scores = torch.tensor([[0.3, 0.9, 0.5], [0.3, 0.9, 0.5]])
    relevant = torch.tensor([[True, False, False], [False, False, True]])
    out = torch.tensor([[1], [2]])
    assert in_ranked_order(scores, relevant, out).tolist() == [[False, True], [False, False]]
