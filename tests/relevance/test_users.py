"""Claims about the simulated user of relevance feedback."""

from dataclasses import replace

import pytest
import torch

from multiturn.contracts import check_user
from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, RelevanceReply
from multiturn.session import Turn

TARGETS = torch.tensor([4, 30, 77])


def turn(number: int, shown: list[list[int]]) -> Turn:
    page = torch.tensor(shown)
    return Turn(number, torch.arange(len(shown)), page, torch.zeros(page.shape, dtype=torch.float64), None, None, None)


@pytest.mark.parametrize("wrong", [0.0, 0.3])
def test_it_keeps_the_promises_of_a_user(wrong, flock):
    check_user(replace(flock.user, wrong=wrong), flock.gallery, TARGETS)


def test_the_first_reply_is_the_degraded_example(flock):
    reply = flock.user.reply(turn(0, [[4], [30], [77]]), TARGETS)
    assert isinstance(reply, ImageReply) and reply.names == ("004", "030", "077")
    assert torch.equal(reply.vectors, flock.examples.vectors[TARGETS])


def test_later_replies_like_what_is_of_the_class_alone(flock):
    reply = flock.user.reply(turn(1, [[0, 19, 20]]), TARGETS[:1])
    assert isinstance(reply, RelevanceReply) and reply.liked.tolist() == [[1, 1, -1]]


def test_the_wanted_share_of_judgements_is_wrong(flock):
    many = turn(1, [[0] * 2000])
    reply = replace(flock.user, wrong=0.25).reply(many, TARGETS[:1])
    assert isinstance(reply, RelevanceReply)
    assert float((reply.liked == -1).double().mean()) == pytest.approx(0.25, abs=0.03)


def test_examples_of_another_encoder_are_refused(flock):
    other = Gallery(flock.examples.ids, flock.examples.vectors, "another", "dots")
    with pytest.raises(ValueError, match="encoded by another, the gallery by encoder"):
        replace(flock.user, examples=other)


def test_labels_that_do_not_fit_are_refused(flock):
    with pytest.raises(ValueError, match="120 examples and 3 labels do not belong to the 120 images"):
        replace(flock.user, labels=torch.tensor([0, 0, 1]))


def test_a_share_above_one_is_refused(flock):
    with pytest.raises(ValueError, match=r"share between 0 and 1, not 1\.5"):
        replace(flock.user, wrong=1.5)
