"""Claims about replies in words, as pages show them."""

import pytest
import torch

from multiturn.replies import AttributeReply, RelevanceReply, Reply, TextReply, WantedReply
from multiturn.report.said import said
from tests.multiturn.test_report_sessions import IDS, NAMES, REPLIES, SIGNS


def test_attributes_that_differ_are_named_as_the_shown_image_has_them():
    words = said(REPLIES["attributes"].rows(IDS)[0], NAMES)
    assert dict(words.lists) == {"Different": ("Young",), "Same": ("Smiling", "not Wearing Hat")}
    assert words.about == IDS[1]


@pytest.mark.parametrize(
    "silent",
    [TextReply(("",)), WantedReply(torch.zeros(1, 3, dtype=torch.int8)),
     AttributeReply(torch.tensor([0]), 0 * SIGNS, 0 * SIGNS),
     RelevanceReply(torch.tensor([[1]]), torch.zeros(1, 1, dtype=torch.int8))],
    ids=lambda reply: type(reply).__name__,
)  # fmt: skip
def test_silence_is_called_so(silent: Reply):
    assert said(silent.rows(IDS)[0], NAMES).text == "nothing was said"


def test_an_attribute_without_a_name_has_a_number_and_an_unknown_kind_its_own_name():
    assert said({"kind": "wanted", "wanted": "..+"}).lists == {"Wanted": ("attribute 3",)}
    assert said({"kind": "gesture", "hand": "left"}).text == "a reply of kind gesture"
