"""Ranks as files have them, a row a session and turn, checked and made a whole table; files are read elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from multiturn.ranks import Ranks
from multiturn.results import Candidates, Results, digest_of

Ended = Literal["carry", "missed"]


@dataclass(frozen=True)
class Searched:
    """The candidates that files speak of.

    Attributes:
        candidates: their number and origin.
        ids: in the order in which tables of scores have them; None if only their number is known.
    """

    candidates: Candidates
    ids: tuple[str, ...] | None = None
    _places: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {name: place for place, name in enumerate(self.ids or ())})
        if self.ids is not None and len(self._places) < len(self.ids):
            raise ValueError(f"{self.candidates.source}: an id appears twice; ids of candidates are unique")

    @classmethod
    def of(cls, gallery: Path | None, size: int | None) -> "Searched":
        """Learn of the candidates from a gallery file or a text file of ids, one a line, or only of their number.

        Raises:
            ValueError: neither is given, or they contradict each other.
        """
        if gallery is None:
            if size is None or size < 2:
                raise ValueError(
                    f"the number of candidates is {size}; give --gallery FILE or --gallery_size N: R@K and percentiles "
                    "mean nothing without it"
                )
            return cls(Candidates(size, "not stated"))
        if gallery.suffix == ".safetensors":
            from multiturn.gallery import Gallery

            whole = Gallery.load(gallery)
            found = cls(Candidates(len(whole), whole.source, whole.fingerprint, digest_of(whole.ids)), whole.ids)
        else:
            ids = tuple(line.strip() for line in gallery.read_text(encoding="utf-8").splitlines() if line.strip())
            found = cls(Candidates(len(ids), gallery.name, None, digest_of(ids)), ids)
        if size not in (None, found.candidates.size):
            raise ValueError(
                f"{gallery} holds {found.candidates.size} candidates, not {size}; leave out --gallery_size"
            )
        return found

    def place(self, name: str, what: str) -> int:
        """Position of an id, or of a candidate given by its position where ids are not known.

        Raises:
            ValueError: there is no such candidate.
        """
        if self.ids is None and name.isdecimal() and int(name) < self.candidates.size:
            return int(name)
        if name not in self._places:
            known = "positions 0 to N - 1, unless --gallery names the candidates" if self.ids is None else "its ids"
            raise ValueError(
                f"{what}: {name!r} is not in the gallery of {self.candidates.size} ({self.candidates.source}), which "
                f"knows {known}; give the gallery that was searched"
            )
        return self._places[name]

    def check(self, names: Sequence[str], what: str) -> None:
        """Raise ValueError if one of `names` is not a known id; says nothing where ids are not known."""
        for name in set(names) if self.ids is not None else ():
            self.place(name, what)


@dataclass(frozen=True)
class Rows:
    """Ranks as files have them, one entry a session and turn, in any order.

    Attributes:
        source: the file, for messages.
        best: rank if ties fall in the target's favour; as read, still to be checked.
        worst: rank if they fall against it.
        notes: sentences that a reader of the results must know of the file.
    """

    source: str
    sessions: Sequence[str]
    turns: Sequence[int]
    targets: Sequence[str]
    best: np.ndarray
    worst: np.ndarray
    notes: tuple[str, ...] = ()

    def where(self, row: int) -> str:
        """A row as messages name it."""
        return f"{self.source}: session {self.sessions[row]!r}, turn {self.turns[row]}"


def tabulate(
    rows: Rows, name: str, candidates: Candidates, protocol: Mapping[str, Any], ended: Ended = "carry"
) -> Results:
    """Make a whole table of rows, sessions in the order of their names, so that the order of rows never matters.

    Args:
        ended: what holds after the last turn of a session that ended early: `carry` its last rank on, or count its
            target as `missed`, at the last rank. How many did so is kept, and printed in every report.
    Raises:
        ValueError: no rows; a rank that is no whole number from 1 to the number of candidates; a session and turn
            that appear twice; a session with two targets, without its first turn or with a gap.
    """
    if not len(rows.sessions):
        raise ValueError(f"{rows.source} holds no session; a row is a session, a turn, a target and a rank")
    check_ranks(rows, candidates.size)
    names = ordered(set(rows.sessions))
    start, last = min(rows.turns), max(rows.turns)
    if start < 0:
        raise ValueError(f"{rows.source}: turn {start} is below 0; turn 0 is before any reply")
    place_of = {session: place for place, session in enumerate(names)}
    row_of = np.full((len(names), last - start + 1), -1)
    targets: list[str | None] = [None] * len(names)
    for row, (session, turn, target) in enumerate(zip(rows.sessions, rows.turns, rows.targets, strict=True)):
        place = place_of[session]
        if row_of[place, turn - start] >= 0:
            raise ValueError(f"{rows.where(row)} appears twice; keep one row for each session and turn")
        if targets[place] not in (None, target):
            raise ValueError(
                f"{rows.where(row)} looks for {target!r}, its other turns for {targets[place]!r}; give it one target"
            )
        row_of[place, turn - start], targets[place] = row, target
    played = _played(row_of, names, start, rows.source)
    last_row = row_of[np.arange(len(names)), played - start]
    filled = np.where(row_of < 0, last_row[:, None], row_of)
    best, worst = (torch.from_numpy(np.asarray(end)[filled].astype(np.int64)) for end in (rows.best, rows.worst))
    if ended == "missed":
        gone = torch.from_numpy(row_of < 0)
        best, worst = best.masked_fill(gone, candidates.size), worst.masked_fill(gone, candidates.size)
    early = int((played < last).sum())
    facts = {"turns": last, **protocol} | ({"ended": ended} if early else {})
    return Results(
        name,
        Ranks(best, worst, candidates.size),
        tuple(names),
        tuple(str(target) for target in targets),
        candidates,
        facts,
        start,
        torch.from_numpy(played),
    )


def ordered(names: set[str]) -> list[str]:
    """Names in ascending order, as numbers where all of them are.

    Example:
        >>> ordered({"10", "9"}), ordered({"10", "9", "a"})
        (['9', '10'], ['10', '9', 'a'])
    """
    return sorted(names, key=int if all(name.isdecimal() for name in names) else None)


def check_ranks(rows: Rows, size: int) -> None:
    """Raise ValueError, naming the first row, if a rank is no whole number from 1 to `size`."""
    for end in (rows.best, rows.worst):
        values = np.asarray(end, dtype=np.float64)
        for bad, remedy in (
            (~np.isfinite(values), "leave out the rows of turns that a session did not have"),
            (values < 1, "ranks count from 1; add 1 to ranks that count from 0"),
            (values > size, f"there are {size} candidates; give the right number, or the gallery"),
            (values != np.floor(values), "give both ends of a block of ties, in columns rank and rank_worst"),
        ):
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise ValueError(f"{rows.where(row)} has rank {values[row]:g}; {remedy}")
    if (wrong := np.asarray(rows.worst) < np.asarray(rows.best)).any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{rows.where(row)} has rank {rows.best[row]:g} and rank_worst {rows.worst[row]:g}; rank is the better end"
        )


def _played(row_of: np.ndarray, names: Sequence[str], start: int, source: str) -> np.ndarray:
    """Number of each session's last turn; raises ValueError if an earlier one is missing."""
    there = row_of >= 0
    played = start + there.shape[1] - 1 - there[:, ::-1].argmax(1)
    gap = ~there & (np.arange(start, start + there.shape[1]) < played[:, None])
    if gap.any():
        session, turn = (int(index[0]) for index in np.nonzero(gap))
        raise ValueError(
            f"{source}: session {names[session]!r} lacks turn {start + turn} but has turn {played[session]}; a session "
            f"may end early, but begins with turn {start} and leaves none out"
        )
    return played
