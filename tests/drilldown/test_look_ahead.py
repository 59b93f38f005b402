"""Claims about the look-ahead: each slot's value is what a slow loop over one trajectory finds, and labels follow."""

import math

import pytest
import torch

from drilldown.look_ahead import Greedy, values_of_slots
from drilldown.policies import LearnedPolicy
from drilldown.retriever import formula_of
from drilldown.similarity import Pictures
from drilldown.states import States, new_cell

SESSIONS, SLOTS, DIM, TURNS = 4, 3, 5, 4
GENERATOR = torch.Generator().manual_seed(6)
VECTORS = torch.randn(SESSIONS, SLOTS, DIM, generator=GENERATOR)
QUERIES = torch.randn(TURNS, SESSIONS, DIM, generator=GENERATOR)
COUNTS = [2, 4, 1, 3]
REGIONS = torch.randn(SESSIONS, 4, DIM, generator=GENERATOR)
PICTURES = Pictures.of(REGIONS, torch.arange(4) < torch.tensor(COUNTS)[:, None])
torch.manual_seed(1)
CELL, POLICY = new_cell(DIM), LearnedPolicy(DIM)


def likeness(states: list[torch.Tensor], session: int, formula) -> float:
    """Mean over the states of a session of their similarity with its own picture, number by number."""
    total = 0.0
    for state in states:
        cosines = []
        for region in REGIONS[session, : COUNTS[session]].double():
            cosines.append(float(state @ region / state.norm() / region.norm()))
        weights = [math.exp(formula.sharpness * cosine) for cosine in cosines]
        attended = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
        total += attended / (len(cosines) if formula.per_region else 1)
    return total / len(states)


def value_by_hand(session: int, first: int, formula, reward: str, discount: float) -> float:
    cell, policy = new_cell(DIM).double(), LearnedPolicy(DIM).double()
    cell.load_state_dict(CELL.state_dict())
    policy.load_state_dict(POLICY.state_dict())
    policy.requires_grad_(False)
    states = [VECTORS[session, slot].double() for slot in range(SLOTS)]
    before, total = likeness(states, session, formula), 0.0
    for ahead in range(TURNS):
        query = QUERIES[ahead, session].double()
        logits = [float(policy.layers(torch.cat([state, query]))) for state in states]
        slot = first if ahead == 0 else max(range(SLOTS), key=logits.__getitem__)
        states[slot] = cell(query[None], states[slot][None])[0].detach()
        now = likeness(states, session, formula)
        total += discount**ahead * (now - before if reward == "gain" else now)
        before = now
    return total


def best(step: int, vectors: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return POLICY(vectors, query).argmax(-1)


def found(formula, reward, discount: float) -> torch.Tensor:
    return values_of_slots(VECTORS, QUERIES, PICTURES, formula, CELL, best, reward, discount)


@pytest.mark.parametrize("score", ["code", "paper"])
@pytest.mark.parametrize("reward", ["gain", "similarity"])
@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_values_and_labels_agree_with_a_slow_loop_on_ragged_pictures(score, reward, discount):
    formula = formula_of(score, 9.0)
    values = found(formula, reward, discount)
    expected = [[value_by_hand(s, k, formula, reward, discount) for k in range(SLOTS)] for s in range(SESSIONS)]
    torch.testing.assert_close(values, torch.tensor(expected), atol=1e-5, rtol=0)
    assert values.argmax(1).tolist() == [max(range(SLOTS), key=row.__getitem__) for row in expected]


def test_the_choice_of_later_slots_matters():
    other = values_of_slots(
        VECTORS,
        QUERIES,
        PICTURES,
        formula_of("code", 9.0),
        CELL,
        lambda step, vectors, query: torch.full((len(vectors),), step % SLOTS),
        "gain",
        1.0,
    )
    assert not torch.allclose(other, found(formula_of("code", 9.0), "gain", 1.0))


def test_greedy_takes_the_state_that_brings_the_session_nearest_to_its_target():
    formula = formula_of("code", 9.0)
    states = States(VECTORS, torch.zeros(SESSIONS, SLOTS, dtype=torch.long), torch.zeros(SESSIONS).long())
    chosen = Greedy(PICTURES, formula, CELL).choose(states, QUERIES[0]).tolist()
    cell = new_cell(DIM).double()
    cell.load_state_dict(CELL.state_dict())
    for session in range(SESSIONS):
        after = []
        for slot in range(SLOTS):
            states_now = [VECTORS[session, place].double() for place in range(SLOTS)]
            states_now[slot] = cell(QUERIES[0, session].double()[None], states_now[slot][None])[0].detach()
            after.append(likeness(states_now, session, formula))
        assert chosen[session] == max(range(SLOTS), key=after.__getitem__)
