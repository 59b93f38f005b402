"""Claims about states: one a turn is written, nothing in place."""

import torch

from drilldown.states import States, new_cell


def test_writing_changes_one_vector_a_session_and_leaves_the_old_states_alone():
    old = States.empty(2, 3, 4, torch.device("cpu"))
    new = old.written(torch.tensor([2, 0]), torch.ones(2, 4))
    assert not bool(old.vectors.any()) and old.turn == 0
    assert new.vectors.sum(-1).tolist() == [[0, 0, 4], [4, 0, 0]]
    assert new.slots.tolist() == [[2], [0]]


def test_one_state_more_is_filled_each_turn_until_all_are():
    states, filled = States.empty(1, 2, 4, torch.device("cpu")), []
    for slot in (0, 1, 0, 1):
        filled.append(states.filled)
        states = states.written(torch.tensor([slot]), torch.ones(1, 4))
    assert [*filled, states.filled] == [0, 1, 2, 2, 2]
    assert states.turn == 4


def test_each_session_reads_its_own_state():
    states = States(torch.arange(12.0).view(2, 3, 2), torch.zeros(2, 0, dtype=torch.long), torch.zeros(2).long())
    assert states.at(torch.tensor([1, 2])).tolist() == [[2, 3], [10, 11]]


def test_what_was_said_makes_a_number_that_does_not_depend_on_the_batch():
    start = States.empty(2, 1, 1, torch.device("cpu"))
    both = start.hearing(["a dog", "a cat"]).hearing(["a red one", "a red one"])
    alone = States.empty(1, 1, 1, torch.device("cpu")).hearing(["a cat"]).hearing(["a red one"])
    assert both.said[1] == alone.said[0] and both.said[0] != both.said[1]


def test_a_cell_starts_with_biases_of_zero_so_that_silence_stays_zero():
    assert not bool(new_cell(3)(torch.zeros(1, 3), torch.zeros(1, 3)).any())
