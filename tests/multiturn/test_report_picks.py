"""Claims about the sessions that are picked: each is what it is called, and none comes twice."""

import json

import pytest
import torch

from multiturn.ranks import Ranks
from multiturn.report.picks import pick_sessions, sessions_apart
from multiturn.results import Candidates, Results

SIZE, TURNS = 1000, 3


def results(ranks: torch.Tensor, name: str = "model", start: int = 0, order: list[int] | None = None) -> Results:
    """Results with the given ranks; session i looks for image i."""
    rows = order or list(range(len(ranks)))
    return Results(
        name,
        Ranks(ranks[rows], ranks[rows], SIZE),
        tuple(f"session {row}" for row in rows),
        tuple(f"image {row}" for row in rows),
        Candidates(SIZE, "made up"),
        {"seen": "keep"},
        start,
        torch.full((len(ranks),), start + ranks.shape[1] - 1),
    )


@pytest.fixture
def ranks() -> torch.Tensor:
    return torch.randint(1, SIZE + 1, (200, TURNS + 1), generator=torch.Generator().manual_seed(1))


def test_the_picks_are_what_they_are_called(ranks: torch.Tensor):
    picked = pick_sessions(results(ranks), 8, seed=0)
    final, gain = ranks[:, -1], ranks[:, 0] / ranks[:, -1]
    assert final[picked["best final rank"]] == final.min()
    assert final[picked["median final rank"]] == final.sort().values[100]
    assert final[picked["worst final rank"]] == final.max()
    taken = [picked[f"{what} final rank"] for what in ("best", "median", "worst")]
    others = [row for row in range(200) if row not in taken]
    assert gain[picked["most improved"]] == gain[others].max()
    assert gain[picked["most harmed"]] == gain[[row for row in others if row != picked["most improved"]]].min()
    assert [reason for reason in picked if reason.startswith("at random")] == [f"at random ({n})" for n in (1, 2, 3)]


def test_harm_is_measured_against_the_control_where_there_is_one(ranks: torch.Tensor):
    # Row 7 ends better than it began, but the control found its target: only the control shows the harm.
    ranks[7] = torch.tensor([900, 800, 700, 600])
    unheard = ranks[:, -1].double()
    unheard[7] = 1.0
    assert pick_sessions(results(ranks), 8, 0, unheard)["most harmed"] == 7
    assert pick_sessions(results(ranks), 8, 0)["most harmed"] != 7


def test_no_session_is_called_improved_or_harmed_that_was_not():
    still = torch.arange(1, 21)[:, None].expand(-1, TURNS + 1).contiguous()
    reasons = list(pick_sessions(results(still), 20, seed=0))
    assert reasons[:3] == ["best final rank", "median final rank", "worst final rank"]
    assert all(reason.startswith("at random") for reason in reasons[3:])


def test_where_nobody_was_harmed_the_least_improved_is_shown():
    ranks = torch.stack([torch.full((20,), 500), torch.arange(1, 21)], dim=1)
    picked = pick_sessions(results(ranks), 8, seed=0)
    # Row 19 is the worst already, so the next one is the least improved.
    assert "most harmed" not in picked and picked["least improved"] == 18


@pytest.mark.parametrize("count", [1, 5, 9, 200, 1000])
def test_none_comes_twice_and_the_seed_decides(ranks: torch.Tensor, count: int):
    picked = pick_sessions(results(ranks), count, seed=3)
    assert len(set(picked.values())) == len(picked) == min(count, 200)
    assert picked == pick_sessions(results(ranks), count, seed=3)


def test_picking_nothing_is_refused(ranks: torch.Tensor):
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        pick_sessions(results(ranks), 0, seed=0)


def test_the_sessions_apart_are_those_of_the_largest_factor_of_ranks():
    ours = torch.tensor([[9, 1], [9, 10], [9, 10], [9, 500], [9, 7]])
    theirs = torch.tensor([[8, 2], [8, 100], [8, 10], [8, 5], [8, 14]])
    apart = sessions_apart(results(ours, "ours"), results(theirs, "theirs"), 1, count=2)
    assert [one["target"] for one in apart["sessions"]] == ["image 1", "image 0", "image 3"]
    assert apart["sessions"][0] == {"target": "image 1", "of": [9.0, 10.0], "over": [8.0, 100.0]}
    assert (apart["of"], apart["over"], apart["turn"], apart["first"]) == ("ours", "theirs", 1, 0)
    assert json.loads(json.dumps(apart)) == apart


def test_sessions_apart_are_paired_by_target_and_by_turn():
    ranks = torch.randint(1, SIZE, (30, 4), generator=torch.Generator().manual_seed(2))
    other = torch.randint(1, SIZE, (30, 4), generator=torch.Generator().manual_seed(3))
    whole = sessions_apart(results(ranks, "a"), results(other, "b"), 2)
    shuffled = sessions_apart(results(ranks, "a"), results(other, "b", order=list(range(29, -1, -1))), 2)
    assert shuffled == whole
    late = sessions_apart(results(ranks, "a"), results(other[:, 1:], "b", start=1), 2)
    assert late["first"] == 1
    assert [one["target"] for one in late["sessions"]] == [one["target"] for one in whole["sessions"]]
    assert late["sessions"][0]["over"] == whole["sessions"][0]["over"][1:]
