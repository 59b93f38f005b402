"""Claims about what a session remembers of likes and dislikes."""

import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.replies import RelevanceReply
from relevance.state import after, at_start


def said(judged: list[list[int]], liked: list[list[int]]) -> RelevanceReply:
    return RelevanceReply(torch.tensor(judged), torch.tensor(liked, dtype=torch.int8))


def test_judgements_add_up_in_their_order(flock):
    state = after(at_start(1, flock.gallery), said([[4, 7]], [[1, -1]]), flock.gallery)
    state = after(state, said([[9]], [[1]]), flock.gallery)
    assert state.judged.tolist() == [[4, 7, 9]] and state.liked.tolist() == [[1, -1, 1]]
    assert state.page.tolist() == [0, 0, 1]


def test_who_judges_an_image_again_changes_their_mind(flock):
    state = after(at_start(1, flock.gallery), said([[4, 7]], [[1, -1]]), flock.gallery)
    state = after(state, said([[7, 8]], [[1, -1]]), flock.gallery)
    assert state.judged.tolist() == [[4, -1, 7, 8]] and state.liked.tolist() == [[1, 0, 1, -1]]


def test_an_image_that_nothing_is_said_of_is_not_judged(flock):
    state = after(at_start(1, flock.gallery), said([[4, 7]], [[0, -1]]), flock.gallery)
    assert state.judged.tolist() == [[-1, 7]]


def test_saying_the_same_twice_in_one_reply_counts_once(flock):
    state = after(at_start(1, flock.gallery), said([[4, 4]], [[1, 1]]), flock.gallery)
    assert state.judged.tolist() == [[4, -1]]


def test_one_reply_that_contradicts_itself_is_refused_by_name(flock):
    with pytest.raises(ValueError, match="both likes and dislikes '004'; say one of them"):
        after(at_start(1, flock.gallery), said([[4, 7, 4]], [[1, 1, -1]]), flock.gallery)


def test_a_position_outside_the_gallery_is_refused(flock):
    with pytest.raises(ValueError, match=r"position 120; this gallery has 0\.\.119"):
        after(at_start(1, flock.gallery), said([[4, 120]], [[1, -1]]), flock.gallery)


def test_judgements_of_another_number_of_sessions_are_refused(flock):
    with pytest.raises(ValueError, match="for 2 sessions; give one row a session"):
        after(at_start(2, flock.gallery), said([[4]], [[1]]), flock.gallery)


def test_the_old_state_is_not_written_to(flock):
    old = after(at_start(1, flock.gallery), said([[4, 7]], [[1, -1]]), flock.gallery)
    after(old, said([[7]], [[1]]), flock.gallery)
    assert old.judged.tolist() == [[4, 7]] and old.liked.tolist() == [[1, -1]]


def test_a_gallery_of_regions_is_refused():
    regions = Regions(torch.ones(2, 3, 4), None, torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="one vector an image; encode this gallery without regions"):
        at_start(1, Gallery.of(["a", "b"], regions, "encoder", "regions"))


@pytest.mark.parametrize("judgement", [5, -2])
def test_a_judgement_is_a_like_a_dislike_or_none(flock, judgement):
    with pytest.raises(ValueError, match=f"a judgement is {judgement}; it is 1 for a like"):
        after(at_start(1, flock.gallery), said([[4]], [[judgement]]), flock.gallery)
