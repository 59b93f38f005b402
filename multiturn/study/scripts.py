"""What people said in their sessions, recorded: one JSON line a session; who plays it is in `playing`."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from multiturn.study.protocol import StudyProtocol

Said = str | Mapping[str, Any]
KEYS = ("target", "participant", "turns", "seconds", "opening")


@dataclass(frozen=True)
class Script:
    """What one person said in one session.

    Attributes:
        number: of the session.
        target: id of the image that they looked for.
        said: one entry a turn: a line of text, or a reply as `multiturn.replies.Reply.rows` writes it.
        where: the script stands, for messages.
        participant: who spoke; "" if nobody recorded it.
        seconds: that each turn took; empty if nobody measured.
        opening: ids of the page of turn 0; None lets the system choose, or the study.
    """

    number: int
    target: str
    said: tuple[Said, ...]
    where: str
    participant: str = ""
    seconds: tuple[float, ...] = ()
    opening: tuple[str, ...] | None = None


def read_queries(path: Path, protocol: StudyProtocol) -> list[Script]:
    """Read recorded queries, a JSON object a line: target, participant, turns, and perhaps seconds and opening.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no line in it, or a line that cannot be read (its number is named), has an unknown key or one twice,
            more turns than the protocol, a target that is not among the protocol's or is on its opening page, or a
            participant and target as before.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no queries at {path}; write one JSON object a line: target, participant, turns")
    scripts: list[Script] = []
    taken: dict[tuple[str, str], str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as reason:
        raise ValueError(f"{path} is not UTF-8 ({reason}); write the queries as a JSON object a line") from reason
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        script = _script(line, len(scripts), where)
        _check(script, protocol)
        if before := taken.get((script.participant, script.target)):
            raise ValueError(
                f"{where}: {script.participant!r} looked for {script.target!r} in {before} already; give every session "
                "of a target a participant of its own"
            )
        taken[script.participant, script.target] = where
        scripts.append(script)
    if not scripts:
        raise ValueError(f"{path} holds no session; write one JSON object a line: target, participant, turns")
    return scripts


def check_targets(scripts: Sequence[Script], ids: Collection[str], source: str) -> None:
    """Raise ValueError, naming the line, if a target or a candidate of an opening page is not in the gallery.

    Args:
        ids: of the gallery.
        source: what the gallery is, for the message.
    """
    known = set(ids)
    for script in scripts:
        for name in (script.target, *(script.opening or ())):
            if name not in known:
                close = get_close_matches(name, known, n=1, cutoff=0.8) if len(known) < 100_000 else []
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"{script.where}: {name!r} is not in the gallery of {len(known)} ({source}){hint}")


def _script(line: str, number: int, where: str) -> Script:
    try:
        entry = json.loads(line, object_pairs_hook=partial(_once, where))
    except json.JSONDecodeError as reason:
        raise ValueError(f"{where}: no JSON ({reason})") from reason
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: a session is an object with {', '.join(KEYS)}, not {entry!r:.60}")
    for key in entry:
        if key not in KEYS:
            close = get_close_matches(key, KEYS, n=1, cutoff=0.5)
            raise ValueError(f"{where}: unknown key {key!r}; " + (f"did you mean {close[0]}?" if close else _known()))
    for key in ("target", "participant"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ValueError(f"{where}: {key} is {entry.get(key)!r:.60}; write a text that is not empty")
    said, seconds, opening = entry.get("turns"), entry.get("seconds", []), entry.get("opening")
    if not isinstance(said, list) or not said or not all(isinstance(one, str | dict) for one in said):
        raise ValueError(f"{where}: turns is {said!r:.60}; write a list of texts or of replies, at least one")
    if not isinstance(seconds, list) or not all(_is_time(one) for one in seconds) or len(seconds) not in (0, len(said)):
        raise ValueError(f"{where}: seconds is {seconds!r:.60}; write how long each of the {len(said)} turns took")
    if opening is not None:
        _check_opening(opening, entry["target"], where)
    return Script(
        number,
        entry["target"],
        tuple(said),
        where,
        entry["participant"],
        tuple(float(one) for one in seconds),
        None if opening is None else tuple(opening),
    )


def _once(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that has every key once; of a doubled one JSON would keep the last in silence."""
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"{where}: {twice[0]!r} stands there twice; keep the one that is meant")
    return dict(pairs)


def _check_opening(opening: Any, target: str, where: str) -> None:
    if not isinstance(opening, list) or not all(isinstance(one, str) for one in opening):
        raise ValueError(f"{where}: opening is {opening!r:.60}; write a list of ids, or leave it out")
    for name, count in Counter(opening).items():
        if count > 1:
            raise ValueError(f"{where}: opening shows {name!r} {count} times; a page shows an image once, leave one")
        if name == target:
            raise ValueError(
                f"{where}: opening shows the target {name!r}, which nobody would search then; leave it out"
            )


def _known() -> str:
    return f"known: {', '.join(KEYS)}"


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _check(script: Script, protocol: StudyProtocol) -> None:
    if len(script.said) > protocol.turns:
        raise ValueError(
            f"{script.where}: {len(script.said)} turns, but the protocol has {protocol.turns}; raise its turns"
        )
    if isinstance(protocol.targets, list) and script.target not in protocol.targets:
        raise ValueError(
            f"{script.where}: {script.target!r} is not among the {len(protocol.targets)} targets of the protocol"
        )
