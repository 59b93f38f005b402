"""Kept sessions as a page shows them, turn by turn with pictures and words; sessions.html.j2 is the page's part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multiturn.report.said import Said, said
from multiturn.report.sessions import displayed

ORDINALS = {1: "first", 2: "second", 3: "third"}


@dataclass(frozen=True)
class Picture:
    """A picture of the page, or the id that stands in its place.

    Attributes:
        id: of the image.
        source: data URI; "" where there is no picture.
        alt: what it is, in words.
        framed: whether it is the target.
        mark: `liked`, `disliked` or "".
    """

    id: str
    source: str
    alt: str
    framed: bool = False
    mark: str = ""


@dataclass(frozen=True)
class TurnView:
    """A turn: what was said, then what was shown and where the target stood.

    Attributes:
        name: of the turn.
        said: the reply that it answers.
        about: id of the candidate that the reply speaks of, "" where there was but one.
        example: picture that the user brought; None if there is none.
        pictures: shown.
        more: how many more were shown.
        rank: of the target, with both ends of a tie.
        found: whether the target stands first, alone.
    """

    name: str
    said: Said
    about: str
    example: Picture | None
    pictures: tuple[Picture, ...]
    more: int
    rank: str
    found: bool


@dataclass(frozen=True)
class SessionView:
    """A session.

    Attributes:
        why: it was picked.
        name: its own.
        target: what it looks for.
        turns: in their order.
        course: first and last rank of the target.
        unheard: the target's rank at the end without feedback, "" if that was not played.
        many: whether a turn shows more than two candidates.
    """

    why: str
    name: str
    target: Picture
    turns: tuple[TurnView, ...]
    course: tuple[str, str]
    unheard: str
    many: bool


def session_views(kept: Mapping[str, Any]) -> list[SessionView]:
    """The sessions of a page.

    Args:
        kept: as `multiturn.report.sessions.kept_sessions` returns it.
    """
    return [_session(one, kept) for one in kept["sessions"]]


def session_notes(kept: Mapping[str, Any]) -> list[str]:
    """What a reader of the sessions must know; missing pictures are named once, here."""
    sessions = kept["sessions"]
    against = "without any feedback" if any(one["unheard"] is not None for one in sessions) else "in the beginning"
    kinds = {(turn["reply"] or {}).get("kind") for one in sessions for turn in one["turns"]}
    notes = [
        "Picked by the rank of the target; only those at random are typical. A session is listed once: a second "
        "distinction goes to the next one.",
        f"Improved: ranked better at the end than in the beginning. Harmed: ranked worse at the end than {against}.",
    ]
    if "attributes" in kinds:
        notes.append(
            "Same and different: attributes in which the target is, or is not, like the image shown before; they are "
            "named as that image has them."
        )
    if not any(turn["shown"] for one in sessions for turn in one["turns"]):
        notes.append("These results hold ranks alone: what was shown and said is not known.")
    elif not kept["pictures"]:
        notes.append("No pictures were kept with these results; ids stand in their place.")
    if missing := kept["missing"]:
        notes.append(f"{_images(len(missing))} not found, such as {missing[0]}; ids stand in their place.")
    if left_out := kept["left_out"]:
        notes.append(f"{_images(len(left_out))} left out to keep the page small; ids stand in their place.")
    return notes


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _session(one: Mapping[str, Any], kept: Mapping[str, Any]) -> SessionView:
    turns = one["turns"]
    words = [said(turn["reply"], kept["attributes"]) for turn in turns]
    # A reply judges, and speaks about, what the turn before it has shown.
    marks = [*(each.marks for each in words[1:]), {}]
    choice = [False, *(len(turn["shown"]) > 1 for turn in turns)]
    views = [
        _turn(turn, one["target"], words[number], marks[number], choice[number], kept)
        for number, turn in enumerate(turns)
    ]
    return SessionView(
        one["why"][:1].upper() + one["why"][1:],
        one["session"],
        _picture(one["target"], kept, f"Target {one['target']}"),
        tuple(views),
        (views[0].rank, views[-1].rank),
        "" if one["unheard"] is None else f"{one['unheard']:,.1f}".removesuffix(".0"),
        any(len(turn["shown"]) > 2 for turn in turns),
    )


def _turn(
    turn: Mapping[str, Any], target: str, words: Said, marks: Mapping[str, str], choice: bool, kept: Mapping[str, Any]
) -> TurnView:
    shown = displayed(turn, target)
    pictures = []
    for name in shown:
        alt = _alt(name, turn["shown"].index(name) + 1, target, marks.get(name, ""))
        pictures.append(_picture(name, kept, alt, name == target, marks.get(name, "")))
    return TurnView(
        f"Turn {turn['turn']}",
        words,
        words.about if choice else "",
        _picture(words.example, kept, f"Example image {words.example}") if words.example else None,
        tuple(pictures),
        len(turn["shown"]) - len(shown),
        _rank(turn["rank"]),
        turn["rank"] == [1, 1],
    )


def _picture(name: str, kept: Mapping[str, Any], alt: str, framed: bool = False, mark: str = "") -> Picture:
    encoded = kept["thumbnails"].get(name)
    return Picture(name, f"data:image/jpeg;base64,{encoded}" if encoded else "", alt, framed, mark)


def _alt(name: str, place: int, target: str, mark: str) -> str:
    """A shown picture in words.

    Example:
        >>> _alt("cat.jpg", 2, "cat.jpg", "liked")
        'cat.jpg, shown second, the target, liked'
    """
    where = f"shown {ORDINALS.get(place) or f'at place {place}'}"
    return ", ".join([name, where, *(["the target"] if name == target else []), *([mark] if mark else [])])


def _rank(ends: Sequence[int]) -> str:
    best, worst = ends
    return f"{best:,}" if best == worst else f"{best:,}–{worst:,}"
