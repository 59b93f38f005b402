"""A study written out: what other programs read of it, and what a withdrawal leaves."""

import csv
import json
from pathlib import Path

import pytest
import torch

from multiturn.settings import EvaluationSettings
from multiturn.study.export import export
from multiturn.study.logs import read_log
from multiturn.study.logs.log import Names
from multiturn.study.recording import Rules
from multiturn.study.records import read_records
from multiturn.study.replaying import replay
from multiturn.study.store import Store
from multiturn.study.tokens import code_of
from multiturn.study.withdrawal import withdraw
from multiturn.transcript import read_transcript, recorded_replies
from multiturn.trec import read_trec
from tests.multiturn.study.squares import Visitor, study, system


@pytest.fixture
def two(tmp_path: Path) -> list[Visitor]:
    """Two participants who found everything, after a reply that one of them took back."""
    running = study(tmp_path, systems={"one": "a", "two": "b"}, practice=1)
    first, second = Visitor(running), Visitor(running)
    first.begin().post("/study/reply", text="=b").post("/study/undo")
    return [first.all_of_it(), second.all_of_it()]


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_transcript_is_read_back_and_replays_to_the_same_pages(two: list[Visitor], tmp_path: Path):
    export(two[0].study.store, tmp_path / "out")
    for name in ("one", "two"):
        transcript = read_transcript(tmp_path / "out" / name / "transcript.jsonl")
        assert transcript.torn == "" and transcript.header["retriever"] == name and transcript.header["page_size"] == 4
        numbers = sorted({row["session"] for row in transcript.rows})
        assert len(numbers) == 4
        searched = system(name)
        for number in numbers:
            mine = [row for row in transcript.rows if row["session"] == number]
            replies = recorded_replies(transcript, searched.gallery, [number])
            session = searched.session(torch.tensor([number]), 4, "drop_from_display", torch.zeros(1, 0).long())
            for row, reply in zip(mine[1:], replies, strict=True):
                assert [searched.gallery.ids[place] for place in session.tell(reply).shown[0]] == row["shown"]
                assert row["target"] in row["shown"] and row["rank"] == [1, 1]


def test_tables_have_every_trial_that_counts_and_every_turn(two: list[Visitor], tmp_path: Path):
    export(two[0].study.store, tmp_path / "out")
    trials = rows(tmp_path / "out", "trials.csv")
    assert len(trials) == 8 and {trial["outcome"] for trial in trials} == {"found"}
    assert {trial["participant"] for trial in trials} == {visitor.who.id for visitor in two}
    assert [int(trial["position"]) for trial in trials[:4]] == [0, 1, 2, 3]
    assert all(float(trial["seconds"]) >= 0 for trial in trials)
    assert len(rows(tmp_path / "out", "turns.csv")) == 16
    answers = rows(tmp_path / "out", "answers.csv")
    assert len(answers) == 2 * 2 * (6 + 10) and {answer["system"] for answer in answers} == {"one", "two"}
    assert [one["finished"] for one in rows(tmp_path / "out", "participants.csv")] == ["1", "1"]


def test_words_that_a_spreadsheet_would_run_are_defused(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="=1+1").post("/study/undo")
    export(visitor.study.store, tmp_path / "out")
    (turn,) = [row for row in rows(tmp_path / "out", "turns.csv") if row["taken_back"] == "1"]
    assert turn["text"] == "'=1+1" and turn["turn"] == ""


def test_run_files_are_read_back(two: list[Visitor], tmp_path: Path):
    export(two[0].study.store, tmp_path / "out")
    lists = read_trec(tmp_path / "out" / "one" / "run.trec", tmp_path / "out" / "one" / "qrels.trec")
    assert len(lists.candidates) == 4 * 4 and set(lists.ranks) == {1, 2, 3, 4}


def test_what_people_said_is_there_turn_by_turn_with_its_time(two: list[Visitor], tmp_path: Path):
    export(two[0].study.store, tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "one" / "queries.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and all(len(line["turns"]) == len(line["seconds"]) == 1 for line in lines)
    assert lines[0]["turns"][0]["kind"] == "text" and "opening" not in lines[0]


def test_dres_and_circled_have_their_fields(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "comparison")).begin().post("/study/reply", about="3", mark_1="-")
    shown = visitor.progress.trial.turns
    wrong = next(place for place in range(1, 5) if place != visitor.place_of_target)
    visitor.post("/study/claim", place=str(wrong)).post("/study/undo").post("/study/reply", about="2", mark_1="+")
    export(visitor.study.store, tmp_path / "out")
    (task,) = json.loads((tmp_path / "out" / "dres.json").read_text())
    (sent,) = task["submissions"]
    assert sent["verdict"] == "WRONG" and sent["timestamp"] > 1_600_000_000_000
    (answer,) = sent["submission"]["answerSets"][0]["answers"]
    assert set(answer) == {"text", "mediaItemName", "mediaItemCollectionName", "start", "end"}
    assert answer["mediaItemName"] == shown[1].page.shown[wrong - 1]
    assert [log["events"][0]["value"] for log in task["queries"]] == ["differs: Red", "same: Red"]
    assert task["queries"][0]["events"][0]["category"] == "FILTER" and len(task["results"]) == 3
    assert [result["rank"] for result in task["results"][0]["results"]] == [1, 2, 3, 4]
    (session,) = json.loads((tmp_path / "out" / "one" / "circled.json").read_text())
    assert list(session) == ["session_id", "subset", "ground_truth_ids", "num_turns", "turns"]
    (turn,) = session["turns"]
    assert turn == {"turn": 1, "reference_image_id": shown[0].page.shown[1], "relative_caption": "same: Red"}


