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


def read_log(path: Path, names: Names, targets: Mapping[str, str] | None = None) -> Log:
    """Read a log of sessions, as one JSON list or as JSON lines.

    Args:
        names: of the gallery that the log is to be replayed over.
        targets: for logs that do not name them; see `multiturn.study.logs.dres.read_dres`.
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
    if "schema" in first:
        return transcripts.read(path, names)
    if "dialog" in first:
        return read_dialogues(entries, path.name, names)
    if "ground_truth_ids" in first:
        return read_circled(entries, path.name, names)
    if {"results", "events", "class", "queryResultLog", "queryEventLog"} & first.keys():
        return read_dres(entries, path.name, names, targets or {})
    raise ValueError(f"{path} begins with {', '.join(map(str, first)) or 'nothing'}; a log is {KINDS}")


def _entries(path: Path) -> list[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as reason:
        raise ValueError(f"{path} is not UTF-8 ({reason}); convert it") from reason
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
