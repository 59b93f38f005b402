"""Claims about metrics of ranks and their bootstrap intervals."""

import numpy as np
import pytest
import torch

from multiturn.metrics import interval, metric_named, percentile, percentile_of_n, recall_at, reciprocal_rank
from multiturn.ranks import TIES, Ranks


def exactly(rank: int, candidates: int) -> Ranks:
    return Ranks(torch.tensor([rank]), torch.tensor([rank]), candidates)


def test_constant_scores_on_1000_candidates_give_one_percent_at_10_and_both_extremes():
    tied = Ranks(torch.tensor([1]), torch.tensor([1000]), 1000)
    found = {tie: recall_at(10)(tied, tie).item() for tie in TIES}
    assert found == {"pessimistic": 0.0, "expected": 0.01, "optimistic": 1.0}


def test_the_percentile_of_the_best_rank_is_1_and_of_the_worst_0():
    assert percentile(exactly(1, 22_599)).item() == 1
    assert percentile(exactly(22_599, 22_599)).item() == 0


def test_the_other_percentile_never_reaches_1():
    assert percentile_of_n(exactly(1, 4)).item() == 0.75
    assert percentile_of_n(exactly(4, 4)).item() == 0


def test_recall_grows_with_k_and_lies_between_its_extremes():
    pairs = torch.combinations(torch.arange(1, 21), with_replacement=True)
    ranks = Ranks(pairs[:, 0], pairs[:, 1], 20)
    recalls = torch.stack([torch.stack([recall_at(k)(ranks, tie) for k in range(1, 21)]) for tie in TIES])
    expected, pessimistic, optimistic = recalls
    assert bool((recalls.diff(dim=1) >= 0).all())
    assert bool((recalls[:, -1] == 1).all())
    assert bool(((pessimistic <= expected) & (expected <= optimistic)).all())


def test_expected_recall_is_the_mean_over_places_in_the_tied_block():
    ranks = Ranks(torch.tensor([4]), torch.tensor([9]), 20)
    for k in range(1, 21):
        by_hand = np.mean([place <= k for place in range(4, 10)])
        assert recall_at(k)(ranks, "expected").item() == pytest.approx(by_hand)


def test_the_reciprocal_rank_of_rank_4_is_a_quarter():
    assert reciprocal_rank(exactly(4, 9)).item() == 0.25


@pytest.mark.parametrize("name", ["R@0", "R@", "R@-1", "recall", "R@1.5"])
def test_an_unknown_metric_is_named_beside_the_known_ones(name):
    with pytest.raises(ValueError, match=r"percentile, percentile_of_n.*R@K"):
        metric_named(name)


def test_constant_data_have_an_interval_of_no_width():
    found = interval(np.full((50, 3), 0.25))
    assert [found.value.tolist(), found.low.tolist(), found.high.tolist()] == [[0.25] * 3] * 3


def test_one_session_has_an_interval_of_no_width():
    found = interval(np.array([[0.5, 1.0]]))
    assert found.low.tolist() == found.high.tolist() == [0.5, 1.0]


def test_a_single_column_gives_a_single_interval():
    found = interval(np.arange(20.0), resamples=100)
    assert found.value == 9.5
    assert found.low < 9.5 < found.high


def test_a_constant_turn_beside_a_varying_one_keeps_both_intervals():
    values = np.stack([np.full(30, 2.0), np.arange(30.0)], axis=1)
    found = interval(values, resamples=100)
    assert found.low[0] == found.high[0] == 2
    assert found.low[1] < 14.5 < found.high[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        found = interval(rng.exponential(size=(60, 1)), resamples=200, confidence=0.9, seed=seed)
        covered += bool(found.low[0] <= 1 <= found.high[0])
    assert 0.83 * 200 <= covered <= 0.96 * 200


def test_the_same_seed_gives_the_same_interval():
    values = np.random.default_rng(1).random((40, 2))
    one, two = interval(values, resamples=50, seed=3), interval(values, resamples=50, seed=3)
    assert one.low.tolist() == two.low.tolist()


def test_the_interval_of_a_median_is_about_the_median():
    values = np.concatenate([np.arange(99.0), [1e9]])[:, None]
    found = interval(values, np.median, resamples=200)
    assert found.value[0] == 49.5
    assert found.high[0] < 99
