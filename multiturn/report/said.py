"""What a reply of a transcript says, in words for a page; replies themselves live in multiturn/replies.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOTHING = "nothing was said"
MARKS = {"+": "liked", "-": "disliked"}


@dataclass(frozen=True)
class Said:
    """A reply in words.

    Attributes:
        text: a sentence, as it was said if the user spoke.
        quoted: whether the sentence is the user's own.
        about: id of the one candidate that the user speaks of, "" if there is none.
        lists: names under a title each.
        example: name of an example image, "" if there is none.
        marks: `liked` or `disliked` under the id of each candidate that was judged.
    """

    text: str = ""
    quoted: bool = False
    about: str = ""
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    example: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)


def said(reply: Mapping[str, Any] | None, attributes: Sequence[str] = ()) -> Said:
    """Put a reply into words.

    Args:
        reply: as `multiturn.replies.Reply.rows` writes it; None where there was none.
        attributes: names of what signs stand for; beyond them attributes are numbered from 1.
    Returns:
        its words; of a kind that is not known here, the name of the kind.
    Example:
        >>> said({"kind": "wanted", "wanted": "+.-"}, ["Smiling", "Young", "Wearing_Hat"]).lists
        {'Wanted': ('Smiling', 'not Wearing Hat')}
        >>> said({"kind": "relevance", "judged": ["a", "b"], "liked": "+-"}).text
        '1 liked, 1 disliked'
    """
    match reply:
        case None:
            return Said()
        case {"kind": "text", "text": str(text)}:
            return Said(text, quoted=True) if text.strip() else Said(NOTHING)
        case {"kind": "attributes", "about": about, "candidate": candidate, "relevance": relevance}:
            names = [_signed(place, sign, attributes) for place, sign in enumerate(candidate)]
            told = {"Different": _chosen(names, relevance, "-"), "Same": _chosen(names, relevance, "+")}
            return _listed(told, about)
        case {"kind": "wanted", "wanted": wanted}:
            names = [_signed(place, sign, attributes) for place, sign in enumerate(wanted)]
            return _listed({"Wanted": _chosen(names, wanted, "+-")})
        case {"kind": "relevance", "judged": judged, "liked": liked}:
            marks = {name: MARKS[sign] for name, sign in zip(judged, liked, strict=True) if sign in MARKS}
            counts = [f"{list(marks.values()).count(mark)} {mark}" for mark in MARKS.values()]
            return Said(", ".join(counts) if marks else NOTHING, marks=marks)
        case {"kind": "image", "name": name}:
            return Said(f"example image {name}", example=str(name))
        case {"kind": kind}:
            return Said(f"a reply of kind {kind}")
        case _:
            return Said("a reply without a kind")


def _listed(lists: Mapping[str, tuple[str, ...]], about: str = "") -> Said:
    told = {title: names for title, names in lists.items() if names}
    return Said(about=about, lists=told) if told else Said(NOTHING)


def _chosen(names: Sequence[str], signs: str, wanted: str) -> tuple[str, ...]:
    return tuple(name for name, sign in zip(names, signs, strict=True) if sign in wanted)


def _signed(place: int, sign: str, attributes: Sequence[str]) -> str:
    """An attribute, with "not" before it where it is said to be absent."""
    name = attributes[place].replace("_", " ") if place < len(attributes) else f"attribute {place + 1}"
    return f"not {name}" if sign == "-" else name
