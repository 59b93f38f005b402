"""Comparisons of the target with a shown face, read from words; what a simulated witness says lives in `users`."""

from collections.abc import Sequence

import torch
from jaxtyping import Int8
from torch import Tensor

from facefb.attribute_queries import read_query

# What a comparison begins with, and what it says of the attributes after it: +1 the target is the same, -1 it differs.
HEADS = {"same": 1, "like": 1, "alike": 1, "differs": -1, "differ": -1, "different": -1, "unlike": -1}


def read_comparison(
    text: str,
    shown: Int8[Tensor, " attribute"],
    attributes: Sequence[str],
    before: Int8[Tensor, " attribute"] | None = None,
) -> Int8[Tensor, " attribute"]:
    """In which attributes the target is like the shown face, from a line of text.

    Parts stand between semicolons. "same: Smiling, Young" and "differs: Male" compare; a part without such a head says
    what the target has and lacks, as in "Smiling, not Male" or then "also Young", and is compared with what the shown
    face has.

    Args:
        text: what was said.
        shown: attributes of the shown face, -1 or +1.
        attributes: their names.
        before: what the last reply said of the target, +1 has, -1 lacks, 0 not said, for "also" and "forget"; None
            where there was none.
    Returns:
        relevance: +1 the same, -1 different, 0 not said.
    Raises:
        ValueError: an unknown attribute (the nearest is suggested), none at all, or two parts that contradict.
    Example:
        >>> shown = torch.tensor([1, -1, 1], dtype=torch.int8)  # a young man who does not smile
        >>> names = ["Male", "Smiling", "Young"]
        >>> read_comparison("same: Young; differs: Male", shown, names).tolist()
        [-1, 0, 1]
        >>> read_comparison("smiling, not male", shown, names).tolist()
        [-1, -1, 0]
    """
    relevance = torch.zeros(len(attributes), dtype=torch.int8)
    for part in filter(None, (part.strip() for part in text.split(";"))):
        said = _read_part(part, shown.cpu(), attributes, before)
        if bool((said * relevance < 0).any()):
            name = attributes[int((said * relevance < 0).nonzero()[0, 0])]
            raise ValueError(f"{text!r} says that {name} is the same and that it differs; leave one out")
        relevance = torch.where(said != 0, said, relevance)
    if not bool(relevance.any()):
        raise ValueError(
            f"{text!r} compares no attribute; write what is the same and what differs, such as 'same: Young; differs: "
            "Male', or what the target has and lacks, such as 'Smiling, not Male'"
        )
    return relevance


def _read_part(
    part: str,
    shown: Int8[Tensor, " attribute"],
    attributes: Sequence[str],
    before: Int8[Tensor, " attribute"] | None,
) -> Int8[Tensor, " attribute"]:
    head, colon, names = part.partition(":")
    if not colon:
        return read_query(part, attributes, before) * shown
    if (sign := HEADS.get(head.strip().lower())) is None:
        raise ValueError(f"{head.strip()!r} begins no comparison; write 'same: ...' or 'differs: ...'")
    named = read_query(names, attributes)
    if bool((named < 0).any()):
        name = attributes[int((named < 0).nonzero()[0, 0])].replace("_", " ")
        raise ValueError(
            f"{part!r} compares by a name without 'not'; write 'same: {name}' where both have it or neither has, "
            f"'differs: {name}' where one has it and the other not"
        )
    return named * sign
