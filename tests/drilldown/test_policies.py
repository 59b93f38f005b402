"""Claims about policies: empty states are filled first, and then each chooses as its name says."""

import pytest
import torch

from drilldown.policies import First, Fixed, LearnedPolicy, Random, drawn, slot_for
from drilldown.states import States

SESSIONS, SLOTS, DIM = 40, 3, 5


def states(turn: int) -> States:
    generator = torch.Generator().manual_seed(turn)
    vectors = torch.randn(SESSIONS, SLOTS, DIM, generator=generator)
    return States(vectors, torch.zeros(SESSIONS, turn, dtype=torch.long), torch.arange(SESSIONS))


QUERY = torch.randn(SESSIONS, DIM, generator=torch.Generator().manual_seed(9))


def learned(relu: bool = False) -> LearnedPolicy:
    torch.manual_seed(0)
    return LearnedPolicy(DIM, relu)


@pytest.mark.parametrize("policy", [Fixed(), First(), Random(), learned()])
@pytest.mark.parametrize("turn", range(SLOTS))
def test_while_a_state_is_empty_the_next_empty_one_is_filled(policy, turn):
    assert slot_for(policy, states(turn), QUERY).tolist() == [turn] * SESSIONS


def test_the_fixed_policy_takes_the_states_in_turn():
    assert [int(slot_for(Fixed(), states(turn), QUERY)[0]) for turn in range(8)] == [0, 1, 2, 0, 1, 2, 0, 1]


def test_the_first_policy_writes_to_the_first_state_once_all_are_filled():
    assert [int(slot_for(First(), states(turn), QUERY)[0]) for turn in range(6)] == [0, 1, 2, 0, 0, 0]


def test_the_random_policy_takes_every_state_and_depends_on_seed_session_and_turn():
    chosen = slot_for(Random(1), states(5), QUERY)
    assert set(chosen.tolist()) == {0, 1, 2}
    assert torch.equal(chosen, slot_for(Random(1), states(5), QUERY))
    assert not torch.equal(chosen, slot_for(Random(2), states(5), QUERY))
    assert not torch.equal(chosen, slot_for(Random(1), states(6), QUERY))


@pytest.mark.parametrize("relu", [False, True])
def test_the_learned_policy_is_the_papers_three_layers(relu):
    policy, now = learned(relu), states(4)
    weights = [
        (layer.weight.detach().double(), layer.bias.detach().double())
        for layer in policy.layers
        if isinstance(layer, torch.nn.Linear)
    ]
    logits = policy(now.vectors, QUERY).detach()
    for session in range(0, SESSIONS, 7):
        for slot in range(SLOTS):
            x = torch.cat([now.vectors[session, slot], QUERY[session]]).double()
            for number, (matrix, bias) in enumerate(weights):
                x = matrix @ x + bias
                if number < 2 or relu:
                    x = x.clamp(min=0)
            assert float(logits[session, slot]) == pytest.approx(float(x), abs=1e-6)
    assert torch.equal(policy.choose(now, QUERY), logits.argmax(1))


def test_a_state_is_drawn_as_often_as_its_probability_says():
    logits = torch.tensor([0.2, 0.5, 0.3]).log().expand(10000, -1)
    slots = drawn(logits, torch.rand(10000, generator=torch.Generator().manual_seed(0)))
    shares = slots.bincount(minlength=3) / 10000
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.5, 0.3]), atol=0.02, rtol=0)


@pytest.mark.parametrize(("draw", "slot"), [(0.0, 0), (0.1999, 0), (0.2001, 1), (0.6999, 1), (0.9999999, 2)])
def test_a_draw_falls_into_the_cumulated_probabilities(draw, slot):
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    assert drawn(logits, torch.tensor([draw], dtype=torch.float64)).tolist() == [slot]
