"""A trial in the forms of other tools: tasks with submissions and logs of DRES, and sessions of CIRCLED."""

from collections.abc import Mapping
from typing import Any

from multiturn.report.said import said
from multiturn.study.progress import Told
from multiturn.study.records import Record

CATEGORIES = {"text": "TEXT", "image": "IMAGE", "wanted": "FILTER", "attributes": "FILTER"}


def dres_task(record: Record, galleries: Mapping[str, Any], began: int) -> dict[str, Any]:
    """What DRES would have been sent in a trial.

    Args:
        galleries: of the study; the source is the name of the media collection.
        began: the study, in milliseconds since 1970; moments are those of the study's clock after it, which stands
            still while the server is down.
    Returns:
        beside who and what: `submissions`, as /api/v2/submit takes them, with the moment and the verdict; `queries` and
        `results`, as /api/v2/log/query and /api/v2/log/result take them.
    Source:
        the client API of DRES 2: ApiClientSubmission, QueryEventLog, QueryResultLog.
    """
    collection = galleries[record.system]["source"]
    task = {"taskId": str(record.session), "taskName": f"{record.session}: {record.target}"}

    def answer(name: str) -> dict[str, Any]:
        return {"text": None, "mediaItemName": name, "mediaItemCollectionName": collection, "start": None, "end": None}

    trial = record.trial
    replies = sorted([*trial.turns[1:], *trial.undone], key=lambda told: told.at)
    return {
        **task,
        "team": record.system,
        "member": record.participant,
        "target": record.target,
        "started": began + trial.started,
        "ended": None if trial.ended is None else began + trial.ended,
        "submissions": [
            {
                "timestamp": began + at,
                "verdict": "CORRECT" if name == record.target else "WRONG",
                "submission": {"answerSets": [{**task, "answers": [answer(name)]}]},
            }
            for at, name in trial.claims
        ],
        "queries": [{"timestamp": began + told.at, "events": [_event(told, began)]} for told in replies],
        "results": [
            {
                "timestamp": began + told.at,
                "sortType": "score",
                "resultSetAvailability": "top",
                "results": [
                    {"answer": answer(name), "rank": rank} for rank, name in enumerate(told.page.shown, start=1)
                ],
                "events": [_event(told, began)] if told.reply else [],
            }
            for told in [trial.turns[0], *replies]
        ],
    }


def _event(told: Told, began: int) -> dict[str, Any]:
    assert told.reply is not None
    kind = told.reply["kind"]
    category = CATEGORIES.get(kind, "OTHER")
    return {"timestamp": began + told.at, "category": category, "type": kind, "value": told.text}


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
