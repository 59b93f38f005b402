"""A live study whose server is killed at random moments: is anything lost that a participant was told is stored?"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.program import save, start
from benchmarks.study_visitors import GONE, Refused, Visitor, opened, serving
from multiturn.settings import at_least

EXAMPLES = """examples:
  make demo && python -m benchmarks.study_kills
  python -m benchmarks.study_kills --kills 5 --participants 2 --output runs/bench
"""
TARGETS = 500  # more than anybody comes to look for
KINDS = {"give-up": "give_up", "answer": "answers"}  # what the database calls an act; others have the same name


@dataclass
class Diary:
    """What one participant was told.

    Attributes:
        visitor: who they are.
        acknowledged: kind of each act whose next page they received, by its step.
        different: times that the page after a new start was not the one before.
    """

    visitor: Visitor
    acknowledged: dict[int, str] = field(default_factory=dict)
    different: int = 0


def study_kills(
    checkpoint: str = "runs/demo",
    kills: int = 50,
    participants: int = 4,
    longest: float = 1.0,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Kill the server (SIGKILL) again and again while participants act without a pause, and look for what is lost.

    An act is acknowledged when its next page has arrived. After each new start every participant must be on the page
    that they had last, or on that of the one act that was stored and whose page was cut off.

    Args:
        checkpoint: of the one system.
        kills: of the server.
        participants: at once.
        longest: seconds until a kill; drawn evenly up to this.
        seed: of moments and replies.
        output: folder for study_kills.json; benchmarks/results if not given.
    """
    from multiturn.study.protocol import StudyProtocol

    for name, value, least in (("kills", kills, 1), ("participants", participants, 1), ("longest", longest, 0.1)):
        at_least(name, value, least)
    systems, draws = opened(checkpoint), Random(seed)
    targets = min(TARGETS, len(systems["system"].gallery))
    protocol = StudyProtocol({"system": checkpoint}, targets=targets, turns=8, page_size=8, practice=0)
    protocol = replace(protocol, consent="A test.", questionnaires=[], seen="keep")
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "study.sqlite"
        diaries = [Diary(Visitor(0, number, persistent=True)) for number in range(participants)]
        for number in range(kills + 1):
            with serving(protocol, systems, database) as (port, server):
                threads = [threading.Thread(target=_go_on, args=(diary, port)) for diary in diaries]
                for thread in threads:
                    thread.start()
                if number % 2 == 0:
                    _until_somebody_acted(diaries)
                time.sleep(draws.uniform(0, longest))
                if number < kills:
                    server.kill()
                else:
                    for diary in diaries:
                        diary.visitor.leaving = True
                for thread in threads:
                    thread.join(60)
            print(f"\r{number} of {kills} kills", end="", flush=True)
        print()
        lost = _lost(diaries, database)
        whole = sqlite3.connect(database).execute("PRAGMA integrity_check").fetchone()[0]
    measured = {
        "acknowledged": _acknowledged(diaries),
        "lost": lost,
        "other_pages": sum(diary.different for diary in diaries),
        "database": whole,
    }
    print(", ".join(f"{name} {value}" for name, value in measured.items()))
    settings = {"kills": kills, "participants": participants, "longest": longest, "seed": seed}
    return save("study_kills", settings, measured, output)


def _until_somebody_acted(diaries: list[Diary]) -> None:
    """Every other kill waits for this: a slow machine would otherwise be killed while it starts, each time."""
    before, end = _acknowledged(diaries), time.monotonic() + 30
    while _acknowledged(diaries) == before and time.monotonic() < end:
        time.sleep(0.005)


def _acknowledged(diaries: list[Diary]) -> int:
    return sum(len(diary.acknowledged) for diary in diaries)


def _go_on(diary: Diary, port: int) -> None:
    """Look where one was, and act until the server is gone."""
    visitor, before = diary.visitor, diary.visitor.page
    visitor.move(port)
    try:
        visitor.arrive()
        if before and visitor.step >= 0 and "/study/" in before:
            was = _step(before)
            diary.different += not (_content(visitor.page) == _content(before) or visitor.step == was + 1)
        while not visitor.leaving and "/study/" in visitor.page:
            step = visitor.step
            path, _ = visitor.act()
            kind = path.rsplit("/", 1)[-1]
            diary.acknowledged[step] = KINDS.get(kind, kind)
    except GONE:
        pass
    except Refused as reason:
        diary.different += 1
        print(f"\nerror: {reason}")


def _content(page: str) -> str:
    """A page without the address of the server, which has another port after a new start."""
    return re.sub(r"http://127\.0\.0\.1:\d+", "", page)


def _step(page: str) -> int:
    visitor = Visitor(0, 0)
    visitor.page = page
    return visitor.step


def _lost(diaries: list[Diary], database: Path) -> int:
    """Acknowledged acts that the database does not have as they were done.

    Participants are told apart by what they did: the database keeps nothing else that a visitor knows.
    """
    stored: dict[str, dict[int, str]] = {}
    with sqlite3.connect(database) as connection:
        for participant, step, kind in connection.execute("SELECT participant, step, kind FROM events"):
            stored.setdefault(participant, {})[step] = kind
    return sum(
        min(sum(had.get(step) != kind for step, kind in diary.acknowledged.items()) for had in stored.values())
        if stored
        else len(diary.acknowledged)
        for diary in diaries
    )


def study_kills_block(result: Mapping[str, Any]) -> str:
    """The table of RESULTS.md."""
    from benchmarks.blocks import machine_line
    from multiturn.report.tables import markdown_table

    table = [
        ["Kills", "Acts acknowledged", "Lost", "Pages that were others after a new start", "Database"],
        [
            str(result["settings"]["kills"]),
            f"{result['acknowledged']:,}",
            str(result["lost"]),
            str(result["other_pages"]),
            result["database"],
        ],
    ]
    note = (
        f"SIGKILL at random moments while {result['settings']['participants']} participants act without a pause; a cut "
        f"of power is not tested. {machine_line(result)}"
    )
    return markdown_table(table, note)


if __name__ == "__main__":
    start(study_kills, "study_kills", EXAMPLES)