def test_who_has_withdrawn_is_in_no_export_old_or_new(two: list[Visitor], tmp_path: Path):
    running, gone = two[0].study, two[0].who.id
    files = export(running.store, tmp_path / "out")
    two[0].get("/withdraw").post("/withdraw", code=code_of(two[0].client.cookies["session"]))
    assert not any(file.exists() for file in files)
    export(running.store, tmp_path / "out")
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert gone.encode() not in content and two[1].who.id.encode() in content
    assert len(read_records(running.store).trials) == 4


def test_a_database_without_a_study_says_so(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no study"):
        read_records(Store(tmp_path / "empty.sqlite"))


def test_somebody_who_withdraws_during_an_export_is_not_in_it(
    two: list[Visitor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    running, gone = two[0].study, two[0].who.id
    code = code_of(two[0].client.cookies["session"])

    def late(store: Store):
        records = read_records(store)
        withdraw(store, code)
        return records

    monkeypatch.setattr("multiturn.study.export.read_records", late)
    with pytest.raises(ValueError, match="somebody withdrew"):
        export(running.store, tmp_path / "out")
    assert not any(gone.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["text", "wanted", "comparison", "judgements", "example"])
def test_a_study_replays_from_its_tasks_for_dres_to_the_pages_that_were_shown(tmp_path: Path, kind: str):
    seen = "keep" if kind == "comparison" else "drop_from_display"  # kept, a compared square comes back first
    running = study(tmp_path, kind, systems={"one": "a", "two": "b"}, order="mixed", questionnaires=[], seen=seen)
    said = {
        "text": ({"text": "bd"}, {"text": "c"}, {"text": "h"}),
        "wanted": ({"mark_1": "-"}, {"mark_1": "+"}, {"mark_1": "+", "mark_2": "+"}),
        "comparison": ({"about": "3", "mark_1": "-"}, {"about": "2", "mark_1": "+"}, {"about": "4", "mark_1": "-"}),
        "judgements": ({"mark_2": "+"}, {"mark_3": "-", "mark_4": "+"}, {"mark_2": "-"}),
        "example": ({"closest": "3"}, {"closest": "2"}, {"closest": "4"}),
    }[kind]
    visitor = Visitor(running).agree().post("/study/begin")
    while visitor.progress.phase == "target":
        visitor.post("/study/start").post("/study/reply", **said[0]).post("/study/undo")
        visitor.post("/study/reply", **said[1]).post("/study/reply", **said[2]).post("/study/give-up")
    export(running.store, tmp_path / "out")
    path, searched = tmp_path / "out" / "dres.json", system("one", kind)
    names = Names(searched.gallery.ids, "squares")
    with pytest.raises(ValueError, match=r"several teams: (one|two) \(\d\), (one|two) \(\d\); choose one with --team"):
        read_log(path, names)
    shown = [record for record in read_records(running.store).trials if record.system == "one"]
    log = read_log(path, names, team="one")
    assert (log.page_size, log.seen) == (4, seen)
    assert log.notes == [f"Left out: {len(shown)} replies that were taken back."]
    assert [one.pages for one in log.sessions] == [
        tuple(tuple(told.page.shown) for told in record.trial.turns) for record in shown
    ]
    settings = EvaluationSettings(2, recall_at=[1], page=4, resamples=20)
    rules = Rules(4, seen, 0)
    told = replay(log, searched, settings, rules, tmp_path / "again", "seed: 0\n", "squares")
    assert told["the_same"] == told["with_pages"] == len(shown) > 1 and len(told["turns"]) == 3


def test_the_table_of_turns_tells_which_image_was_compared(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "comparison")).begin()
    shown = visitor.progress.trial.turns[0].page.shown
    visitor.post("/study/reply", about="3", mark_1="-")
    export(visitor.study.store, tmp_path / "out")
    assert [row["about"] for row in rows(tmp_path / "out", "turns.csv")] == ["", shown[2]]
