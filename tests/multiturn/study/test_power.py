"""The planning of a live study, and what a report says for it."""

import numpy as np
import pytest

from multiturn.study.live_page import planning_table, warnings
from multiturn.study.power import PlannedStudy, participants_needed, power


def test_the_power_of_a_paired_t_test_is_what_statsmodels_computes():
    from statsmodels.stats.power import TTestPower

    planned = PlannedStudy("seconds", difference=-20.0, base=90.0, spread=40.0, targets=12)
    effect = 20 / (40 * np.sqrt(2 / 6))
    for participants in (8, 12, 20):
        exact = TTestPower().power(effect, participants, 0.05)
        assert power(planned, participants) == pytest.approx(exact, abs=0.03)


def test_without_a_difference_that_matters_the_test_sees_one_as_often_as_alpha_says():
    assert power(PlannedStudy("found", 1e-9, 0.6, targets=24), 20) == pytest.approx(0.05, abs=0.02)


def test_a_larger_difference_needs_fewer_participants():
    needed = [participants_needed(PlannedStudy(difference=gap), studies=300)[0] for gap in (0.15, 0.2, 0.3)]
    assert needed == sorted(needed, reverse=True) and needed[0] > needed[-1]
    assert participants_needed(PlannedStudy(difference=0.001), studies=50, sizes=(6, 8))[0] is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"difference": 0.0}, "no number of participants"),
        ({"base": 0.9, "difference": 0.2}, "do not both lie between 0 and 1"),
        ({"targets": 1}, "targets must be at least 2"),
        ({"measure": "seconds", "spread": 0.0}, "spread must be above 0"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(changes: dict, said: str):
    with pytest.raises(ValueError, match=said):
        PlannedStudy(**changes)


def test_people_who_take_to_one_system_more_than_others_make_a_difference_harder_to_see():
    plain = PlannedStudy("seconds", -20.0, 90.0, 40.0)
    apart = PlannedStudy("seconds", -20.0, 90.0, 40.0, difference_spread=40.0)
    assert power(plain, 16) > 0.85 > 0.6 > power(apart, 16)


def test_the_report_says_what_a_plan_of_the_next_study_wants_to_know():
    model = {"spread": 40.0, "participants_spread": 0.1}
    rows = [{"one": "a", "other": "b", "measure": name, "model": model} for name in ("found_rate", "seconds")]
    rows += [{"one": "a", "other": "b", "measure": "seconds", "model": None}]
    numbers = {"comparisons": rows, "systems": {"b": {"found_rate": {"mean": 0.6}, "seconds": {"mean": 90.0}}}}
    (_, found, seconds) = planning_table(numbers)
    assert found == ["a – b", "found", "0.6", "–", "0.417"]  # .1 / (.6 * .4)
    assert seconds == ["a – b", "seconds", "90", "40", "–"]


@pytest.mark.parametrize(("pairs", "warned"), [(6, True), (7, False)])
def test_the_report_warns_where_no_difference_could_be_significant(pairs: int, warned: bool):
    rows = [{"over": "targets", "pairs": pairs, "paired": {"p_holm": 0.1}, "model": None}] * 3
    told = warnings({"warnings": [], "participants": 20, "finished": 20, "comparisons": rows, "systems": {}})
    expected = "No test over 6 targets can fall below p = 0.09 with 3 tests, whatever the difference: more targets are"
    assert [line.startswith(expected) for line in told] == [True] * warned
