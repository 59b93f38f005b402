"""Claims about what is told of a policy's choices, and of what is forgotten."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from drilldown.choices import Replayed, choice_figure, choice_tables, choices, replay_without, write_choices
from drilldown.drill_down import DrillDown
from drilldown.recurrent import RHRE
from drilldown.users import CaptionUser
from multiturn.trial import run
from tests.drilldown.small_trials import CAPTIONS, IDS, IMAGES, NOUNS, STATES, TURNS, WIDE, trial

# Two sessions of two states: the second query of the one and all but the last two of the other are overwritten.
SLOTS = torch.tensor([[0, 1, 1, 0], [0, 1, 0, 1]])
WITHOUT = torch.tensor([[4.0, 2.0, 8.0, 1.0], [3.0, 3.0, 6.0, 12.0]], dtype=torch.float64)
MADE_UP = Replayed(SLOTS, torch.tensor([2.0, 3.0], dtype=torch.float64), WITHOUT, 2)


def test_a_query_counts_the_later_ones_of_its_state():
    assert MADE_UP.overwritten.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]


def test_shares_are_of_all_queries_and_of_each_turn():
    found = choices(MADE_UP)
    assert found["taken"] == [0.5, 0.5]
    assert found["by_turn"] == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]


def test_a_state_is_rewritten_by_all_its_queries_but_the_first():
    assert choices(MADE_UP)["rewritten"] == [1.0, 1.0]


def test_transitions_count_choices_among_filled_states_alone():
    # Turns 3 and 4 of both sessions: 1 -> 1, 1 -> 0, then 1 -> 0, 0 -> 1.
    assert choices(MADE_UP)["transitions"] == [[0, 1], [2, 1]]


def test_a_query_is_worth_the_rank_that_is_lost_without_it():
    worth = choices(MADE_UP)["withheld"]
    assert worth[0] == {
        "queries": 2, "factor": pytest.approx(math.sqrt(2)), "median_change": 1.0, "helps": 0.5, "harms": 0.0
    }  # fmt: skip
    assert (worth[3]["helps"], worth[3]["harms"]) == (0.5, 0.5)
    assert worth[3]["factor"] == pytest.approx(math.sqrt(0.5 * 4))


def test_queries_that_were_written_over_are_told_apart():
    found = choices(MADE_UP)
    assert found["overwritten"]["factor"] == pytest.approx(2**0.25)
    assert found["kept"]["factor"] == pytest.approx((4 * 0.5 * 2 * 4) ** 0.25)
    assert found["kept"]["queries"] == found["overwritten"]["queries"] == 4


def test_every_rank_without_a_query_is_that_of_the_session_that_never_heard_it():
    given = trial("fixed")
    replayed = replay_without(given, batch_size=5)
    assert replayed.ranks.tolist() == run(given, 12, show_progress=False).ranks.under("expected")[:, -1].tolist()
    for turn in range(TURNS):
        spared = [[text for place, text in enumerate(said) if place != turn] for said in CAPTIONS]
        shorter = replace(given, user=CaptionUser(IDS, spared, TURNS - 1), turns=TURNS - 1)
        ranks = run(shorter, 12, show_progress=False).ranks.under("expected")[:, -1]
        assert replayed.without[:, turn].tolist() == ranks.tolist()


def test_the_batch_size_changes_nothing():
    one, other = (replay_without(trial(), sessions=4, batch_size=size) for size in (1, 3))
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("slots", "ranks", "without"))


def test_fewer_sessions_are_spread_over_all():
    few, every = replay_without(trial(), sessions=3), replay_without(trial())
    assert len(few.slots) == 3 and len(every.slots) == IMAGES
    assert few.without[[0, -1]].tolist() == every.without[[0, -1]].tolist()


def test_a_session_with_a_state_for_each_query_overwrites_none():
    found = choices(replay_without(trial("fixed", states=TURNS)))
    assert found["rewritten"] == [0.0] * TURNS
    assert found["overwritten"] == {"queries": 0, "factor": None, "median_change": None, "helps": None, "harms": None}
    assert sum(map(sum, found["transitions"])) == 0


def test_more_states_than_turns_leave_some_empty():
    found = choices(replay_without(trial("fixed", states=TURNS + 2)))
    assert found["taken"][-2:] == [0.0, 0.0]
    choice_figure(found)
    assert choice_tables(found)["Which state follows which"][1][-1] == "0"


def test_a_single_state_takes_everything():
    found = choices(replay_without(trial("fixed", states=1)))
    assert (found["taken"], found["rewritten"], found["transitions"]) == ([1.0], [4.0], [[IMAGES * (TURNS - 1)]])


def test_tables_say_what_the_numbers_say():
    tables = choice_tables(choices(MADE_UP))
    assert tables["Use of the states"][1] == ["Queries taken, %", "50.00", "50.00"]
    assert tables["Which state follows which"][2] == ["State 2", "66.67", "33.33", "3"]
    assert tables["The target's rank without a query"][1] == ["of turn 1", "2", "1.414", "+1.0", "50.00", "0.00"]


def test_files_hold_the_same_numbers_and_a_picture(tmp_path: Path):
    found = write_choices(trial(), tmp_path)
    assert json.loads((tmp_path / "choices.json").read_text()) == found
    assert "## Which state follows which" in (tmp_path / "choices.md").read_text()
    with Image.open(tmp_path / "choices_of_the_policy.png") as picture:
        assert picture.width > picture.height > 300


def test_a_model_without_a_policy_is_refused():
    other = RHRE(list(NOUNS), "made up", WIDE, dim=16, embedding_dim=8).eval()
    with pytest.raises(ValueError, match="R-HRE has no policy"):
        replay_without(replace(trial(), name="R-HRE", retriever=other))


def test_one_turn_is_too_few():
    with pytest.raises(ValueError, match="of 1 turns tell nothing"):
        replay_without(trial(turns=1))


def test_replaying_changes_no_weight():
    given = trial()
    assert isinstance(given.retriever, DrillDown)
    before = {name: value.clone() for name, value in given.retriever.state_dict().items()}
    replay_without(given, sessions=2)
    assert all(torch.equal(value, before[name]) for name, value in given.retriever.state_dict().items())
    assert given.retriever.slots == STATES
