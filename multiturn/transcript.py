"""The record of what was shown and said, one JSON line a turn; what is computed from it lives elsewhere."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from multiturn.gallery import Gallery
from multiturn.replies import Reply, reply_from_rows
from multiturn.session import Turn

SCHEMA = 1


def transcript_rows(turn: Turn, gallery: Gallery, targets: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """One JSON-ready dict for each session of a turn.

    Args:
        targets: ids of what the users look for, where it is known.
    """
    replies = turn.reply.rows(gallery.ids) if turn.reply is not None else [None] * len(turn.sessions)
    best = turn.ranks.best.tolist() if turn.ranks is not None else None
    worst = turn.ranks.worst.tolist() if turn.ranks is not None else None
    scores = turn.scores.tolist()
    for row, (session, shown) in enumerate(zip(turn.sessions.tolist(), turn.shown.tolist(), strict=True)):
        line: dict[str, Any] = {"session": session, "turn": turn.number}
        if targets is not None:
            line["target"] = targets[row]
        line["reply"] = replies[row]
        line["shown"] = [gallery.ids[position] for position in shown]
        line["scores"] = [None if math.isnan(score) else score for score in scores[row]]
        if best is not None and worst is not None:
            line["rank"] = [best[row], worst[row]]
        yield line


class TranscriptWriter:
    """Appends turns to a transcript file, each line whole or not at all.

    A new file begins with one header line. An existing one is continued: its header must say the same, and a last
    line that a crash left torn is cut off.

    Args:
        path: the file.
        header: what holds for all lines: gallery, retriever, protocol, attribute names.
    Raises:
        ValueError: the file at `path` has another header.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._header = {"schema": SCHEMA, **header}
        path = Path(path)
        if path.exists() and not _is_torn_header(path, self._header):
            old = read_transcript(path)
            if old.header != json.loads(json.dumps(self._header)):
                raise ValueError(f"{path} is the transcript of something else; write to another file")
            with path.open("r+b") as file:
                file.truncate(old.whole_bytes)
            self._file: TextIO = path.open("a", encoding="utf-8")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
            self._write([self._header])

    def append(self, turn: Turn, gallery: Gallery, targets: Sequence[str] | None = None) -> None:
        """Write one line for each session of `turn` and hand them to the operating system."""
        self._write(list(transcript_rows(turn, gallery, targets)))

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._file.write("".join([json.dumps(row, allow_nan=False) + "\n" for row in rows]))
        self._file.flush()

    def __enter__(self) -> "TranscriptWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _is_torn_header(path: Path, header: Mapping[str, Any]) -> bool:
    """Whether a crash came before the header was whole; an empty file counts."""
    return json.dumps(header).encode("utf-8").startswith(path.read_bytes())


@dataclass(frozen=True)
class Transcript:
    """A transcript as read.

    Attributes:
        header: the first line.
        rows: the others.
        torn: the start of a last line that was not written to its end; empty if the file is whole.
        whole_bytes: length of the file without it.
    """

    header: dict[str, Any]
    rows: list[dict[str, Any]]
    torn: str
    whole_bytes: int


def read_transcript(path: Path) -> Transcript:
    """Read a transcript; a torn last line is left out and reported in `torn`.

    Raises:
        ValueError: no whole header, another schema, or a line in the middle that is not JSON (its number is named).
    """
    data = Path(path).read_bytes()
    whole = data.rfind(b"\n") + 1
    parsed = []
    for number, line in enumerate(data[:whole].splitlines(), start=1):
        try:
            parsed.append(json.loads(line.decode("utf-8")))
        except ValueError as reason:
            raise ValueError(f"line {number} of {path} is not JSON ({reason}); the file was damaged") from reason
    if not parsed or not isinstance(parsed[0], dict) or parsed[0].get("schema") != SCHEMA:
        raise ValueError(f"{path} does not begin with the header of a transcript of schema {SCHEMA}")
    return Transcript(parsed[0], parsed[1:], data[whole:].decode("utf-8", errors="replace"), whole)


def recorded_replies(transcript: Transcript, gallery: Gallery, sessions: Sequence[int]) -> list[Reply]:
    """What some sessions of a transcript were told, turn by turn, for `multiturn.session.Session.replay`.

    A turn that was not recorded of all of them, because a crash came between, is left out.

    Args:
        gallery: in which the sessions were played.
        sessions: numbers of the sessions, in the order of the wanted rows.
    Raises:
        ValueError: a session is not in the transcript, or a reply speaks of candidates that the gallery lacks.
    """
    told: dict[int, dict[int, Mapping[str, Any]]] = {session: {} for session in sessions}
    opened = set()
    for row in transcript.rows:
        if row["session"] in told:
            opened.add(row["session"])
            if row["turn"] > 0:
                told[row["session"]][row["turn"]] = row["reply"]
    if missing := [session for session in sessions if session not in opened]:
        raise ValueError(f"session {missing[0]} is not in the transcript; it holds other sessions")
    places = {name: place for place, name in enumerate(gallery.ids)}
    last = min((len(replies) for replies in told.values()), default=0)
    return [reply_from_rows([told[session][turn] for session in sessions], places) for turn in range(1, last + 1)]
