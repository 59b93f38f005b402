"""Dialogues of VisDial and ChatIR, and sessions of CIRCLED, as logs; CIRCLED's are written as well."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from multiturn.report.said import said
from multiturn.study.logs.log import Log, Logged, Names
from multiturn.study.scripts import Script
from multiturn.transcript import Transcript

CHATIR = "The caption is the first reply, so that turn t here is round t - 1 of ChatIR."


def read_dialogues(entries: Sequence[Mapping[str, Any]], where: str, names: Names) -> Log:
    """Read dialogues: {"img": path, "dialog": [caption, "question? answer", ...]} each.

    Raises:
        ValueError: an entry without them, or an image that is not in the gallery.
    Source:
        the released dialogues of ChatIR, made of those of VisDial.
    """
    parts = []
    for number, entry in enumerate(entries):
        place = f"{where}, dialogue {number + 1}"
        said_texts = entry.get("dialog")
        if not isinstance(entry.get("img"), str) or not _texts(said_texts):
            raise ValueError(f"{place}: a dialogue is an object with img, a path, and dialog, a list of texts")
        assert isinstance(said_texts, list)
        script = Script(number, names.find(entry["img"], place), tuple(said_texts), place)
        nothing = (None,) * (len(said_texts) + 1)
        parts.append([Logged(script, str(number), nothing, nothing)])
    return Log("dialogues of VisDial", parts, notes=[CHATIR])


def read_circled(entries: Sequence[Mapping[str, Any]], where: str, names: Names) -> Log:
    """Read sessions of CIRCLED: captions, each relative to a reference image, the page of the turn before.

    Raises:
        ValueError: an entry without what the schema has, or an image that is not in the gallery.
    Source:
        CIRCLED: session_id, subset, ground_truth_ids, num_turns, turns [{turn, reference_image_id, relative_caption}].
    """
    parts, several = [], 0
    for number, entry in enumerate(entries):
        place = f"{where}, session {entry.get('session_id', number + 1)}"
        truths, turns = entry.get("ground_truth_ids"), entry.get("turns")
        if not _texts(truths) or not isinstance(turns, list) or not turns:
            raise ValueError(f"{place}: a session has ground_truth_ids, a list of ids, and turns, at least one")
        assert isinstance(truths, list)
        several += len(truths) > 1
        for turn in turns:
            if not isinstance(turn, dict) or not isinstance(turn.get("relative_caption"), str):
                raise ValueError(f"{place}: a turn has reference_image_id and relative_caption, not {turn!r:.60}")
        references = [turn.get("reference_image_id") for turn in turns]
        pages = [None if one is None else (names.find(str(one), place),) for one in references]
        script = Script(
            number,
            names.find(truths[0], place),
            tuple(turn["relative_caption"] for turn in turns),
            place,
            opening=pages[0] or (),
        )
        ranks = (None,) * (len(turns) + 1)
        parts.append([Logged(script, str(entry.get("session_id", number)), (*pages, None), ranks)])
    notes = ["The reference image of a turn is taken for the page that was answered."]
    if several:
        notes.append(f"{several} of {len(parts)} sessions have several right images; the first is the target.")
    return Log("sessions of CIRCLED", parts, 1, None, {}, notes)


def to_circled(transcript: Transcript, subset: str) -> list[dict[str, Any]]:
    """Sessions of a transcript as CIRCLED has them; the reference of a reply is the image that it answers.

    Args:
        subset: name of the collection.
    Raises:
        ValueError: a session without a target, or a reply that is no text.
    """
    sessions: dict[Any, list[Mapping[str, Any]]] = {}
    for row in transcript.rows:
        sessions.setdefault(row["session"], []).append(row)
    made = []
    for name, rows in sessions.items():
        if "target" not in rows[0]:
            raise ValueError(f"session {name!r} has no target; CIRCLED needs ground_truth_ids")
        turns = []
        for before, row in pairwise(rows):
            if row["reply"]["kind"] != "text":
                raise ValueError(
                    f"session {name!r}, turn {row['turn']}: CIRCLED has captions, no {row['reply']['kind']}"
                )
            reference = said(row["reply"]).about or next(iter(before["shown"]), None)
            turns.append(
                {
                    "turn": row["turn"],
                    "reference_image_id": reference,
                    "relative_caption": row["reply"]["text"],
                }
            )
        made.append(
            {
                "session_id": name,
                "subset": subset,
                "ground_truth_ids": [rows[0]["target"]],
                "num_turns": len(turns),
                "turns": turns,
            }
        )
    return made


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
