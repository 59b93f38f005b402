"""Claims about tests of two systems, and about the bootstrap that they share with tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from multiturn.metrics import interval
from multiturn.metrics.paired import holm, paired, permutation_test


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 13), st.integers(0, 1000))
def test_few_sessions_give_the_exact_p_that_scipy_gives(sessions, seed):
    gaps = np.random.default_rng(seed).integers(-3, 4, sessions).astype(float)
    exact = stats.permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
    assert permutation_test(gaps) == pytest.approx(exact.pvalue)


def test_many_sessions_give_a_p_close_to_scipys():
    gaps = np.random.default_rng(3).normal(0.15, 1, 100)
    drawn = stats.permutation_test((gaps,), np.mean, permutation_type="samples", vectorized=True, rng=0)
    assert permutation_test(gaps) == pytest.approx(drawn.pvalue, abs=0.02)


def test_under_no_difference_small_p_values_are_rare():
    rng = np.random.default_rng(0)
    small = [permutation_test(rng.normal(size=12)) <= 0.05 for _ in range(400)]
    assert 0.02 < np.mean(small) < 0.08


def test_the_t_test_is_scipys_and_the_effect_is_the_difference_in_its_own_spread():
    rng = np.random.default_rng(1)
    one, other = rng.random(40), rng.random(40)
    found = paired(one, other)
    assert found.p_t == stats.ttest_rel(one, other).pvalue
    assert found.effect == pytest.approx((one - other).mean() / (one - other).std(ddof=1))
    assert found.low < found.difference < found.high
    assert found.higher + found.lower == found.sessions == 40


def test_equal_systems_differ_in_nothing():
    found = paired(np.arange(20.0), np.arange(20.0))
    assert (found.difference, found.effect, found.p_permutation, found.p_t) == (0, 0, 1, 1)


def test_a_constant_gain_has_no_effect_size_but_is_no_accident():
    found = paired(np.arange(20.0) + 1, np.arange(20.0))
    assert found.effect is None
    assert found.p_permutation < 0.001 and found.p_t == 0


def test_one_session_cannot_be_tested():
    with pytest.raises(ValueError, match="at least two sessions, not 1"):
        paired(np.ones(1), np.zeros(1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm_never_lowers_a_p_value_and_does_not_depend_on_the_order(p_values, random):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[place] for place in order]) == [adjusted[place] for place in order]


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_the_interval_is_that_of_scipys_percentile_bootstrap(statistic):
    values = np.random.default_rng(4).exponential(size=(30, 3))
    ours = interval(values, statistic, resamples=200, seed=7)
    rng = np.random.default_rng(7)
    theirs = stats.bootstrap((values,), statistic, n_resamples=200, method="percentile", rng=rng).confidence_interval
    assert np.allclose(ours.low, theirs.low) and np.allclose(ours.high, theirs.high)
