"""Claims about ranks and measures of a search for a class."""

import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, RelevanceReply
from multiturn.session import Session
from multiturn.trial import Trial, run
from relevance.measures import ClassSearch
from relevance.retriever import NoFeedback
from relevance.users import RelevanceUser

# On a half circle: candidate i lies i steps from candidate 0.
ANGLES = torch.arange(6) * 0.3
GALLERY = Gallery.of(list("abcdef"), torch.stack([ANGLES.cos(), ANGLES.sin()], 1), "encoder", "arc")
LABELS = torch.tensor([0, 1, 0, 1, 0, 2])
TARGET = torch.tensor([0])


def looked(judged: list[list[int]], page: int = 2) -> tuple[ClassSearch, dict[str, float], list[int]]:
    """Measures of the last turn, and the rank of the watched image, after these pages were judged."""
    retriever = NoFeedback()
    search = ClassSearch(retriever, GALLERY, LABELS, page)
    session = Session(retriever, GALLERY, TARGET, page, None, "drop_from_rank", TARGET[:, None])
    turn = session.tell(ImageReply(("a",), GALLERY.vectors[:1]))
    for shown in judged:
        assert turn.shown.tolist() == [shown]
        liked = torch.where(LABELS[turn.shown] == 0, 1, -1).to(torch.int8)
        turn = session.tell(RelevanceReply(turn.shown, liked))
    ranks = search.ranks(turn, TARGET)
    measures = {name: float(value) for name, value in search.measures(turn, TARGET).items()}
    return search, measures, [int(ranks.best), int(ranks.worst)]


def test_the_list_is_without_the_image_of_the_example():
    _, measures, _ = looked([])
    # b c d e f, of which c and e are of the class
    assert measures["average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert measures["Hit@2"] == 1 and measures["precision@2"] == 0.5 and measures["found"] == 0.5


def test_judged_images_keep_their_place_in_the_whole_list_and_leave_the_rest():
    _, measures, _ = looked([[1, 2]])
    # whole list: b c | d e f; rest: d e f
    assert measures["average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert measures["average_precision_left"] == pytest.approx(1 / 2)
    assert measures["found"] == 1 and measures["left"] == 1


def test_a_page_counts_what_was_not_shown_before():
    _, measures, _ = looked([[1, 2]])
    assert measures["Hit@2"] == 1 and measures["precision@2"] == 0.5


def test_where_nothing_of_the_class_is_left_no_page_can_hit():
    _, measures, _ = looked([[1], [2], [3], [4]], page=1)
    assert measures["left"] == 0 and measures["Hit@1"] == 0
    assert measures["average_precision_left"] == 1 and measures["found"] == 1


def test_the_watched_image_is_of_the_class_and_never_the_example_itself():
    search, _, _ = looked([])
    watched = ClassSearch(search.retriever, GALLERY, LABELS, 2, seed=5).watched(torch.tensor([0, 2, 4, 1, 3]))
    assert all(LABELS[one] == LABELS[other] for one, other in zip(watched, [0, 2, 4, 1, 3], strict=True))
    assert all(int(one) != other for one, other in zip(watched, [0, 2, 4, 1, 3], strict=True))


@pytest.mark.parametrize("judged", [[], [[1, 2]]])
def test_the_rank_is_the_place_in_the_whole_list(judged):
    search, _, ranks = looked(judged)
    place = {2: 2, 4: 4}[int(search.watched(TARGET))]
    assert ranks == [place, place]


def test_a_trial_plays_it_and_fills_up_the_narrow_first_page():
    retriever = NoFeedback()
    search = ClassSearch(retriever, GALLERY, LABELS, 2)
    user = RelevanceUser(LABELS, GALLERY, GALLERY)
    targets = torch.tensor([0, 2])
    trial = Trial(
        "t", retriever, GALLERY, user, targets, 2, 2, "drop_from_rank", targets[:, None], search.ranks, search.measures
    )
    outcome = run(trial, 2, show_progress=False)
    assert outcome.shown[:, 0].tolist() == [[0, -1], [2, -1]]
    assert outcome.shown[0].tolist() == [[0, -1], [1, 2], [3, 4]]
    assert outcome.measures["Hit@2"][:, 0].tolist() == [0, 0]
