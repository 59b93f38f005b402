"""Claims about the attribute-classifier baseline: it counts, or weighs, what is known of the target."""

import math

import pytest
import torch

from facefb.matching import AttributeMatching
from facefb.users import FULL, PROGRESSIVE, AttributeUser
from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.replies import AttributeReply, TextReply, WantedReply
from multiturn.session import Session, play

FACES = 80
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(FACES, 40, generator=GENERATOR) * 2
TRUTH = torch.where(torch.rand(FACES, 40, generator=GENERATOR) < 0.9, LOGITS.sign(), -LOGITS.sign()).to(torch.int8)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], LOGITS, "classifier", "s")
TARGETS = torch.tensor([0, 7, 33, 79])


def table(retriever: AttributeMatching, state) -> torch.Tensor:
    pairs = torch.cartesian_prod(torch.arange(len(TARGETS)), torch.arange(FACES))
    return retriever.score(state, GALLERY).exact(pairs[:, 0], pairs[:, 1]).view(len(TARGETS), FACES)


def known_after(turns) -> list[list[int]]:
    """What follows from all replies, for each session, one attribute at a time."""
    known = [[0] * 40 for _ in TARGETS]
    for turn in turns[1:]:
        for session in range(len(TARGETS)):
            for attribute in range(40):
                told = int(turn.reply.relevance[session, attribute]) * int(turn.reply.candidate[session, attribute])
                known[session][attribute] = told or known[session][attribute]
    return known


@pytest.mark.parametrize("disclosure", [PROGRESSIVE, FULL])
def test_matches_are_counted_as_by_hand(disclosure):
    retriever = AttributeMatching()
    session = Session(retriever, GALLERY, TARGETS, watched=TARGETS)
    turns = list(play(session, AttributeUser(TRUTH, disclosure), TARGETS, 4))
    known, scores = known_after(turns), table(retriever, turns[-1].state)
    predicted = [[1 if logit > 0 else -1 for logit in row] for row in LOGITS.tolist()]
    for row, target in enumerate(TARGETS.tolist()):
        said = sum(value != 0 for value in known[row])
        matches = [sum(k == p for k, p in zip(known[row], face, strict=True)) for face in predicted]
        assert scores[row].tolist() == [2 * count - said for count in matches]
        last = turns[-1].ranks
        assert last is not None
        assert last.best[row] == 1 + sum(count > matches[target] for count in matches)
        assert last.worst[row] == sum(count >= matches[target] for count in matches)


def test_the_likelihood_is_the_sum_of_log_probabilities():
    retriever = AttributeMatching("likelihood")
    turns = list(play(Session(retriever, GALLERY, TARGETS), AttributeUser(TRUTH, PROGRESSIVE), TARGETS, 2))
    known, scores = known_after(turns), table(retriever, turns[-1].state)
    for row in range(len(TARGETS)):
        for face in range(0, FACES, 9):
            by_hand = sum(
                -math.log1p(math.exp(-k * logit))
                for k, logit in zip(known[row], LOGITS[face].tolist(), strict=True)
                if k
            )
            assert float(scores[row, face]) == pytest.approx(by_hand, abs=1e-4)


def test_full_disclosure_tells_all_attributes_in_one_turn():
    retriever = AttributeMatching()
    turns = list(play(Session(retriever, GALLERY, TARGETS), AttributeUser(TRUTH, FULL), TARGETS, 1))
    assert torch.equal(turns[1].state.known, TRUTH[TARGETS].float())


def test_before_any_reply_all_faces_tie():
    ranks = Session(AttributeMatching(), GALLERY, TARGETS, watched=TARGETS).show().ranks
    assert ranks is not None
    assert (ranks.best.tolist(), ranks.worst.tolist()) == ([1] * 4, [FACES] * 4)


@pytest.mark.parametrize("count", ["matches", "likelihood"])
def test_the_baseline_keeps_the_promises_of_a_retriever(count):
    check_retriever(AttributeMatching(count), GALLERY, AttributeUser(TRUTH, PROGRESSIVE), TARGETS)


def test_a_newer_statement_replaces_an_older_one():
    retriever, one = AttributeMatching(), torch.ones(4, 40, dtype=torch.int8)
    state = retriever.start(4, GALLERY)
    for relevance in (one, -one, 0 * one):
        state = retriever.update(state, AttributeReply(TARGETS, one, relevance), GALLERY)
    assert bool((state.known == -1).all())


def test_words_are_refused():
    retriever = AttributeMatching()
    with pytest.raises(ValueError, match="attribute replies, not TextReply"):
        retriever.update(retriever.start(1, GALLERY), TextReply(("a hat",)), GALLERY)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (WantedReply(torch.zeros(2, 40, dtype=torch.int8)), "2 rows of attributes for 1 sessions"),
        (WantedReply(torch.zeros(1, 3, dtype=torch.int8)), "speaks of 3 attributes, the retriever knows 40"),
        (AttributeReply(torch.tensor([80]), *torch.zeros(2, 1, 40, dtype=torch.int8)), "about position 80"),
        (AttributeReply(torch.tensor([0]), *torch.zeros(2, 1, 3, dtype=torch.int8)), "speaks of 3 attributes"),
    ],
)
def test_a_reply_that_fits_neither_sessions_nor_gallery_is_refused(reply, said):
    retriever = AttributeMatching()
    with pytest.raises(ValueError, match=said):
        retriever.update(retriever.start(1, GALLERY), reply, GALLERY)
