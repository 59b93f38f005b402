"""The sessions that a report shows turn by turn: chosen, taken from the transcript and kept in the run's folder.

session_views.py makes a page of them.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from multiturn.files import write_text
from multiturn.report.inlined import BUDGET, Inlined, inline_pictures
from multiturn.report.picks import pick_sessions
from multiturn.results import Results, aligned
from multiturn.run_folder import read_run
from multiturn.transcript import Transcript, read_transcript

FILE = "sessions.json"
COUNT = 8  # five for what they are, three at random
PAGE = 10  # pictures shown of one turn; a target further down is always shown

Kept = dict[str, Any]


def keep_sessions(
    folder: Path,
    results: Results,
    control: Results | None = None,
    images: Any = None,
    count: int = COUNT,
    budget: int = BUDGET,
) -> Path:
    """Choose sessions of a run and write them, with thumbnails, to FOLDER/sessions.json, all or nothing.

    Args:
        folder: with the run's transcript.jsonl; without it ranks are all that is kept.
        results: of the run.
        control: the same targets without feedback; harm is measured against it.
        images: data set of the candidates, with the columns `id` and `image`; None keeps ids alone.
        count: how many; at most as many as there are.
        budget: bytes of all thumbnails, see `multiturn.report.inlined.inline_pictures`.
    Raises:
        ValueError: the transcript is damaged, or the control has other targets.
    """
    path = folder / "transcript.jsonl"
    kept = chosen_sessions(results, control, read_transcript(path) if path.is_file() else None, count)
    made = Inlined() if images is None else inline_pictures(images, list(_places(kept["sessions"])), budget)
    # An example image that a user brought need not be one of the candidates.
    candidates = {name for one in kept["sessions"] for name in (one["target"], *_all_shown(one))}
    missing = [name for name in made.missing if name in candidates]
    kept |= {"thumbnails": made.pictures, "missing": missing, "left_out": list(made.left_out)}
    kept["pictures"] = images is not None
    write_text(folder / FILE, json.dumps(kept, allow_nan=False))
    return folder / FILE


def kept_sessions(folder: Path) -> Kept | None:
    """The sessions of a run's page: those that were kept; or else chosen anew from its ranks, without pictures.

    Returns:
        what sessions.json holds; None if the folder has neither that file nor a transcript or table of ranks.
    Raises:
        ValueError: a file is damaged.
    """
    path, transcript = folder / FILE, folder / "transcript.jsonl"
    if path.is_file():
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as reason:
            raise ValueError(f"{path} is not JSON ({reason}); delete it, or evaluate the run again") from reason
    if transcript.is_file() or (folder / "ranks.parquet").is_file():
        kept = chosen_sessions(read_run(folder), None, read_transcript(transcript) if transcript.is_file() else None)
        return {**kept, "thumbnails": {}, "missing": [], "left_out": [], "pictures": False}
    return None


def chosen_sessions(
    results: Results, control: Results | None, transcript: Transcript | None, count: int = COUNT, seed: int = 0
) -> Kept:
    """Pick sessions and take from the transcript what a page tells of them.

    Returns:
        JSON-ready: names of `attributes`; and `sessions`, each with `why` it was picked, its name, `target`, `unheard`
        (the target's rank at the end of the control) and `turns`, as lines of the transcript without scores.
    """
    unheard = None if control is None else control.ranks.under("expected")[aligned(results, control), -1]
    lines = None if transcript is None else _lines(transcript, results)
    sessions = []
    for why, row in pick_sessions(results, count, seed, unheard).items():
        turns = _ranks_alone(results, row) if lines is None else [_turn(line) for line in lines[row]]
        sessions.append(
            {
                "why": why,
                "session": results.sessions[row],
                "target": results.targets[row],
                "unheard": None if unheard is None else float(unheard[row]),
                "turns": turns,
            }
        )
    return {"attributes": [] if transcript is None else transcript.header.get("attributes", []), "sessions": sessions}


def displayed(turn: Mapping[str, Any], target: str) -> list[str]:
    """What a page shows of a turn: the first candidates, and the target wherever it stood."""
    shown = turn["shown"]
    return [*shown[:PAGE], *([target] if target in shown[PAGE:] else [])]


def _lines(transcript: Transcript, results: Results) -> Sequence[Sequence[Mapping[str, Any]]]:
    """Lines of each row of the results.

    Where several sessions look for one target, a trial gives all of them one number: the n-th line of a turn is then
    of the n-th of them, and the sessions stand in the order of the trial.
    """
    groups: dict[tuple[Any, int], list[Mapping[str, Any]]] = {}
    times: Counter[tuple[Any, int]] = Counter()
    for line in transcript.rows:
        name, turn = line["session"], line["turn"]
        times[name, turn] += 1
        groups.setdefault((name, times[name, turn]), []).append(line)
    by_name = {str(name): lines for (name, _), lines in groups.items()}
    return list(groups.values()) if len(by_name) < len(groups) else [by_name[name] for name in results.sessions]


def _turn(line: Mapping[str, Any]) -> dict[str, Any]:
    reply = line["reply"]
    said = None if reply is None else {key: value for key, value in reply.items() if key != "vector"}
    return {"turn": line["turn"], "reply": said, "shown": line["shown"], "rank": line["rank"]}


def _ranks_alone(results: Results, row: int) -> list[dict[str, Any]]:
    ends = zip(results.ranks.best[row].tolist(), results.ranks.worst[row].tolist(), strict=True)
    turns = enumerate(ends, start=results.start)
    last = int(results.played[row])
    return [{"turn": turn, "reply": None, "shown": [], "rank": list(rank)} for turn, rank in turns if turn <= last]


def _all_shown(session: Mapping[str, Any]) -> Iterator[str]:
    for turn in session["turns"]:
        yield from turn["shown"]


def _places(sessions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The picture of every place of the page: targets, then examples, then what was shown, first places first."""
    for one in sessions:
        yield one["target"]
    for one in sessions:
        for turn in one["turns"]:
            if (turn["reply"] or {}).get("kind") == "image":
                yield turn["reply"]["name"]
    for place in range(PAGE + 1):
        for one in sessions:
            for turn in one["turns"]:
                yield from displayed(turn, one["target"])[place : place + 1]
