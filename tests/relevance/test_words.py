"""Claims about likes and dislikes read from words."""

import pytest
import torch

from multiturn.gallery import Gallery
from relevance.words import read_judgements

GALLERY = Gallery(("a 1.jpg", "b.jpg", "c.jpg", "d.jpg"), torch.eye(4), "e", "four")
SHOWN = torch.tensor([3, 0, 2])


def read(text: str) -> dict[str, str]:
    (row,) = read_judgements(text, SHOWN, GALLERY).rows(GALLERY.ids)
    return dict(zip(row["judged"], row["liked"], strict=True))


def test_signed_numbers_are_places_of_the_page():
    assert read("+1 +3 -2") == {"d.jpg": "+", "c.jpg": "+", "a 1.jpg": "-"}
    assert read("-3, +3".replace("+3", "+1")) == {"c.jpg": "-", "d.jpg": "+"}


def test_ids_name_images_on_the_page_or_not():
    assert read("like: b.jpg, a 1.jpg; dislike: c.jpg") == {"b.jpg": "+", "a 1.jpg": "+", "c.jpg": "-"}


def test_an_image_that_is_judged_alike_twice_counts_once():
    assert read("+1 +1") == {"d.jpg": "+"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "judges no image"),
        ("+4", "place 4, but the page shows 1 to 3"),
        ("+0", "place 0"),
        ("the first", "'the' is no judgement"),
        ("+1 -1", "both likes and dislikes 'd.jpg'"),
        ("like: ../../secret.jpg", "'../../secret.jpg' is not in the gallery of 4"),
        ("love: b.jpg", "'love' judges nothing"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_remedy(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        read(text)
