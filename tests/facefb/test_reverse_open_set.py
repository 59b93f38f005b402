"""Claims about searches for people who may not be there: who is enrolled, thresholds, misses and false alarms."""

import numpy as np
import pytest
import torch

from facefb.reverse_open_set import Counts, Half, curve, error_rates, halves, rates, summary, threshold
from facefb.reverse_users import Album
from multiturn.gallery import Gallery

DRAW = torch.Generator().manual_seed(1)


def people(several: int, single: int, noise: float) -> tuple[Gallery, Album]:
    """People with three photos each and people with one, in mixed order."""
    names = [f"m{number:03d}" for number in range(several) for _ in range(3)] + [f"s{i:03d}" for i in range(single)]
    centres = {name: torch.randn(16, generator=DRAW) for name in sorted(set(names))}
    names = [names[place] for place in torch.randperm(len(names), generator=DRAW).tolist()]
    vectors = torch.stack([centres[name] + noise * torch.randn(16, generator=DRAW) for name in names])
    ids = [f"{place:04d}" for place in range(len(names))]
    return Gallery.of(ids, torch.nn.functional.normalize(vectors, dim=1), "enc", "s"), Album(names)


def both(several: int = 40, single: int = 30, noise: float = 0.5) -> tuple[Half, Half]:
    made = halves(*people(several, single, noise))
    assert made is not None
    return made


def test_half_of_the_people_with_photos_are_enrolled_and_all_others_are_strangers():
    first, second = both()
    for half in (first, second):
        assert half.enrolled == 10
        assert len(half.mated) == 20  # two more photos each
        assert len(half.strangers) == 10 * 3 + 15


def test_nobody_is_in_both_halves_or_both_enrolled_and_a_stranger():
    first, second = both()
    groups = [set(array.tolist()) for half in (first, second) for array in (half.mated_person, half.strangers_person)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 70


def test_too_few_people_give_no_answer():
    assert halves(*people(7, 30, 0.1)) is None


@pytest.mark.parametrize("share", [0.003, 0.1, 0.5])
def test_a_threshold_lets_at_most_its_share_of_strangers_pass(share):
    strangers = np.round(np.random.default_rng(0).normal(size=57), 1)  # with ties
    level = threshold(strangers, np.ones((1, 57)), share)[0]
    assert (strangers > level).mean() <= share
    lower = strangers[strangers < level].max()
    assert (strangers > lower).mean() > share


def test_weights_count_like_repeated_searches():
    strangers, weights = np.array([-1.0, -2.0, -3.0]), np.array([[1.0, 0.0, 5.0]])
    repeated = np.array([-1.0, *[-3.0] * 5])
    for share in (0.1, 0.2, 0.9):
        assert threshold(strangers, weights, share) == threshold(repeated, np.ones((1, 6)), share)


def test_a_half_is_tested_at_the_threshold_of_the_other():
    near = Half(2, np.array([-0.1, -0.2]), np.array([0, 1]), np.array([-0.3, -0.9]), np.array([2, 3]))
    far = Half(2, np.array([-1.1, -1.2]), np.array([4, 5]), np.array([-1.0, -2.0]), np.array([6, 7]))
    ones = Counts(np.ones((1, 2)), np.ones((1, 2)))
    fpir, fnir, levels = error_rates((near, far), 0.4, (ones, ones))
    assert [float(level[0]) for level in levels] == [-1.0, -0.3]
    assert float(fnir[0]) == 0.5  # all of `near` pass -1.0, none of `far` passes -0.3
    assert float(fpir[0]) == 0.5


def test_a_search_whose_first_hit_is_somebody_else_is_a_miss_at_any_threshold():
    made = both(noise=3.0)
    missing = sum(int(np.isinf(half.mated).sum()) for half in made)
    assert missing > 0
    assert curve(made)[1].min() >= missing / sum(len(half.mated) for half in made)


def test_people_who_are_well_apart_are_all_found():
    levels = rates(both(noise=0.02), [0.1], resamples=50)
    assert levels[0].fnir == 0 and levels[0].fpir <= 0.2


def test_fewer_false_alarms_cost_more_misses_and_intervals_hold_the_values():
    few, many = rates(both(noise=0.7), [0.05, 0.4], resamples=200)
    assert few.fnir >= many.fnir and few.fpir <= many.fpir
    for level in (few, many):
        assert level.fnir_interval[0] <= level.fnir <= level.fnir_interval[1]
        assert level.fpir_interval[0] <= level.fpir <= level.fpir_interval[1]


def test_the_curve_falls_as_more_strangers_pass():
    fpir, fnir = curve(both(noise=0.7))
    assert bool((np.diff(fpir) > 0).all()) and bool((np.diff(fnir) <= 0).all())
    assert fpir[0] >= 0 and fpir[-1] < 1


def test_the_summary_counts_searches_and_prints_thresholds_as_scores():
    made = both()
    told = summary(made, rates(made, [0.1], resamples=20))
    assert (told["enrolled people"], told["searches for strangers"], told["strangers"]) == (20, 90, 50)
    assert all(0 < one < 1 for one in told["levels"][0]["thresholds"])
