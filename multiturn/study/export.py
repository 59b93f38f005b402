"""A study written out for other programs: transcripts, queries, run files, tables, DRES and CIRCLED."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from multiturn.study.export_others import circled_session, dres_task
from multiturn.study.export_tables import tables
from multiturn.study.records import Record, Records, read_records
from multiturn.study.store import Store
from multiturn.study.withdrawal import write_noted
from multiturn.transcript import SCHEMA


def export(store: Store, folder: Path) -> list[Path]:
    """Write everything that a study holds into a folder; a later withdrawal deletes these files.

    For each system SYSTEM/transcript.jsonl, which `multiturn.transcript.read_transcript` and eval.replay read;
    SYSTEM/queries.jsonl, which `eval.study run` plays with any system; SYSTEM/run.trec and qrels.trec with the pages;
    SYSTEM/circled.json. Beside them participants.csv, trials.csv, turns.csv, answers.csv and dres.json.

    Returns:
        the files.
    Raises:
        ValueError: the database holds no study.
    """
    records = read_records(store)
    files: dict[Path, str] = {}
    for system in records.protocol.systems:
        trials = records.of(system)
        files[folder / system / "transcript.jsonl"] = _lines([_header(records, system), *_turns(trials)])
        files[folder / system / "queries.jsonl"] = _lines([_query(record) for record in trials if _said(record)])
        files[folder / system / "circled.json"] = _json([circled_session(one) for one in trials if _said(one)])
        if not any(len(name.split()) != 1 for record in trials for name in _ids(record)):
            files[folder / system / "run.trec"] = "".join(_run_lines(trials))
            files[folder / system / "qrels.trec"] = "".join(_qrels_lines(trials))
    files |= {folder / name: text for name, text in tables(records).items()}
    files[folder / "dres.json"] = _json([dres_task(record, records) for record in records.trials])
    write_noted(store, records.participants, files)
    return list(files)


def _header(records: Records, system: str) -> dict[str, Any]:
    protocol, gallery = records.protocol, records.facts["galleries"][system]
    header: dict[str, Any] = {
        "schema": SCHEMA,
        "retriever": system,
        "checkpoint": protocol.systems[system],
        "gallery": gallery["source"],
        "gallery_size": gallery["size"],
        "fingerprint": gallery["fingerprint"],
        "turns": protocol.turns,
        "page_size": protocol.page_size,
        "seen": protocol.seen,
    }
    return header | ({"attributes": gallery["attributes"]} if gallery["attributes"] else {})


def _turns(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Rows of a transcript, with who, what they typed and when; what was taken back is not in it."""
    return [
        {
            "session": record.session,
            "turn": number,
            "target": record.target,
            "reply": told.reply,
            "shown": list(told.page.shown),
            "scores": list(told.page.scores),
            "rank": list(told.page.rank),
            "participant": record.participant,
            "text": told.text,
            "seconds": record.seconds_of(told),
        }
        for record in records
        for number, told in enumerate(record.trial.turns)
    ]


def _said(record: Record) -> bool:
    return len(record.trial.turns) > 1


def _query(record: Record) -> dict[str, Any]:
    """A line of recorded queries: each turn with the time that it took."""
    opening, *turns = record.trial.turns
    moments = [told.at for told in (opening, *turns)]
    return {
        "target": record.target,
        "participant": record.participant,
        "turns": [told.reply for told in turns],
        "seconds": [(after - before) / 1000 for before, after in pairwise(moments)],
        **({"opening": list(opening.page.shown)} if opening.page.shown else {}),
    }


def _ids(record: Record) -> set[str]:
    return {record.target, *(name for told in record.trial.turns for name in told.page.shown)}


def _run_lines(records: Sequence[Record]) -> list[str]:
    """The pages as lists: an opening page, which has no scores, is not one."""
    return [
        f"{record.session}_{number} Q0 {name} {rank} {score!r} {record.system}\n"
        for record in records
        for number, told in enumerate(record.trial.turns)
        for rank, (name, score) in enumerate(zip(told.page.shown, told.page.scores, strict=True), start=1)
        if score is not None
    ]


def _qrels_lines(records: Sequence[Record]) -> list[str]:
    return [
        f"{record.session}_{number} 0 {record.target} 1\n"
        for record in records
        for number in range(len(record.trial.turns))
    ]


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
