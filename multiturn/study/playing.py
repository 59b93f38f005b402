"""Scripts played with a system, in batches whose sessions are of one kind and length; files are written elsewhere."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch

from multiturn.replies import AttributeReply, ImageReply, RelevanceReply, Reply, WantedReply, reply_from_rows
from multiturn.session import Seen, Session, Turn
from multiturn.study.scripts import Said, Script
from multiturn.study.systems import System
from multiturn.trial import RanksOf

NEEDS_NO_PAGE = ("text", "wanted", "image")  # kinds of replies that speak of nothing shown

Row = dict[str, Any]


@dataclass(frozen=True)
class Played:
    """A batch of sessions with one system.

    Attributes:
        scripts: of the rows of each turn.
        turns: from 0, with what the retriever remembered.
    """

    scripts: tuple[Script, ...]
    turns: tuple[Turn, ...]


def batches(scripts: Iterable[Script], size: int) -> Iterator[list[Script]]:
    """Part scripts into batches of one length, with opening pages of one width, in the order in which they come."""
    alike: dict[tuple[int, int | None], list[Script]] = {}
    for script in scripts:
        width = None if script.opening is None else len(script.opening)
        alike.setdefault((len(script.said), width), []).append(script)
    for group in alike.values():
        for first in range(0, len(group), size):
            yield group[first : first + size]


@torch.no_grad()
def play_together(
    system: System, scripts: Sequence[Script], page_size: int, seen: Seen, ranked: RanksOf | None = None
) -> Iterator[Played]:
    """Play a batch of scripts of one length; sessions whose replies turn out to be of other kinds are played apart.

    Every script is told to the end, whatever is shown: people who found their target said no more.

    Args:
        ranked: what is ranked in place of the targets; see `multiturn.trial.Trial.ranks`.
    Raises:
        ValueError: something said cannot be understood, or is of a kind that the task does not take; the script's
            place and the turn are named.
    """
    session = _open(system, scripts, page_size, seen)
    places = {name: place for place, name in enumerate(system.gallery.ids)}
    turns = [session.show()]
    replies: list[Reply | None] = [None] * len(scripts)
    for place in range(len(scripts[0].said)):
        rows = []
        for row, script in enumerate(scripts):
            where = f"{script.where}, turn {place + 1}"
            said = reply_row(system, script.said[place], _of(turns[-1], row, replies[row]), where)
            replies[row] = _reply(said, places, where)
            rows.append(said)
        kinds = [_kind(reply) for reply in replies]
        if len(set(kinds)) > 1:
            for kind in dict.fromkeys(kinds):
                alike = [script for script, its in zip(scripts, kinds, strict=True) if its == kind]
                yield from play_together(system, alike, page_size, seen, ranked)
            return
        try:
            turns.append(session.tell(reply_from_rows(rows, places)))
        except ValueError as reason:
            raise ValueError(f"{scripts[0].where}, turn {place + 1}: {reason}") from reason
    if ranked is not None:
        target = system.gallery.positions([script.target for script in scripts])
        turns = [replace(turn, ranks=ranked(turn, target)) for turn in turns]
    yield Played(tuple(scripts), tuple(turns))


def _reply(row: Row, places: Mapping[str, int], where: str) -> Reply:
    """The reply of one session."""
    try:
        return reply_from_rows([row], places)
    except ValueError as reason:
        raise ValueError(f"{where}: {reason}") from reason


def _kind(reply: Reply | None) -> tuple[type, int]:
    """What replies of one batch have in common: their kind, and of how many things they speak."""
    match reply:
        case AttributeReply(_, _, signs) | WantedReply(signs) | RelevanceReply(_, signs) | ImageReply(_, signs):
            return type(reply), signs.shape[1]
        case _:
            return type(reply), 0


def reply_row(system: System, said: Said, turn: Turn, where: str) -> Row:
    """What was said as a row of a reply: as it was recorded, or read from text.

    Args:
        turn: that it answers, of a batch of one.
        where: it stands, for messages.
    Raises:
        ValueError: the text cannot be understood.
    """
    if not isinstance(said, str):
        return dict(said)
    try:
        (row,) = system.task.read_reply(said, turn).rows(system.gallery.ids)
    except (ValueError, OSError) as reason:
        raise ValueError(f"{where}: {reason}") from reason
    return row


def with_opening(system: System, script: Script, page_size: int, seed: int) -> Script:
    """A script with its opening page: its own, or one that the study draws for its target, the same for all systems.

    The target is not on it. Where what is said first speaks of nothing shown, the page is empty.

    Args:
        page_size: candidates on it.
        seed: of the draws.
    """
    if script.opening is not None:
        return script
    others = [place for place, name in enumerate(system.gallery.ids) if name != script.target]
    drawn = Random(f"{seed} {script.target}").sample(others, min(page_size, len(others)))
    page = torch.tensor([drawn], device=system.gallery.vectors.device)
    number = torch.tensor([script.number], device=page.device)
    turn = Turn(0, number, page, torch.full(page.shape, torch.nan, dtype=torch.float64), None, None, None)
    first = reply_row(system, script.said[0], turn, f"{script.where}, turn 1")
    shown = () if first.get("kind") in NEEDS_NO_PAGE else tuple(system.gallery.ids[place] for place in drawn)
    return replace(script, opening=shown)


def _open(system: System, scripts: Sequence[Script], page_size: int, seen: Seen) -> Session:
    gallery = system.gallery
    pages = [script.opening for script in scripts if script.opening is not None]
    opening = torch.stack([gallery.positions(page) for page in pages]) if pages else None
    numbers = torch.tensor([script.number for script in scripts])
    watched = gallery.positions([script.target for script in scripts])
    return system.session(numbers, page_size, seen, opening, watched)


def _of(turn: Turn, row: int, reply: Reply | None) -> Turn:
    """One session of a turn, as its user sees it, with the reply that led to it."""
    one = slice(row, row + 1)
    return Turn(turn.number, turn.sessions[one], turn.shown[one], turn.scores[one], reply, None, None)
