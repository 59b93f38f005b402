"""Logs of DRES: a server's stream of events, result logs as clients post them, or the tasks that our export writes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from multiturn.session import Seen
from multiturn.study.logs.log import Log, Logged, Names
from multiturn.study.scripts import Said, Script

Entry = Mapping[str, Any]

OURS = ("wanted", "attributes", "relevance", "image")  # types of events that our export writes, as words
WHOLE = "A text query of DRES is a whole query; here it adds to what was said before in the task."


@dataclass
class Search:
    """One search for one target, while a log is read.

    Attributes:
        name: of the session and the task.
        target: name of the image; None if the log does not say.
        member: who searched.
        results: result logs in the order in which they came, without those of replies that were taken back.
        undone: how many of these there were.
    """

    name: str
    target: str | None = None
    member: str = ""
    results: list[Entry] = field(default_factory=list)
    undone: int = 0


def read_dres(
    entries: Sequence[Entry], where: str, names: Names, targets: Mapping[str, str], team: str | None = None
) -> Log:
    """Read result logs: the TEXT events of each are what was said, its results the page that was shown for it.

    Args:
        targets: name of the image under the name of a search, for logs that do not say.
        team: whose searches to read, of the tasks that our export writes: a system of the study.
    Raises:
        ValueError: no search with a text, a search without a target, an image that is not in the gallery, searches of
            several teams of which none is chosen, or a value that no such log has.
    Source:
        the client API of DRES 2 (QueryResultLog, RankedAnswer) and its stream of events; results of version 1 name
        their image under `item`.
    """
    entries = _of_team(entries, where, team)
    page_size, seen = _rules(entries, where)
    parts, empty, mixed, undone = [], 0, 0, 0
    for number, search in enumerate(_searches(entries, where)):
        place = f"{where}, search {search.name}"
        # What was shown before anything was said is the opening page.
        told = [(_said(log, place), log) for log in search.results]
        opening = [log for text, log in told[:1] if text is None]
        turns = [(text, log) for text, log in told if text is not None]
        mixed += len(told) - len(turns) - len(opening)
        undone += search.undone
        if not turns:
            empty += 1
            continue
        name = targets.get(search.name, search.target)
        if name is None:
            raise ValueError(f"{place}: the log names no target; give it with --targets FILE, as {{SEARCH: IMAGE}}")
        first = _page(opening[0], place, names) if opening else ()
        script = Script(number, names.find(name, place), tuple(t for t, _ in turns), place, search.member, (), first)
        pages = (first if opening else None, *(_page(log, place, names) for _, log in turns))
        parts.append([Logged(script, search.name, pages, (None,) * len(pages))])
    if not parts:
        raise ValueError(f"{where} holds no result log with a TEXT event; nothing that was said is known")
    notes = [WHOLE] if page_size is None else []  # what a live study exports adds up, as it does here
    if empty or mixed:
        notes.append(f"Left out: {empty} searches and {mixed} result logs without a text.")
    if undone:
        notes.append(f"Left out: {undone} replies that were taken back.")
    sizes = [len(page) for part in parts for one in part for page in one.pages[1:] if page]
    return Log("log of DRES", parts, page_size or max(sizes, default=None), seen, {}, notes)


def _of_team(entries: Sequence[Entry], where: str, team: str | None) -> Sequence[Entry]:
    """The entries of one team; all where the log has one, or says nothing of teams.

    Raises:
        ValueError: several teams and none chosen, or one that is not there.
    """
    teams = Counter(str(one["team"]) for one in entries if "team" in one)
    told = ", ".join(f"{name} ({count})" for name, count in teams.items()) or "none"
    if team is None and len(teams) > 1:
        raise ValueError(f"{where} holds searches of several teams: {told}; choose one with --team NAME")
    if team is not None and team not in teams:
        raise ValueError(f"{where} holds no search of the team {team!r}; teams there, and their searches: {told}")
    return entries if team is None else [one for one in entries if str(one.get("team")) == team]


def _rules(entries: Sequence[Entry], where: str) -> tuple[int | None, Seen | None]:
    """Page size and `seen` of a study, as our export writes them with every task; None where a log does not."""
    rules = _object(entries[0], "rules", where)
    size, seen = rules.get("page_size"), rules.get("seen")
    if (size is not None and not (_is_count(size) and size)) or seen not in (None, *get_args(Seen)):
        raise ValueError(f"{where}: rules is {rules!r:.80}; a study's are page_size, from 1, and seen")
    return size, seen


def _searches(entries: Sequence[Entry], where: str) -> list[Search]:
    """The searches of a log, whichever of the three forms it has."""
    if all("results" in one and "target" in one for one in entries):
        return [_task(one, number, where) for number, one in enumerate(entries)]
    if not any("class" in one or "queryResultLog" in one for one in entries):
        return [Search("0", None, "", [one for one in entries if "results" in one])]
    return list(_stream(entries, where))


def _task(entry: Entry, number: int, where: str) -> Search:
    """A task that our export writes."""
    name = str(entry.get("taskId", number))
    place = f"{where}, search {name}"
    if not isinstance(entry["target"], str):
        raise ValueError(f"{place}: target is {entry['target']!r:.60}; an image has a name")
    logs = _objects(entry, "results", place)
    kept = [log for log in logs if not log.get("takenBack")]
    return Search(name, entry["target"], str(entry.get("member", "")), kept, len(logs) - len(kept))


def _stream(entries: Sequence[Entry], where: str) -> Iterator[Search]:
    """Searches of a server's stream: who searched is a session, what for is the task that had started last."""
    open_now: dict[str, Search] = {}
    task, target = "0", None
    for number, entry in enumerate(entries, start=1):
        place = f"{where}, entry {number}"
        if "taskTemplate" in entry:
            yield from open_now.values()
            open_now.clear()
            template = _object(entry, "taskTemplate", place)
            task = str(template.get("name", entry.get("taskId", task)))
            items = [_object(one, "item", place) for one in _objects(template, "targets", place)]
            target = next((str(item["name"]) for item in items if item.get("name")), None)
        elif "queryResultLog" in entry:
            session = str(entry.get("session"))
            search = open_now.setdefault(session, Search(f"{session}/{task}", target, session))
            search.results.append(_object(entry, "queryResultLog", place))
    yield from open_now.values()


