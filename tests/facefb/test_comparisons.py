"""Claims about comparisons with a shown face, read from words."""

import pytest
import torch

from facefb.comparisons import read_comparison

NAMES = ["Male", "Smiling", "Young", "Wearing_Hat"]
SHOWN = torch.tensor([1, -1, 1, -1], dtype=torch.int8)


def read(text: str) -> list[int]:
    return read_comparison(text, SHOWN, NAMES).tolist()


def test_same_and_differs_say_how_the_target_compares_whatever_the_shown_face_has():
    assert read("same: Young, wearing hat; differs: Male") == [-1, 0, 1, 1]
    assert read("Unlike: male") == [-1, 0, 0, 0]


def test_what_the_target_has_and_lacks_is_compared_with_what_the_shown_face_has():
    assert read("Smiling, not Male") == [-1, -1, 0, 0]
    assert read("no wearing hat, young") == [0, 0, 1, 1]


def test_both_ways_of_speaking_go_together():
    assert read("Smiling; same: Young") == [0, -1, 1, 0]


def test_also_and_forget_change_what_was_said_of_the_target_before():
    before = torch.tensor([-1, 1, 0, 0], dtype=torch.int8)  # a woman who smiles
    assert read_comparison("also young, forget smiling", SHOWN, NAMES, before).tolist() == [-1, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("same: Smilling", "did you mean Smiling"),
        ("Smilling", "did you mean Smiling"),
        ("same: Male; differs: Male", "Male is the same and that it differs"),
        ("Smiling; same: Smiling", "Smiling is the same and that it differs"),
        ("same: not Male", "write 'same: Male' where both have it or neither has"),
        ("perhaps: Male", "'perhaps' begins no comparison"),
        (" ; ", "compares no attribute"),
        ("same:", "names no attribute"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_remedy(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        read(text)
