"""Claims about the simulated witness: what is said follows the paper's equation, and how much its schedule."""

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from facefb.users import (
    FULL,
    FULL_WITHOUT_CANDIDATE,
    PROGRESSIVE,
    SILENT,
    AttributeUser,
    Disclosure,
    matching_attributes,
)
from multiturn.contracts import check_user
from multiturn.gallery import Gallery
from multiturn.session import Turn

FACES, SESSIONS = 50, 200
GENERATOR = torch.Generator().manual_seed(0)
ATTRIBUTES = (torch.randint(0, 2, (FACES, 40), generator=GENERATOR) * 2 - 1).to(torch.int8)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], torch.randn(FACES, 4, generator=GENERATOR), "f", "s")
SHOWN = torch.randint(0, FACES, (SESSIONS, 2), generator=GENERATOR)
TARGETS = torch.randint(0, FACES, (SESSIONS,), generator=GENERATOR)


def turn(number: int, shown: torch.Tensor = SHOWN) -> Turn:
    scores = torch.full(shown.shape, torch.nan, dtype=torch.float64)
    return Turn(number, torch.arange(len(shown)), shown, scores, None, None, None)


def test_full_disclosure_is_the_product_of_both_faces_attributes():
    said = AttributeUser(ATTRIBUTES, FULL).reply(turn(0), TARGETS)
    for session in range(SESSIONS):
        face, target = int(SHOWN[session, 0]), int(TARGETS[session])
        assert int(said.about[session]) == face
        for attribute in range(40):
            a, q = int(ATTRIBUTES[face, attribute]), int(ATTRIBUTES[target, attribute])
            assert int(said.candidate[session, attribute]) == a
            assert int(said.relevance[session, attribute]) == (1 if a == q else -1)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("number", "masked"), [(1, 20), (2, 12), (3, 8), (4, 4), (5, 0), (6, 0), (9, 0)])
def test_exactly_the_papers_share_stays_unsaid_in_each_turn(number, masked, nested):
    said = AttributeUser(ATTRIBUTES, Disclosure(nested=nested), seed=3).reply(turn(number - 1), TARGETS)
    whole = AttributeUser(ATTRIBUTES, FULL).reply(turn(number - 1), TARGETS)
    assert ((said.relevance == 0).sum(1) == masked).all()
    assert torch.equal(torch.where(said.relevance == 0, whole.relevance, said.relevance), whole.relevance)
    assert torch.equal(said.candidate, whole.candidate)


@pytest.mark.parametrize("share", [0.0, 0.013, 0.0125, 0.4, 0.99, 1.0])
def test_any_share_leaves_the_rounded_number_unsaid(share):
    said = AttributeUser(ATTRIBUTES, Disclosure(masked=(share,))).reply(turn(0), TARGETS)
    assert ((said.relevance == 0).sum(1) == round(share * 40)).all()


def test_nested_masks_are_nested_and_redrawn_ones_are_not():
    for nested in (True, False):
        user = AttributeUser(ATTRIBUTES, Disclosure(nested=nested), seed=1)
        unsaid = [user.reply(turn(number), TARGETS).relevance == 0 for number in range(5)]
        inside = [bool((later & ~earlier).any()) for earlier, later in itertools.pairwise(unsaid)]
        assert inside[:3] == [not nested] * 3


def test_every_attribute_stays_unsaid_equally_often():
    many = turn(0, SHOWN.repeat(10, 1))
    said = AttributeUser(ATTRIBUTES, PROGRESSIVE, seed=2).reply(many, TARGETS.repeat(10))
    assert chisquare((said.relevance == 0).sum(0).numpy()).pvalue > 1e-3


def test_another_seed_or_turn_leaves_others_unsaid():
    first = AttributeUser(ATTRIBUTES, PROGRESSIVE, seed=0).reply(turn(0), TARGETS).relevance == 0
    other = AttributeUser(ATTRIBUTES, PROGRESSIVE, seed=1).reply(turn(0), TARGETS).relevance == 0
    flat = AttributeUser(ATTRIBUTES, Disclosure(masked=(0.5,)), seed=0).reply(turn(1), TARGETS).relevance == 0
    for masks in (other, flat):
        together = (first & masks).sum(1).double().mean()
        assert 9 < together < 11  # by chance 40 x .5 x .5


def test_without_the_candidate_only_the_comparison_is_said():
    said = AttributeUser(ATTRIBUTES, FULL_WITHOUT_CANDIDATE).reply(turn(0), TARGETS)
    assert bool((said.candidate == 0).all())
    assert bool((said.relevance != 0).all())


def test_the_silent_user_says_nothing_in_any_turn():
    for number in range(7):
        said = AttributeUser(ATTRIBUTES, SILENT).reply(turn(number), TARGETS)
        assert bool((said.candidate == 0).all())
        assert bool((said.relevance == 0).all())


@pytest.mark.parametrize("disclosure", [PROGRESSIVE, Disclosure(nested=True), FULL, FULL_WITHOUT_CANDIDATE, SILENT])
def test_the_witness_keeps_the_promises_of_a_user(disclosure):
    check_user(AttributeUser(ATTRIBUTES, disclosure, seed=4), GALLERY, TARGETS[:6], turns=6)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"masked": ()}, "at least one turn"),
        ({"masked": (0.5, 1.5)}, "between 0 and 1, not 1.5"),
        ({"masked": (0.5, float("nan"))}, "between 0 and 1, not nan"),
        ({"masked": (0.1, 0.5), "nested": True}, "never grow"),
    ],
)
def test_a_disclosure_that_cannot_be_is_refused(settings, reason):
    with pytest.raises(ValueError, match=reason):
        Disclosure(**settings)


def test_matching_attributes_are_counted():
    found = matching_attributes(ATTRIBUTES, SHOWN[:, 0], TARGETS)
    by_hand = [
        sum(a == q for a, q in zip(ATTRIBUTES[face].tolist(), ATTRIBUTES[target].tolist(), strict=True))
        for face, target in zip(SHOWN[:, 0].tolist(), TARGETS.tolist(), strict=True)
    ]
    assert found.tolist() == by_hand
    assert np.all(matching_attributes(ATTRIBUTES, TARGETS, TARGETS).numpy() == 40)