def _said(log: Entry, where: str) -> Said | None:
    """What a result log answers, its own reply where our export wrote one; None if nothing was said in words."""
    events = _objects(log, "events", where)
    for event in events:
        if "reply" in event:
            return _object(event, "reply", where)
    texts = [
        str(event.get("value") or "").strip()
        for event in events
        if event.get("category") == "TEXT" or event.get("type") in OURS
    ]
    return " ".join(filter(None, texts)) or None


def _page(log: Entry, where: str, names: Names) -> tuple[str, ...]:
    """Ids of a result log, best first; images of another gallery keep their names, and so differ from every page."""
    results = _objects(log, "results", where)
    for one in results:
        if not _is_count(one.get("rank") or 0):
            raise ValueError(f"{where}: the rank of a result is {one['rank']!r:.60}; write a whole number, or none")
    ranked = sorted(results, key=lambda one: one.get("rank") or 0)
    shown = [one.get("item") or _object(one, "answer", where).get("mediaItemName") or "" for one in ranked]
    return tuple(names.known(str(name)) or str(name) for name in shown)


def _object(entry: Entry, key: str, where: str) -> Entry:
    """The object under a key; none, or null, is an empty one."""
    value = entry.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise ValueError(f"{where}: {key} is {value!r:.60}; a log of DRES has an object there")
    return value or {}


def _objects(entry: Entry, key: str, where: str) -> Sequence[Entry]:
    """The list of objects under a key; none, or null, is an empty one."""
    value = entry.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, Mapping) for one in value)):
        raise ValueError(f"{where}: {key} is {value!r:.60}; a log of DRES has a list of objects there")
    return value or []


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
