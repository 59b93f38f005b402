"""Which tool wrote a log is told by what stands in it; how each is read stands beside this."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multiturn.study.logs import transcripts
from multiturn.study.logs.dialogues import read_circled, read_dialogues
from multiturn.study.logs.dres import read_dres
from multiturn.study.logs.log import Log, Names

KINDS = (
    "a transcript of ours, dialogues ({'img': ..., 'dialog': [...]}), sessions of CIRCLED ({'ground_truth_ids': ..., "
    "'turns': ...}) or a log of DRES ({'results': ..., 'events': ...})"
)


def read_log(path: Path, names: Names, targets: Mapping[str, str] | None = None, team: str | None = None) -> Log:
    """Read a log of sessions, as one JSON list or as JSON lines.

    Args:
        names: of the gallery that the log is to be replayed over.
        targets: for logs that do not name them; see `multiturn.study.logs.dres.read_dres`.
        team: whose searches to read, of a log of DRES that has several teams.
    Raises:
        FileNotFoundError: no such file.
        ValueError: a log of no known kind, or one that cannot be read; the place is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no log at {path}")
    entries = _entries(path)
    if not entries:
        raise ValueError(f"{path} holds no session")
    first = entries[0]
    of_dres = bool({"results", "events", "class", "queryResultLog", "queryEventLog"} & first.keys())
    if team is not None and not of_dres:
        raise ValueError(f"{path} knows no teams; leave --team out, which chooses among those of a log of DRES")
    if "schema" in first:
        return transcripts.read(path, names)
    if "dialog" in first:
        return read_dialogues(entries, path.name, names)
    if "ground_truth_ids" in first:
        return read_circled(entries, path.name, names)
    if of_dres:
        return read_dres(entries, path.name, names, targets or {}, team)
    raise ValueError(f"{path} begins with {', '.join(map(str, first)) or 'nothing'}; a log is {KINDS}")


def read_targets(path: Path) -> dict[str, str]:
    """Read the names of targets by the names of searches, for logs that do not name them: {SEARCH: IMAGE} as JSON.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no targets at {path}")
    try:
        found = json.loads(_text(path))
    except json.JSONDecodeError as reason:
        raise ValueError(f"{path} is no JSON ({reason}); write the targets as {{SEARCH: IMAGE}}") from reason
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise ValueError(f"{path} holds {found!r:.60}; write the targets as {{SEARCH: IMAGE}}, both in quotes")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise ValueError(f"{path} is not UTF-8 ({reason}); convert it") from reason


def _entries(path: Path) -> list[Mapping[str, Any]]:
    text = _text(path)
    try:
        whole = json.loads(text)
        found = whole if isinstance(whole, list) else [whole]
    except json.JSONDecodeError:
        found = _lines(text, path)
    for number, entry in enumerate(found, start=1):
        if not isinstance(entry, dict):
            raise ValueError(f"{path}, entry {number}: {entry!r:.60} is no object; a log is {KINDS}")
    return found


def _lines(text: str, path: Path) -> list[Any]:
    """JSON lines; a transcript's last one may be torn, which is its reader's business."""
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as reason:
            if number == len(lines) and found and isinstance(found[0], dict) and "schema" in found[0]:
                break
            raise ValueError(f"{path}, line {number}: no JSON ({reason})") from reason
    return found
