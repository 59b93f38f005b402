"""Claims about what a session refuses: what does not fit its sessions, its gallery or what was asked of it."""

import jaxtyping
import pytest
import torch

from multiturn.scoring import DenseScores
from multiturn.session import Session
from tests.multiturn.test_session import GALLERY, TARGETS, Constant, LikedMean


@pytest.fixture
def unannotated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No annotation is checked, as outside tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize("seen", ["drop", "", "Keep"])
def test_what_becomes_of_seen_candidates_is_one_of_three_words(unannotated, seen):
    with pytest.raises(ValueError, match=f"one of keep, drop_from_display, drop_from_rank, not '{seen}'"):
        Session(LikedMean(), GALLERY, TARGETS, seen=seen)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (DenseScores(torch.zeros(5, 10)), r"shape \(5, 10\) for 5 sessions and 40 candidates"),
        (DenseScores(torch.zeros(1, 40)), r"shape \(1, 40\) for 5 sessions and 40 candidates"),
        (torch.zeros(5, 40), r"table of shape \(5, 40\); wrap it, as multiturn.scoring.DenseScores"),
    ],
)
def test_scores_of_other_sessions_or_candidates_are_refused(unannotated, table, said):
    with pytest.raises(ValueError, match=said):
        Session(Constant(table), GALLERY, TARGETS).show()


@pytest.mark.parametrize("opening", [torch.tensor([[1, 2, 3]]), torch.arange(5), torch.zeros(5, 2, 2).long()])
def test_an_opening_page_without_a_row_a_session_is_refused(unannotated, opening):
    with pytest.raises(ValueError, match="for 5 sessions; give a row of positions each"):
        Session(LikedMean(), GALLERY, TARGETS, 3, opening=opening)


@pytest.mark.parametrize("seen", ["drop_from_display", "drop_from_rank"])
def test_an_opening_page_names_a_candidate_once_where_seen_ones_are_dropped(seen):
    opening = torch.tensor([[1, 2, 3], [4, 5, 6], [19, 7, 19], [1, 2, 3], [1, 2, 3]])
    with pytest.raises(ValueError, match=r"candidate 19 twice.*give each candidate once"):
        Session(LikedMean(), GALLERY, TARGETS, 3, seen=seen, opening=opening)
    assert torch.equal(Session(LikedMean(), GALLERY, TARGETS, 3, opening=opening).show().shown, opening)


@pytest.mark.parametrize("position", [-1, 40])
def test_an_opening_page_outside_the_gallery_is_refused(position):
    with pytest.raises(ValueError, match=r"positions 0..39, not"):
        Session(LikedMean(), GALLERY, TARGETS[:1], opening=torch.tensor([[position]]))


def test_a_position_is_watched_in_each_session(unannotated):
    with pytest.raises(ValueError, match=r"watched has the shape \(2,\) for 5 sessions"):
        Session(LikedMean(), GALLERY, TARGETS, watched=TARGETS[:2])


@pytest.mark.parametrize("sessions", [[0], 0, torch.tensor([0.0]), torch.tensor([[0]])])
def test_sessions_are_whole_numbers_in_a_tensor(unannotated, sessions):
    with pytest.raises(ValueError, match=r"as torch.tensor\(\[0\]\); not"):
        Session(LikedMean(), GALLERY, sessions)
