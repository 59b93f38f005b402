"""Claims about losses: each is the formula that its docstring names, by a slow loop in float64."""

import math

import pytest
import torch

from drilldown.losses import (
    every_triplet,
    hardest_triplet,
    imitation_loss,
    reinforce_loss,
    rewards_of,
    softmax_of_batch,
)

GENERATOR = torch.Generator().manual_seed(4)
LOGITS = torch.randn(3, 5, 4, generator=GENERATOR)
SLOTS = torch.randint(0, 4, (3, 5), generator=GENERATOR)
REWARDS = torch.randn(3, 5, generator=GENERATOR)


@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("size", [2, 7])
def test_the_triplet_loss_takes_the_hardest_of_both_directions(margin, size):
    table = torch.rand(size, size, generator=torch.Generator().manual_seed(size))
    s = table.tolist()
    total = 0.0
    for i in range(size):
        others = [j for j in range(size) if j != i]
        total += max(max(0.0, margin + s[i][j] - s[i][i]) for j in others)
        total += max(max(0.0, margin + s[j][i] - s[i][i]) for j in others)
    assert float(hardest_triplet(table, margin)) == pytest.approx(total / size, rel=1e-5)


def test_only_the_hardest_negatives_and_the_targets_get_a_gradient():
    table = torch.tensor([[0.9, 0.8, 0.1], [0.0, 0.7, 0.75], [0.2, 0.1, 0.9]], requires_grad=True)
    hardest_triplet(table, 0.2).backward()
    assert table.grad is not None
    # By rows .8 of the first and .75 of the second; by columns .8 of the second and .75 of the third.
    expected = torch.tensor([[-1.0, 2.0, 0.0], [0.0, -2.0, 2.0], [0.0, 0.0, -1.0]]) / 3
    torch.testing.assert_close(table.grad, expected)


@pytest.mark.parametrize("size", [2, 7])
def test_while_warming_up_every_negative_counts_alike(size):
    table = torch.rand(size, size, generator=torch.Generator().manual_seed(size))
    s = table.tolist()
    pairs = [(i, j) for i in range(size) for j in range(size) if i != j]
    total = sum(max(0.0, 0.2 + s[i][j] - s[i][i]) + max(0.0, 0.2 + s[j][i] - s[i][i]) for i, j in pairs)
    assert float(every_triplet(table, 0.2)) == pytest.approx(total / len(pairs), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
@pytest.mark.parametrize("size", [2, 7])
def test_the_softmax_is_the_cross_entropy_of_both_directions(size, temperature):
    table = torch.rand(size, size, generator=torch.Generator().manual_seed(size))
    s = [[score / temperature for score in row] for row in table.tolist()]
    total = 0.0
    for i in range(size):
        total += math.log(sum(math.exp(s[i][j]) for j in range(size))) - s[i][i]
        total += math.log(sum(math.exp(s[j][i]) for j in range(size))) - s[i][i]
    assert float(softmax_of_batch(table, temperature)) == pytest.approx(total / size, rel=1e-4)


def test_a_harder_negative_pulls_more_on_the_softmax():
    table = torch.tensor([[0.9, 0.8, 0.1], [0.0, 0.7, 0.2], [0.2, 0.1, 0.9]], requires_grad=True)
    softmax_of_batch(table, 0.1).backward()
    assert table.grad is not None
    assert float(table.grad[0, 1]) > float(table.grad[0, 2]) > 0 > float(table.grad[0, 0])


@pytest.mark.parametrize("loss", [hardest_triplet, every_triplet, softmax_of_batch])
def test_a_batch_of_one_has_no_negatives_and_is_refused(loss):
    with pytest.raises(ValueError, match=r"no negatives; raise training\.batch_size"):
        loss(torch.ones(1, 1), 0.2)


def test_imitation_is_the_cross_entropy_with_the_best_slot():
    values = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(8))
    total = 0.0
    for turn in range(3):
        for session in range(5):
            label = max(range(4), key=values[turn, session].tolist().__getitem__)
            exponentials = [math.exp(x) for x in LOGITS[turn, session].tolist()]
            total -= math.log(exponentials[label] / sum(exponentials))
    assert float(imitation_loss(LOGITS, values)) == pytest.approx(total / 15, rel=1e-5)


@pytest.mark.parametrize("discount", [1.0, 0.5, 0.0])
def test_reinforce_weights_log_probabilities_by_the_discounted_reward_to_go_less_its_mean(discount):
    to_go = [
        [sum(discount ** (later - turn) * float(REWARDS[later, s]) for later in range(turn, 3)) for s in range(5)]
        for turn in range(3)
    ]
    total = 0.0
    for turn in range(3):
        for session in range(5):
            exponentials = [math.exp(x) for x in LOGITS[turn, session].tolist()]
            chosen = exponentials[int(SLOTS[turn, session])] / sum(exponentials)
            total -= math.log(chosen) * (to_go[turn][session] - sum(to_go[turn]) / 5)
    assert float(reinforce_loss(LOGITS, SLOTS, REWARDS, discount)) == pytest.approx(total / 15, rel=1e-5)


def test_reinforce_makes_a_rewarded_choice_likelier():
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    slots, rewards = torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.0]])
    reinforce_loss(logits, slots, rewards, 1.0).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 0, 0]) < 0 < float(logits.grad[0, 1, 1])


def test_rewards_are_similarities_or_their_gains():
    similarity, before = torch.tensor([[0.5], [0.25], [1.0]]), torch.tensor([0.125])
    assert torch.equal(rewards_of(similarity, before, "similarity"), similarity)
    assert rewards_of(similarity, before, "gain").flatten().tolist() == [0.375, -0.25, 0.75]
