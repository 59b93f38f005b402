"""Claims about random draws: the published generator, uniform, and indifferent to the batch."""

import numpy as np
import torch
from scipy.stats import chisquare

from multiturn.draws import mix, uniform


def splitmix(state: int) -> int:
    """One output of SplitMix64 in Python's own integers."""
    word = (state + 0x9E3779B97F4A7C15) % 2**64
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
    return word ^ (word >> 31)


def signed(word: int) -> int:
    return (word + 2**63) % 2**64 - 2**63


def test_the_first_three_outputs_for_seed_0_are_the_published_ones():
    states = [signed(step * 0x9E3779B97F4A7C15) for step in range(3)]
    golden = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [word % 2**64 for word in mix(torch.tensor(states)).tolist()] == golden


def test_words_of_any_sign_are_mixed_as_by_whole_numbers():
    words = [0, 1, -1, 2**63 - 1, -(2**63), 123456789, -987654321]
    expected = [splitmix(word % 2**64) for word in words]
    assert [word % 2**64 for word in mix(torch.tensor(words)).tolist()] == expected


def test_a_session_draws_the_same_alone_and_in_any_batch():
    together = uniform(5, torch.arange(100), 3, 7)
    assert torch.equal(uniform(5, torch.tensor([42]), 3, 7)[0], together[42])
    assert torch.equal(uniform(5, torch.arange(100).flip(0), 3, 7).flip(0), together)
    assert torch.equal(uniform(5, torch.arange(100), 3, 4), together[:, :4])


def test_sessions_numbered_in_32_bits_draw_the_same():
    assert torch.equal(uniform(1, torch.arange(5, dtype=torch.int32), 0, 3), uniform(1, torch.arange(5), 0, 3))


def test_draws_lie_in_0_to_1_and_pass_a_chi_square():
    draws = uniform(0, torch.arange(1000), 0, 20).numpy()
    assert draws.min() >= 0
    assert draws.max() < 1
    counts, _ = np.histogram(draws, bins=50, range=(0, 1))
    assert chisquare(counts).pvalue > 1e-3


def test_neighbouring_seeds_sessions_turns_and_columns_are_uncorrelated():
    base = uniform(0, torch.arange(5000), 0, 2)
    others = [uniform(1, torch.arange(5000), 0, 2), uniform(0, torch.arange(1, 5001), 0, 2)]
    others += [uniform(0, torch.arange(5000), 1, 2), base.flip(1)]
    for other in others:
        assert not torch.equal(other, base)
        assert abs(np.corrcoef(base[:, 0], other[:, 0])[0, 1]) < 0.06


def test_no_two_of_a_hundred_thousand_draws_are_equal():
    draws = torch.cat([uniform(seed, torch.arange(1000), turn, 5) for seed in range(5) for turn in range(4)])
    assert len(draws.flatten().unique()) == draws.numel()
