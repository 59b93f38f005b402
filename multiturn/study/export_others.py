"""A trial in the forms of other tools: tasks with submissions and logs of DRES, and sessions of CIRCLED."""

from datetime import datetime
from typing import Any

from multiturn.report.said import said
from multiturn.study.progress import Told
from multiturn.study.records import Record, Records

SHOWN = ("attributes", "relevance")  # kinds of replies that speak of shown images, which words alone do not name
CATEGORIES = {"text": "TEXT", "image": "IMAGE", "wanted": "FILTER", "attributes": "FILTER"}


def dres_task(record: Record, records: Records) -> dict[str, Any]:
    """What DRES would have been sent in a trial.

    Moments are in milliseconds since 1970: those of the study's clock, which stands still while the server is down.

    Args:
        records: of the study that the trial belongs to; the source of a gallery is the name of the media collection.
    Returns:
        beside who, what and by which rules: `submissions`, as /api/v2/submit takes them, with the moment and the
        verdict; `queries` and `results`, as /api/v2/log/query and /api/v2/log/result take them. Ours beside DRES's: in
        an event the `reply`, where its words do not say which of the shown images it speaks of; in a log `takenBack`,
        where the participant took the reply back.
    Source:
        the client API of DRES 2: ApiClientSubmission, QueryEventLog, QueryResultLog.
    """
    began = round(1000 * datetime.fromisoformat(records.facts["created"]).timestamp())
    collection = records.facts["galleries"][record.system]["source"]
    task = {"taskId": str(record.session), "taskName": f"{record.session}: {record.target}"}
    trial = record.trial
    replies = [(told, {}) for told in trial.turns[1:]] + [(told, {"takenBack": True}) for told in trial.undone]
    replies.sort(key=lambda reply: reply[0].at)
    return {
        **task,
        "team": record.system,
        "member": record.participant,
        "target": record.target,
        "rules": {"page_size": records.protocol.page_size, "seen": records.protocol.seen},
        "started": began + trial.started,
        "ended": None if trial.ended is None else began + trial.ended,
        "submissions": [
            {
                "timestamp": began + at,
                "verdict": "CORRECT" if name == record.target else "WRONG",
                "submission": {"answerSets": [{**task, "answers": [_answer(name, collection)]}]},
            }
            for at, name in trial.claims
        ],
        "queries": [
            {"timestamp": began + told.at, "events": [_event(told, began)], **undone} for told, undone in replies
        ],
        "results": [
            {
                "timestamp": began + told.at,
                "sortType": "score",
                "resultSetAvailability": "top",
                "results": _page(told, collection),
                "events": [_event(told, began)] if told.reply else [],
                **undone,
            }
            for told, undone in [(trial.turns[0], {}), *replies]
        ],
    }


def _page(told: Told, collection: str) -> list[dict[str, Any]]:
    return [{"answer": _answer(name, collection), "rank": rank} for rank, name in enumerate(told.page.shown, start=1)]


def _answer(name: str, collection: str) -> dict[str, Any]:
    return {"text": None, "mediaItemName": name, "mediaItemCollectionName": collection, "start": None, "end": None}


def _event(told: Told, began: int) -> dict[str, Any]:
    assert told.reply is not None
    kind = told.reply["kind"]
    category = CATEGORIES.get(kind, "OTHER")
    whole = {"reply": told.reply} if kind in SHOWN else {}
    return {"timestamp": began + told.at, "category": category, "type": kind, "value": told.text, **whole}


def circled_session(record: Record) -> dict[str, Any]:
    """A trial as CIRCLED has sessions: each turn is a reference image and a caption relative to it.

    The reference is the image that the participant spoke of, or else the first of the page; None where there was no
    page yet.
    """
    turns = record.trial.turns
    return {
        "session_id": record.session,
        "subset": record.system,
        "ground_truth_ids": [record.target],
        "num_turns": len(turns) - 1,
        "turns": [
            {
                "turn": number,
                "reference_image_id": said(told.reply).about or next(iter(turns[number - 1].page.shown), None),
                "relative_caption": told.text,
            }
            for number, told in enumerate(turns[1:], start=1)
        ],
    }
