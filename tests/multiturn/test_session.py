"""Claims about sessions: one code path, whether a simulation drives many at once or a person drives one."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.replies import RelevanceReply, TextReply
from multiturn.scoring import DenseScores, VectorScores
from multiturn.session import Display, Nearest, Retriever, Session, Turn, User, play

GALLERY = Gallery.of(
    [f"{i:03d}" for i in range(40)], torch.randn(40, 6, generator=torch.Generator().manual_seed(0)), "f", "s"
)
TARGETS = torch.tensor([3, 17, 25, 39, 8])


@dataclass(frozen=True)
class MeanState:
    liked: torch.Tensor
    count: int


class LikedMean:
    """Looks where the candidates lie that were liked, away from those that were not."""

    def start(self, sessions, gallery):
        return MeanState(torch.zeros(sessions, gallery.vectors.shape[1]), 0)

    def update(self, state, reply, gallery):
        signs = reply.liked[:, :, None].float()
        moved = (gallery.vectors[reply.judged] * signs).sum(1)
        return MeanState(state.liked + moved, state.count + 1)

    def score(self, state, gallery):
        return VectorScores(state.liked, gallery.vectors, gallery.norms, "l2")


class NoisyUser:
    """Likes what lies near the target, and errs at times."""

    def reply(self, turn, target):
        near = (GALLERY.vectors[turn.shown] - GALLERY.vectors[target][:, None]).square().sum(2) < 8
        errs = uniform(3, turn.sessions, turn.number, turn.shown.shape[1]) < 0.2
        return RelevanceReply(turn.shown, torch.where(near ^ errs, 1, -1).to(torch.int8))


class Chance:
    """Shows some of the best candidates, by chance."""

    def width(self, page_size):
        return page_size + 4

    def choose(self, turn, sessions, positions, scores, page_size):
        return uniform(5, sessions, turn, positions.shape[1]).argsort(dim=1)[:, :page_size]


def same(one: Turn, other: Turn, row: slice) -> bool:
    assert one.ranks is not None and other.ranks is not None
    pairs = [(one.shown[row], other.shown), (one.sessions[row], other.sessions)]
    pairs += [(one.ranks.best[row], other.ranks.best), (one.ranks.worst[row], other.ranks.worst)]
    return all(torch.equal(a, b) for a, b in pairs) and torch.equal(
        one.scores[row].nan_to_num(-1), other.scores.nan_to_num(-1)
    )


@pytest.mark.parametrize("opening", [None, torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [3, 2, 1], [0, 39, 20]])])
@pytest.mark.parametrize("seen", ["keep", "drop_from_display", "drop_from_rank"])
@pytest.mark.parametrize("display", [None, Chance()])
def test_driving_a_session_by_hand_gives_exactly_the_pages_of_the_simulation(seen, display, opening):
    batch = Session(LikedMean(), GALLERY, TARGETS + 100, 3, display, seen, opening, TARGETS)
    simulated = list(play(batch, NoisyUser(), TARGETS, 5))
    for number in range(len(TARGETS)):
        row = slice(number, number + 1)
        page = None if opening is None else opening[row]
        live = Session(LikedMean(), GALLERY, TARGETS[row] + 100, 3, display, seen, page, TARGETS[row])
        assert same(simulated[0], live.show(), row)
        for turn in simulated[1:]:
            reply = NoisyUser().reply(live.show(), TARGETS[row])  # a request of its own
            assert same(turn, live.tell(reply), row)


def test_watching_the_target_does_not_change_what_is_shown():
    unwatched = Session(LikedMean(), GALLERY, TARGETS, 3)
    watched = Session(LikedMean(), GALLERY, TARGETS, 3, watched=TARGETS)
    for one, other in zip(
        play(unwatched, NoisyUser(), TARGETS, 4), play(watched, NoisyUser(), TARGETS, 4), strict=True
    ):
        assert torch.equal(one.shown, other.shown)
        assert one.ranks is None


def test_turn_0_answers_nothing_and_turn_t_the_t_th_reply():
    turns = list(play(Session(LikedMean(), GALLERY, TARGETS), NoisyUser(), TARGETS, 3))
    assert [turn.number for turn in turns] == [0, 1, 2, 3]
    assert [turn.reply is None for turn in turns] == [True, False, False, False]


def test_showing_twice_shows_the_same_turn():
    session = Session(LikedMean(), GALLERY, TARGETS)
    assert session.show() is session.show()


def test_a_reply_taken_back_and_said_again_leads_to_the_same_turn():
    session = Session(LikedMean(), GALLERY, TARGETS, 3, Chance(), "drop_from_rank", None, TARGETS)
    turns = list(play(session, NoisyUser(), TARGETS, 3))
    assert session.undo() is turns[2]
    assert session.undo() is turns[1]
    for turn in turns[2:]:
        again = session.tell(turn.reply)  # type: ignore[arg-type]
        assert same(turn, again, slice(None))


def test_another_reply_after_undo_forgets_the_first():
    session = Session(LikedMean(), GALLERY, TARGETS[:1], 2)
    page = session.show().shown
    session.tell(RelevanceReply(page, torch.tensor([[1, 1]], dtype=torch.int8)))
    session.undo()
    other = session.tell(RelevanceReply(page, torch.tensor([[-1, -1]], dtype=torch.int8)))
    fresh = Session(LikedMean(), GALLERY, TARGETS[:1], 2)
    assert torch.equal(
        fresh.tell(RelevanceReply(fresh.show().shown, torch.tensor([[-1, -1]], dtype=torch.int8))).shown, other.shown
    )


def test_nothing_said_cannot_be_taken_back():
    session = Session(LikedMean(), GALLERY, TARGETS)
    with pytest.raises(ValueError, match="no reply to take back"):
        session.undo()
    session.show()
    with pytest.raises(ValueError, match="no reply to take back"):
        session.undo()


@pytest.mark.parametrize("seen", ["drop_from_display", "drop_from_rank"])
def test_nothing_is_shown_twice_where_seen_candidates_are_dropped(seen):
    opening = torch.arange(10).view(5, 2)
    session = Session(LikedMean(), GALLERY, TARGETS, 2, seen=seen, opening=opening, watched=TARGETS)
    pages = torch.cat([turn.shown for turn in play(session, NoisyUser(), TARGETS, 10)], 1)
    assert all(len(set(row)) == len(row) == 22 for row in pages.tolist())


def test_a_target_dropped_from_the_rank_stays_last():
    session = Session(
        LikedMean(), GALLERY, TARGETS, 1, seen="drop_from_rank", opening=TARGETS[:, None], watched=TARGETS
    )
    turns = list(play(session, NoisyUser(), TARGETS, 3))
    for turn in turns[1:]:
        assert turn.ranks is not None
        assert turn.ranks.best.tolist() == [40] * 5


def test_seen_candidates_dropped_from_display_do_not_change_ranks_for_the_same_replies():
    one = Session(LikedMean(), GALLERY, TARGETS, 3, watched=TARGETS)
    two = Session(LikedMean(), GALLERY, TARGETS, 3, seen="drop_from_display", watched=TARGETS)
    reply = NoisyUser().reply(one.show(), TARGETS)
    assert torch.equal(two.show().shown, one.show().shown)
    first, second = one.tell(reply).ranks, two.tell(reply).ranks
    assert first is not None and second is not None
    assert torch.equal(first.best, second.best)


def test_an_opening_page_is_shown_as_given_without_scores():
    opening = torch.tensor([[5], [5], [0], [39], [2]])
    turn = Session(LikedMean(), GALLERY, TARGETS, opening=opening, watched=TARGETS).show()
    assert torch.equal(turn.shown, opening)
    assert bool(turn.scores.isnan().all())
    assert turn.ranks is not None


@pytest.mark.parametrize("turns", [0, -1])
def test_no_turns_are_refused_with_the_settings_to_change(turns):
    with pytest.raises(ValueError, match=rf"at least 1, not {turns}; set evaluation.turns"):
        next(play(Session(LikedMean(), GALLERY, TARGETS), NoisyUser(), TARGETS, turns))


@pytest.mark.parametrize("page_size", [0, 41])
def test_a_page_that_the_gallery_cannot_fill_is_refused(page_size):
    with pytest.raises(ValueError, match=rf"1\.\.40 in this gallery, not {page_size}"):
        Session(LikedMean(), GALLERY, TARGETS, page_size)


def test_a_page_of_the_whole_gallery_is_shown_best_first():
    turn = Session(LikedMean(), GALLERY, TARGETS, 40).show()
    assert all(sorted(row) == list(range(40)) for row in turn.shown.tolist())
    assert bool((turn.scores.diff(dim=1) <= 0).all())


def test_running_out_of_unseen_candidates_says_so():
    session = Session(LikedMean(), GALLERY, TARGETS, 15, seen="drop_from_display")
    with pytest.raises(ValueError, match="only 10 candidates are left"):
        list(play(session, NoisyUser(), TARGETS, 4))


def test_a_state_that_is_not_finite_stops_the_session():
    class Diverged(LikedMean):
        def update(self, state, reply, gallery):
            return replace(super().update(state, reply, gallery), liked=torch.full((5, 6), torch.nan))

    session = Session(Diverged(), GALLERY, TARGETS)
    with pytest.raises(ValueError, match="query of session 0 is not finite"):
        list(play(session, NoisyUser(), TARGETS, 2))


def test_the_gradient_reaches_the_state_of_each_turn():
    weight = torch.ones(6, requires_grad=True)

    class Weighted(LikedMean):
        def update(self, state, reply, gallery):
            told = super().update(state, reply, gallery)
            return replace(told, liked=told.liked * weight)

    turns = list(play(Session(Weighted(), GALLERY, TARGETS, 3), NoisyUser(), TARGETS, 2))
    turns[-1].state.liked.sum().backward()
    assert weight.grad is not None and bool((weight.grad != 0).any())
    assert not turns[-1].scores.requires_grad


class Constant:
    """Scores all candidates alike, or gives the table that it was made with."""

    def __init__(self, table: Any = None) -> None:
        self.table = table

    def start(self, sessions, gallery):
        return sessions

    def update(self, state, reply, gallery):
        return state

    def score(self, state, gallery):
        return DenseScores(torch.zeros(state, len(gallery))) if self.table is None else self.table


def test_a_table_of_scores_drives_a_session_as_well():
    turn = Session(Constant(), GALLERY, TARGETS, 2, watched=TARGETS).tell(TextReply(("x",) * 5))
    assert turn.shown.tolist() == [[0, 1]] * 5
    assert turn.ranks is not None
    assert turn.ranks.worst.tolist() == [40] * 5


def test_what_plugs_in_is_recognised():
    assert isinstance(LikedMean(), Retriever)
    assert isinstance(NoisyUser(), User)
    assert isinstance(Chance(), Display)
    assert isinstance(Nearest(), Display)
    assert not isinstance(NoisyUser(), Retriever)
