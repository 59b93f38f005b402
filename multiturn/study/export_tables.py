"""A study as tables of comma-separated values, for R, pandas and spreadsheets."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from multiturn.report.said import said
from multiturn.study.progress import Told
from multiturn.study.records import Record, Records

PARTICIPANTS = ("participant", "number", "consent", "finished")
TRIALS = (
    "participant", "session", "system", "target", "position", "block", "outcome", "found", "seconds", "turns", "undone",
    "wrong_claims", "shown_and_missed", "rank", "rank_worst",
)  # fmt: skip
TURNS = (
    "participant", "session", "system", "target", "turn", "taken_back", "seconds", "text", "about", "rank",
    "rank_worst", "target_shown",
)  # fmt: skip
ANSWERS = ("participant", "block", "system", "questionnaire", "item", "value")


def tables(records: Records) -> dict[str, str]:
    """Name and content of each file."""
    people = (
        {
            "number": one.number,
            "participant": one.id,
            "consent": one.consent,
            "finished": int(one.id in records.finished),
        }
        for one in records.participants
    )
    answers = (
        {**vars(one), "questionnaire": one.name, "item": item, "value": value}
        for one in records.answers
        for item, value in one.values.items()
    )
    return {
        "participants.csv": _table(PARTICIPANTS, people),
        "trials.csv": _table(TRIALS, (_trial(record) for record in records.trials)),
        "turns.csv": _table(TURNS, (row for record in records.trials for row in _turns(record))),
        "answers.csv": _table(ANSWERS, answers),
    }


def _trial(record: Record) -> dict[str, Any]:
    trial = record.trial
    best, worst = trial.turns[-1].page.rank
    return {
        **_whose(record),
        "position": record.position,
        "block": trial.planned.block,
        "outcome": trial.outcome or "not over",
        "found": int(record.found),
        "seconds": "" if record.seconds is None else record.seconds,
        "turns": len(trial.turns) - 1,
        "undone": len(trial.undone),
        "wrong_claims": trial.wrong_claims,
        "shown_and_missed": trial.missed,
        "rank": best,
        "rank_worst": worst,
    }


def _turns(record: Record) -> list[dict[str, Any]]:
    kept = [_turn(record, number, told, False) for number, told in enumerate(record.trial.turns)]
    return kept + [_turn(record, "", told, True) for told in record.trial.undone]


def _turn(record: Record, number: int | str, told: Told, taken_back: bool) -> dict[str, Any]:
    best, worst = told.page.rank
    words = said(told.reply)
    return {
        **_whose(record),
        "turn": number,
        "taken_back": int(taken_back),
        "seconds": record.seconds_of(told),
        "text": told.text,
        "about": words.about or words.example,  # the one image that the reply compares with, or gives as an example
        "rank": best,
        "rank_worst": worst,
        "target_shown": int(record.target in told.page.shown),
    }


def _whose(record: Record) -> dict[str, Any]:
    return {
        "participant": record.participant,
        "session": record.session,
        "system": record.system,
        "target": record.target,
    }


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A participant's words as a spreadsheet shows them: not as a formula, which it would run."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
