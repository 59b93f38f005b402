"""Claims about sessions of the vg-drilldown task: what may be said, and those that go on from a transcript."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drilldown.task import Drilldown
from multiturn.replies import TextReply
from multiturn.session import Retriever, Session, Turn
from multiturn.transcript import TranscriptWriter, read_transcript, recorded_replies
from multiturn.trial import transcript_header
from tests.drilldown.small_task import KINDS, of_kind


def opened(task: Drilldown) -> Turn:
    """A session of one before anything was said."""
    retriever = of_kind(task, "drill-down").new_retriever().eval()
    assert isinstance(retriever, Retriever)
    return Session(retriever, task.candidates(), torch.tensor([0]), 5).show()


def test_a_sentence_of_unknown_words_alone_still_finds_a_page(prepared: Drilldown):
    task = of_kind(prepared, "drill-down")
    session = Session(task.new_retriever().eval(), task.candidates(), torch.tensor([0]), 5)
    turn = session.tell(task.read_reply("qwertz xyzzy", session.show()))
    assert torch.isfinite(turn.scores).all()


def test_saying_nothing_is_refused(prepared: Drilldown):
    with pytest.raises(ValueError, match="nothing was said; describe"):
        prepared.read_reply("  ", opened(prepared))


@pytest.mark.parametrize("seen", ["keep", "drop_from_display"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_was_interrupted_and_resumed_shows_the_same_next_page(
    prepared: Drilldown, tmp_path: Path, kind: str, seen: Any
):
    task = of_kind(prepared, kind)
    trial = replace(task.validation(task.new_retriever().eval()), seen=seen)

    def new_session() -> Session:
        return Session(trial.retriever, trial.gallery, trial.targets[:3], 2, seen=seen)

    session, path = new_session(), tmp_path / "transcript.jsonl"
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        turn = session.show()
        writer.append(turn, trial.gallery)
        for _ in range(3):
            turn = session.tell(trial.user.reply(turn, trial.targets[:3]))
            writer.append(turn, trial.gallery)
    whole = session.tell(trial.user.reply(turn, trial.targets[:3]))
    resumed = new_session()
    again = resumed.replay(recorded_replies(read_transcript(path), trial.gallery, trial.targets[:3].tolist()))
    assert torch.equal(again.shown, turn.shown) and torch.equal(again.scores, turn.scores)
    after = resumed.tell(trial.user.reply(again, trial.targets[:3]))
    assert torch.equal(after.shown, whole.shown) and torch.equal(after.scores, whole.scores)


def test_a_turn_that_a_crash_cut_is_not_replayed(prepared: Drilldown, tmp_path: Path):
    trial, path = prepared.validation(prepared.new_retriever().eval()), tmp_path / "transcript.jsonl"
    session = Session(trial.retriever, trial.gallery, trial.targets[:2], 2)
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        for turn in (session.show(), session.tell(TextReply(("a", "b"))), session.tell(TextReply(("c", "d")))):
            writer.append(turn, trial.gallery)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:30])
    replies = recorded_replies(read_transcript(path), trial.gallery, [1, 0])
    assert replies == [TextReply(("b", "a"))]


def test_a_session_that_is_not_in_a_transcript_is_named(prepared: Drilldown, tmp_path: Path):
    trial, path = prepared.validation(prepared.new_retriever().eval()), tmp_path / "transcript.jsonl"
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        writer.append(Session(trial.retriever, trial.gallery, trial.targets[:2], 2).show(), trial.gallery)
    with pytest.raises(ValueError, match="session 7 is not in the transcript"):
        recorded_replies(read_transcript(path), trial.gallery, [0, 7])


def test_replies_are_replayed_into_a_new_session_only(prepared: Drilldown):
    session = Session(prepared.new_retriever().eval(), prepared.candidates(), torch.tensor([0]), 2)
    session.replay([TextReply(("a",))])
    with pytest.raises(ValueError, match="has had 1 replies; replay into a new one"):
        session.replay([TextReply(("b",))])
