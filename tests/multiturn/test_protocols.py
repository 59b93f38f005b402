"""Claims about the protocols over turns: golden values, bounds that hold, orders that never matter."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiturn.metrics import described, metric_named
from multiturn.metrics.names import METRICS
from multiturn.ranks import TIES, Ranks, ranks_of_targets

CANDIDATES = 6
NAMES = [
    *("percentile", "percentile_of_n", "R@2", "reciprocal_rank", "rank", "mean_rank", "median_rank"),
    *("Hits@2", "carry@2", "carry@2:R@1", "carry@2:R@3", "BRI", "rounds@2", "area:R@2", "area:Hits@2"),
]
AVERAGED = [name for name in NAMES if name not in ("reciprocal_rank", "BRI")]


def exactly(*ranks: list[int], candidates: int = 1000) -> Ranks:
    return Ranks(torch.tensor(ranks), torch.tensor(ranks), candidates)


def values(name: str, ranks: Ranks, tie: str = "expected", first: int = 1, start: int = 0) -> torch.Tensor:
    return metric_named(name, first, start)(ranks, tie)


BLOCKS = st.tuples(st.integers(1, CANDIDATES), st.integers(1, CANDIDATES)).map(sorted)
TABLES = st.tuples(st.integers(1, 4), st.integers(2, 4)).flatmap(
    lambda shape: st.lists(st.lists(BLOCKS, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0])
)


def tied(table: list) -> Ranks:
    ends = torch.tensor(table)
    return Ranks(ends[..., 0], ends[..., 1], CANDIDATES)


@pytest.mark.parametrize(
    ("ranks", "wanted"),
    [([100, 100, 100], 4.6), ([100, 10, 100], 2.9), ([100, 100, 10], 4.0), ([100, 10], 3.5), ([100, 5], 3.1)],
)
def test_the_five_golden_values_of_bri(ranks, wanted):
    assert values("BRI", exactly(ranks)).item() == pytest.approx(wanted, abs=0.05)


def test_bri_is_its_formula():
    ranks = [900, 40, 70, 30, 8]
    best = np.minimum.accumulate(ranks)
    by_hand = np.log(best[0] * best[4]) / (2 * 4) + np.log(best[1:4]).sum() / 4
    assert values("BRI", exactly(ranks)).item() == pytest.approx(by_hand)


def test_bri_of_one_turn_is_refused():
    with pytest.raises(ValueError, match="BRI compares turns and needs at least two"):
        values("BRI", exactly([3]))


def test_constant_scores_on_1000_candidates_bound_r_at_10_and_hits_at_10():
    ranks = ranks_of_targets(torch.zeros(1, 1000), torch.tensor([4]))
    table = Ranks(ranks.best[:, None], ranks.worst[:, None], 1000)
    for name in ("R@10", "Hits@10"):
        assert [values(name, table, tie, first=0).item() for tie in ("pessimistic", "expected", "optimistic")] == [
            pytest.approx(value) for value in (0, 0.01, 1)
        ]


def test_independent_r_at_10_and_cumulative_hits_at_10_name_different_winners():
    steady = exactly([50, 5, 5], [50, 5, 5], [50, 50, 50], [50, 50, 50])
    lucky = exactly([50, 5, 50], [50, 5, 50], [50, 5, 50], [50, 50, 5])
    at_the_end = {
        name: [values(name, run).mean(0)[-1].item() for run in (steady, lucky)] for name in ("R@10", "Hits@10")
    }
    assert at_the_end == {"R@10": [0.5, 0.25], "Hits@10": [0.5, 1.0]}


def test_a_session_stops_at_its_first_hit_and_carries_that_rank():
    ranks = exactly([90, 7, 30, 2], [90, 80, 12, 11])
    assert values("carry@10", ranks).tolist() == [[90, 7, 7, 7], [90, 80, 12, 11]]
    assert values("carry@10:R@10", ranks).mean(0).tolist() == values("Hits@10", ranks).mean(0).tolist()
    assert values("carry@10:R@5", ranks).tolist() == [[0, 0, 0, 0], [0, 0, 0, 0]]


def test_turn_0_hits_only_where_it_is_said_to():
    ranks = exactly([3, 50])
    assert values("Hits@10", ranks).tolist() == [[0, 0]]
    assert values("Hits@10", ranks, first=0).tolist() == [[1, 1]]
    assert values("carry@10", ranks).tolist() == [[3, 50]]
    assert values("carry@10", ranks, first=0).tolist() == [[3, 3]]


def test_a_table_that_begins_with_turn_1_counts_from_there():
    assert values("rounds@10", exactly([3, 50], [50, 3]), start=1).tolist() == [1, 2]
    assert values("Hits@10", exactly([3, 50]), start=1).tolist() == [[1, 1]]


def test_sessions_without_a_hit_count_as_the_last_turn_in_rounds():
    assert values("rounds@10", exactly([50, 40, 3, 3], [50, 40, 30, 20])).tolist() == [2, 3]


def test_the_area_is_that_of_trapezoids_from_the_first_turn_that_counts():
    assert values("area:R@10", exactly([1, 50, 5, 5])).item() == pytest.approx(0.75)
    assert values("area:R@10", exactly([1, 50, 5, 5]), first=0).item() == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert values("area:R@10", exactly([1, 5])).item() == 1


@pytest.mark.parametrize("name", ["area:BRI", "area:mean_rank", "area:R@0", "carry@10:Hits@1", "Hits@", "rounds"])
def test_a_name_that_makes_no_sense_is_refused(name):
    with pytest.raises(ValueError, match=r"unknown metric|no area under"):
        metric_named(name)


def test_every_metric_of_the_table_is_in_these_tests():
    assert {described(name).spelling for name in NAMES} == {one.spelling for one in METRICS}


@settings(max_examples=40, deadline=None)
@given(TABLES, st.sampled_from([0, 1]))
def test_the_rules_for_ties_bound_each_other(table, first):
    ranks = tied(table)
    for name in NAMES:
        expected, worst, best = (values(name, ranks, tie, first) for tie in TIES)
        low, high = (worst, best) if described(name).rising else (best, worst)
        assert bool(((low <= expected + 1e-12) & (expected <= high + 1e-12)).all()), name


@settings(max_examples=30, deadline=None)
@given(st.lists(BLOCKS, min_size=2, max_size=3), st.sampled_from([0, 1]))
def test_expectation_and_bounds_are_those_of_all_ways_to_break_the_ties(blocks, first):
    ways = [list(way) for way in product(*(range(low, high + 1) for low, high in blocks))]
    for name in AVERAGED:
        every = values(name, exactly(*ways, candidates=CANDIDATES), first=first)
        low, high = every.amin(0), every.amax(0)
        expected, worst, best = (values(name, tied([blocks]), tie, first)[0] for tie in TIES)
        assert torch.allclose(expected, every.mean(0)), name
        assert torch.allclose(worst, low if described(name).rising else high), name
        assert torch.allclose(best, high if described(name).rising else low), name


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_cumulative_hits_never_fall_and_grow_with_k(table):
    for tie in TIES:
        hits = torch.stack([values(f"Hits@{k}", tied(table), tie) for k in range(1, CANDIDATES + 1)])
        assert bool((hits.diff(dim=2) >= -1e-12).all())
        assert bool((hits.diff(dim=0) >= -1e-12).all())


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_cumulative_hits_are_never_below_independent_recall(table):
    for tie in TIES:
        gap = values("Hits@2", tied(table), tie, 0) - values("R@2", tied(table), tie, 0)
        assert bool((gap >= -1e-12).all())


@settings(max_examples=40, deadline=None)
@given(TABLES, st.data())
def test_a_better_rank_never_makes_bri_rounds_hits_or_areas_worse(table, data):
    row, turn = data.draw(st.integers(0, len(table) - 1)), data.draw(st.integers(0, len(table[0]) - 1))
    better = [[list(block) for block in session] for session in table]
    better[row][turn] = [max(1, end - 1) for end in better[row][turn]]
    for name in ("BRI", "rounds@2", "Hits@2", "area:R@2", "percentile", "reciprocal_rank"):
        for tie in TIES:
            gain = values(name, tied(better), tie, 0) - values(name, tied(table), tie, 0)
            assert bool((gain * (1 if described(name).rising else -1) >= -1e-12).all()), name


@settings(max_examples=30, deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_the_sessions_never_matters(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    for name in NAMES:
        there = values(name, tied(table))[order]
        assert torch.equal(there, values(name, tied([table[row] for row in order]))), name


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_gallery_never_matters(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (5, CANDIDATES), generator=generator).float()
    target = torch.randint(0, CANDIDATES, (5,), generator=generator)
    order = torch.randperm(CANDIDATES, generator=generator)
    one, other = ranks_of_targets(scores, target), ranks_of_targets(scores[:, order], order.argsort()[target])
    assert torch.equal(one.best, other.best) and torch.equal(one.worst, other.worst)
