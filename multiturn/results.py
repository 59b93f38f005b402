"""Ranks of targets by session and turn, whoever made them; rank_rows.py makes them of what files say."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from multiturn.ranks import Ranks
from multiturn.trial import Outcome


@dataclass(frozen=True)
class Candidates:
    """What was searched.

    Attributes:
        size: number of candidates.
        source: what they are, as tables print it.
        fingerprint: of the encoder of their vectors; None if it is not known.
        digest: of their ids; None if they are not known.
    """

    size: int
    source: str
    fingerprint: str | None = None
    digest: str | None = None


def digest_of(ids: Sequence[str]) -> str:
    """SHA-256 of ids in ascending order: equal if and only if two galleries hold the same candidates."""
    digest = hashlib.sha256()
    for name in sorted(ids):
        digest.update(name.encode("utf-8") + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class Results:
    """What an evaluation is computed from: a whole table of ranks, sessions by turns, and what it means.

    Attributes:
        name: of the system.
        ranks: of the targets; every session has every turn.
        sessions: name of each, unique.
        targets: id of what each looks for.
        candidates: that were ranked.
        protocol: what must be equal where two results are compared: turns, page_size, seen, and the user's own.
        start: number of the turn in the first column: 0 before any reply, 1 after the first.
        played: number of the last turn that each session really had; later columns were filled as `protocol` says
            under `ended`.
        measures: other values, tables of the same shape.
    Raises:
        ValueError: parts that do not fit, sessions that repeat, a first turn other than 0 or 1, or turn 0 alone.
    """

    name: str
    ranks: Ranks
    sessions: tuple[str, ...]
    targets: tuple[str, ...]
    candidates: Candidates
    protocol: Mapping[str, Any]
    start: int
    played: Int[Tensor, " session"]
    measures: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = tuple(self.ranks.best.shape)
        if len(shape) != 2 or not len(self.sessions) == len(self.targets) == len(self.played) == shape[0] > 0:
            raise ValueError(
                f"{self.name}: {len(self.sessions)} sessions and {len(self.targets)} targets for ranks of shape {shape}"
            )
        if len(set(self.sessions)) < len(self.sessions):
            twice = next(name for name in self.sessions if self.sessions.count(name) > 1)
            raise ValueError(f"{self.name}: session {twice!r} appears twice; give every session a name of its own")
        if self.ranks.candidates != self.candidates.size:
            raise ValueError(f"{self.name}: ranks among {self.ranks.candidates}, but {self.candidates.size} candidates")
        if self.start not in (0, 1):
            raise ValueError(
                f"{self.name}: the first turn is {self.start}; number turns from 1 after the first reply, or from 0 "
                "if the ranking before any reply is there"
            )
        if self.last < 1:
            raise ValueError(f"{self.name}: there is turn 0 alone; number turns from 1 if it answers a reply")

    @property
    def last(self) -> int:
        """Number of the last turn."""
        return self.start + self.ranks.best.shape[1] - 1

    def ended_early(self) -> list[int]:
        """How many sessions were over before each turn."""
        return [int((self.played < turn).sum()) for turn in range(self.start, self.last + 1)]


def aligned(one: Results, other: Results) -> list[int]:
    """Rows of `other` that are the sessions of `one`: those with the same targets, by name where targets repeat.

    Raises:
        ValueError: the two did not look for the same targets among the same candidates; the difference is named.
    """
    a, b = one.candidates, other.candidates
    words = f"{one.name} and {other.name} cannot be compared"
    if a.size != b.size:
        raise ValueError(f"{words}: they searched {a.size} and {b.size} candidates")
    if a.digest and b.digest and a.digest != b.digest:
        raise ValueError(f"{words}: their candidates have other ids ({a.source}; {b.source})")
    unique = len(set(one.targets)) == len(one.targets)
    keys = [list(each.targets if unique else zip(each.sessions, each.targets, strict=True)) for each in (one, other)]
    lacking = [sorted(set(ours) - set(theirs)) for ours, theirs in (keys, keys[::-1])]
    if any(lacking):
        example = f"{lacking[0][0]!r} in {one.name}" if lacking[0] else f"{lacking[1][0]!r} in {other.name}"
        raise ValueError(
            f"{words}: {len(lacking[0])} of {len(keys[0])} targets of {one.name} are not in {other.name}, and "
            f"{len(lacking[1])} of {len(keys[1])} the other way round, such as {example} only; sessions are paired by "
            "the ids of their targets, so write these alike (--targets names those of an .npy)"
        )
    if len(keys[0]) != len(keys[1]):
        raise ValueError(f"{words}: they have {len(keys[0])} and {len(keys[1])} sessions of the same targets")
    rows = {key: row for row, key in enumerate(keys[1])}
    return [rows[key] for key in keys[0]]


def results_of(outcome: Outcome, protocol: Mapping[str, Any] | None = None) -> Results:
    """The results of a trial; a session's name is the position of its target, as in the transcript.

    Args:
        protocol: what else a reader must know of the user and the targets.
    """
    trial, ids = outcome.trial, outcome.trial.gallery.ids
    targets = trial.targets.tolist()
    return Results(
        trial.name,
        outcome.ranks,
        tuple(str(place) for place in (targets if len(set(targets)) == len(targets) else range(len(targets)))),
        tuple(ids[place] for place in targets),
        Candidates(len(ids), trial.gallery.source, trial.gallery.fingerprint, digest_of(ids)),
        {"turns": trial.turns, "page_size": trial.page_size, "seen": trial.seen, **(protocol or {})},
        0,
        torch.full((len(targets),), outcome.ranks.best.shape[1] - 1),
        outcome.measures,
    )
