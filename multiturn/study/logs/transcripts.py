"""Transcripts of ours as logs: simulated, scripted and live ones."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from multiturn.study.logs.log import Log, Logged, Names
from multiturn.study.scripts import Script
from multiturn.transcript import read_transcript

Line = tuple[int, Mapping[str, Any]]


def read(path: Path, names: Names) -> Log:
    """Read a transcript; sessions that were played together stay together, so that they give the same pages to the bit.

    Raises:
        ValueError: a damaged file, or a session without a target, its turn 0 or a turn in between.
    """
    transcript = read_transcript(path)
    header = transcript.header
    lines: list[Line] = list(enumerate(transcript.rows, start=2))
    if not lines:
        raise ValueError(f"{path} holds no turn; nothing was played")
    notes = ["The last line was torn by a crash and is left out."] if transcript.torn else []
    parts = _together(lines)
    if parts is None:
        parts = [[session] for session in _apart(lines)]
    numbers = iter(range(len(lines)))
    who = header.get("participants", [])
    logged = [[_logged(session, next(numbers), who, path, names) for session in part] for part in parts]
    widest = max(len(row["shown"]) for _, row in lines)
    return Log("transcript", logged, header.get("page_size", widest), header.get("seen", "keep"), header, notes)


def _together(lines: Sequence[Line]) -> list[list[list[Line]]] | None:
    """Batches, their sessions, and the lines of these; None if the lines are in another order than batches have.

    A batch writes the lines of a turn for all its sessions, then those of the next turn.
    """
    batches: list[list[list[Line]]] = []
    for turn, block in groupby(lines, key=lambda line: line[1]["turn"]):
        rows = list(block)
        if turn == 0:
            batches.append([[row] for row in rows])
            continue
        if not batches or len(batches[-1]) != len(rows):
            return None
        for session, row in zip(batches[-1], rows, strict=True):
            if session[0][1]["session"] != row[1]["session"] or len(session) != turn:
                return None
            session.append(row)
    return batches


def _apart(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of each session, whatever their order."""
    sessions: dict[Any, list[Line]] = {}
    for line in lines:
        sessions.setdefault(line[1]["session"], []).append(line)
    return list(sessions.values())


def _logged(lines: Sequence[Line], number: int, who: Sequence[str], path: Path, names: Names) -> Logged:
    first, rows = lines[0][0], [row for _, row in lines]
    where = f"{path.name}, line {first}"
    if [row["turn"] for row in rows] != list(range(len(rows))):
        raise ValueError(f"{where}: session {rows[0]['session']!r} lacks a turn; it has {[r['turn'] for r in rows]}")
    if "target" not in rows[0]:
        raise ValueError(f"{where}: session {rows[0]['session']!r} has no target; nothing can be ranked")
    opening = rows[0]
    given = all(score is None for score in opening["scores"])
    name = rows[0]["session"]
    participant = who[name] if isinstance(name, int) and name < len(who) else rows[0].get("participant", "")
    script = Script(
        number,
        names.find(opening["target"], where),
        tuple(row["reply"] for row in rows[1:]),
        f"{path.name}, session {name}",
        participant,
        (),
        tuple(names.find(one, where) for one in opening["shown"]) if given else None,
    )
    pages = tuple(tuple(row["shown"]) for row in rows)
    ranks = tuple(tuple(row["rank"]) if "rank" in row else None for row in rows)
    return Logged(script, str(name), pages, ranks)
