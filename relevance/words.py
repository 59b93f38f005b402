"""Likes, dislikes and examples read from words; what becomes of them lives in `state`."""

import re

import torch
from jaxtyping import Int
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.replies import RelevanceReply

HEADS = {"like": 1, "likes": 1, "dislike": -1, "dislikes": -1}
HELP = "mark places of the page, such as '+1 +3 -2', or name images, such as 'like: ID, ID; dislike: ID'"


def read_judgements(text: str, shown: Int[Tensor, " page"], gallery: Gallery) -> RelevanceReply:
    """Which images are liked and disliked, from a line of text.

    Args:
        text: "+1 +3 -2" likes the first and the third image of the page and dislikes the second; "like: ID, ID;
            dislike: ID" names images by their ids, on the page or not.
        shown: positions on the page that is answered, best first.
        gallery: that is searched.
    Raises:
        ValueError: nothing is judged, a place beyond the page, an id that is not in the gallery, or an image that is
            both liked and disliked.
    Example:
        >>> gallery = Gallery(("a", "b", "c"), torch.eye(3), "e", "three letters")
        >>> read_judgements("+1 -2", torch.tensor([2, 0]), gallery).rows(gallery.ids)
        [{'kind': 'relevance', 'judged': ['c', 'a'], 'liked': '+-'}]
    """
    judged = _by_id(text, gallery) if ":" in text else _by_place(text, shown)
    if not judged:
        raise ValueError(f"{text!r} judges no image; {HELP}")
    liked: dict[int, int] = {}
    for position, sign in judged:
        if liked.setdefault(position, sign) != sign:
            raise ValueError(f"{text!r} both likes and dislikes {gallery.ids[position]!r}; leave one out")
    return RelevanceReply(torch.tensor([[*liked]]), torch.tensor([[*liked.values()]], dtype=torch.int8))


def _by_place(text: str, shown: Int[Tensor, " page"]) -> list[tuple[int, int]]:
    judged = []
    for word in re.split(r"[\s,]+", text.strip()):
        if not word:
            continue
        found = re.fullmatch(r"([+-])(\d{1,9})", word)
        if found is None:
            raise ValueError(f"{word!r} is no judgement; {HELP}")
        place = int(found[2])
        if not 1 <= place <= len(shown):
            raise ValueError(f"{word!r} judges place {place}, but the page shows 1 to {len(shown)}")
        judged.append((int(shown[place - 1]), 1 if found[1] == "+" else -1))
    return judged


def _by_id(text: str, gallery: Gallery) -> list[tuple[int, int]]:
    judged = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        head, _, names = part.partition(":")
        if (sign := HEADS.get(head.strip().lower())) is None:
            raise ValueError(f"{head.strip()!r} judges nothing; {HELP}")
        ids = [name.strip() for name in names.split(",") if name.strip()]
        judged += [(position, sign) for position in gallery.positions(ids).tolist()]
    return judged
