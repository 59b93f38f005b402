"""Logs of DRES: a server's stream of events, result logs as clients post them, or the tasks that our export writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multiturn.study.logs.log import Log, Logged, Names
from multiturn.study.scripts import Script

OURS = ("wanted", "attributes", "relevance", "image")  # types of events that our export writes, as words
WHOLE = "A text query of DRES is a whole query; here it adds to what was said before in the task."


@dataclass
class Search:
    """One search for one target, while a log is read.

    Attributes:
        name: of the session and the task.
        target: name of the image; None if the log does not say.
        member: who searched.
        results: result logs in the order in which they came.
    """

    name: str
    target: str | None = None
    member: str = ""
    results: list[Mapping[str, Any]] = field(default_factory=list)


def read_dres(entries: Sequence[Mapping[str, Any]], where: str, names: Names, targets: Mapping[str, str]) -> Log:
    """Read result logs: the TEXT events of each are what was said, its results the page that was shown for it.

    Args:
        targets: name of the image under the name of a search, for logs that do not say.
    Raises:
        ValueError: no search with a text, a search without a target, or an image that is not in the gallery.
    Source:
        the client API of DRES 2 (QueryResultLog, RankedAnswer) and its stream of events; results of version 1 name
        their image under `item`.
    """
    parts, empty, mixed = [], 0, 0
    for number, search in enumerate(_searches(entries, where)):
        place = f"{where}, search {search.name}"
        # What was shown before anything was said is the opening page.
        told = [(_said(log), log) for log in search.results]
        opening = [log for text, log in told[:1] if text is None]
        turns = [(text, log) for text, log in told if text is not None]
        mixed += len(told) - len(turns) - len(opening)
        if not turns:
            empty += 1
            continue
        name = targets.get(search.name, search.target)
        if name is None:
            raise ValueError(f"{place}: the log names no target; give it with --targets FILE, as {{SEARCH: IMAGE}}")
        first = _page(opening[0], names) if opening else ()
        script = Script(number, names.find(name, place), tuple(t for t, _ in turns), place, search.member, (), first)
        pages = (first if opening else None, *(_page(log, names) for _, log in turns))
        parts.append([Logged(script, search.name, pages, (None,) * len(pages))])
    if not parts:
        raise ValueError(f"{where} holds no result log with a TEXT event; nothing that was said is known")
    notes = [WHOLE]
    if empty or mixed:
        notes.append(f"Left out: {empty} searches and {mixed} result logs without a text.")
    sizes = [len(page) for part in parts for one in part for page in one.pages[1:] if page]
    return Log("log of DRES", parts, max(sizes, default=None), None, {}, notes)


def _searches(entries: Sequence[Mapping[str, Any]], where: str) -> list[Search]:
    """The searches of a log, whichever of the three forms it has."""
    if all("results" in one and "target" in one for one in entries):
        return [
            Search(str(one.get("taskId", number)), one["target"], str(one.get("member", "")), list(one["results"]))
            for number, one in enumerate(entries)
        ]
    if not any("class" in one or "queryResultLog" in one for one in entries):
        return [Search("0", None, "", [one for one in entries if "results" in one])]
    return list(_stream(entries))


def _stream(entries: Sequence[Mapping[str, Any]]) -> Iterator[Search]:
    """Searches of a server's stream: who searched is a session, what for is the task that had started last."""
    open_now: dict[str, Search] = {}
    task, target = "0", None
    for entry in entries:
        if "taskTemplate" in entry:
            yield from open_now.values()
            open_now.clear()
            template = entry["taskTemplate"]
            task = str(template.get("name", entry.get("taskId", task)))
            items = [one.get("item") or {} for one in template.get("targets", [])]
            target = next((item["name"] for item in items if item.get("name")), None)
        elif "queryResultLog" in entry:
            session = str(entry.get("session"))
            search = open_now.setdefault(session, Search(f"{session}/{task}", target, session))
            search.results.append(entry["queryResultLog"])
    yield from open_now.values()


def _said(log: Mapping[str, Any]) -> str | None:
    """What a result log answers; None if nothing was said in words."""
    events = log.get("events", [])
    texts = [
        str(event.get("value", "")).strip()
        for event in events
        if event.get("category") == "TEXT" or event.get("type") in OURS
    ]
    return " ".join(filter(None, texts)) or None


def _page(log: Mapping[str, Any], names: Names) -> tuple[str, ...]:
    """Ids of a result log, best first; images of another gallery keep their names, and so differ from every page."""
    ranked = sorted(enumerate(log.get("results", [])), key=lambda pair: (pair[1].get("rank") or 0, pair[0]))
    shown = [one.get("item") or (one.get("answer") or {}).get("mediaItemName") or "" for _, one in ranked]
    return tuple(names.known(str(name)) or str(name) for name in shown)
