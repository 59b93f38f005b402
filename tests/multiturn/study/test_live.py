"""Live studies through their web server, as a browser without scripts uses it."""

import json
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from multiturn.study.clock import Clock
from multiturn.study.conduct import Study
from multiturn.study.store import Stale, Store
from multiturn.study.tokens import code_of
from tests.multiturn.study.squares import IDS, Visitor, protocol, study, system


def rows(folder: Path) -> list[tuple]:
    with sqlite3.connect(folder / "study.sqlite") as database:
        return database.execute("SELECT * FROM participants").fetchall()


def test_somebody_takes_part_from_consent_to_the_code(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).all_of_it()
    assert visitor.progress.phase == "done" and code_of(visitor.client.cookies["session"]) in visitor.page
    assert [trial.outcome for trial in visitor.progress.trials] == ["found"] * 4
    assert [(block, name) for block, name, _ in visitor.progress.answers] == [(0, "tlx"), (0, "sus")]


def test_without_consent_there_is_no_row(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).get("/")
    visitor.post("/consent")
    assert visitor.answer.status_code == 422 and "tick the box" in visitor.page and rows(tmp_path) == []
    visitor.get("/study")
    assert visitor.answer.status_code == 403 and rows(tmp_path) == []


def test_agreement_to_another_text_does_not_count(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).get("/")
    visitor.page = visitor.page.replace(visitor.study.protocol.consent_version, "0" * 64)
    visitor.post("/consent", agree="yes")
    assert rows(tmp_path) == [] and "I agree." in visitor.page


def test_agreeing_twice_on_one_page_makes_one_participant(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).get("/")
    first = visitor.page
    visitor.post("/consent", agree="yes")
    visitor.page = first
    visitor.post("/consent", agree="yes")
    assert len(rows(tmp_path)) == 1 and "What you will do" in visitor.page


def test_the_database_keeps_neither_tokens_nor_codes_nor_addresses(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    token = visitor.client.cookies["session"]
    visitor.study.store.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (token, code_of(token), "testclient", "127.0.0.1"):
        assert secret.encode() not in stored
    assert b"I agree" in stored


def test_a_second_click_does_nothing(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    before = visitor.page
    for _ in range(2):
        visitor.page = before
        visitor.post("/study/reply", text="c")
        assert visitor.answer.status_code == 200
    assert len(visitor.progress.trial.turns) == 2


def test_two_threads_cannot_take_the_same_step(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    who, step = visitor.who, visitor.progress.step

    def reply(text: str) -> bool:
        try:
            visitor.study.reply(who, step, {"text": text})
        except Stale:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reply, "abcdefgh")) == 1
    assert len(visitor.progress.trial.turns) == 2


def test_undo_goes_back_to_the_page_before(tmp_path: Path):
    visitor = Visitor(study(tmp_path, seen="keep")).begin().post("/study/reply", text="c")
    first = visitor.progress.trial.turns[-1].page
    visitor.post("/study/reply", text="fgh").post("/study/undo")
    assert visitor.progress.trial.turns[-1].page == first and len(visitor.progress.trial.undone) == 1
    visitor.post("/study/reply", text="fgh").post("/study/undo").post("/study/undo")
    assert len(visitor.progress.trial.turns) == 1 and "Take the last one back" not in visitor.page


def test_a_wrong_claim_is_said_to_be_wrong_and_the_search_goes_on(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="abcdefghijkl")
    wrong = 1 if visitor.place_of_target != 1 else 2
    visitor.post("/study/claim", place=str(wrong))
    assert "That is not the image" in visitor.page and visitor.progress.trial.wrong_claims == 1


def test_one_claim_may_be_all_there_is(tmp_path: Path):
    visitor = Visitor(study(tmp_path, claims="once")).begin().post("/study/reply", text="abcdefghijkl")
    wrong = 1 if visitor.place_of_target != 1 else 2
    visitor.post("/study/claim", place=str(wrong))
    assert visitor.progress.trials[0].outcome == "wrong" and visitor.progress.phase == "target"


def test_after_the_last_turn_nothing_more_can_be_said(tmp_path: Path):
    visitor = Visitor(study(tmp_path, turns=1)).begin().post("/study/reply", text="a")
    assert "You have said all you may" in visitor.page and "This is it" in visitor.page
    visitor.post("/study/reply", text="b")
    assert len(visitor.progress.trial.turns) == 2
    visitor.post("/study/give-up")
    assert visitor.progress.trials[0].outcome == "gave up"


def test_a_page_that_showed_the_target_and_was_left_counts_as_missed(tmp_path: Path):
    visitor = Visitor(study(tmp_path, seen="keep")).begin()
    letter = visitor.progress.trial.planned.target[0]
    visitor.post("/study/reply", text=letter).post("/study/reply", text=letter)
    assert visitor.progress.trial.missed == 2
    visitor.post("/study/claim", place=str(visitor.place_of_target))
    assert visitor.progress.trials[0].missed == 1


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("text", {"text": " two  words "}, "two words"),
        ("wanted", {"mark_1": "-"}, "not Red"),
        ("comparison", {"about": "2", "mark_1": "-", "mark_2": "+"}, "same: Round; differs: Red"),
        ("judgements", {"mark_1": "+", "mark_3": "-", "mark_2": ""}, "+1 -3"),
        ("example", {"closest": "3"}, "example: "),
    ],
)
def test_every_kind_of_reply_has_a_form(tmp_path: Path, kind: str, fields: dict[str, str], said: str):
    visitor = Visitor(study(tmp_path, kind)).begin()
    opening = visitor.progress.trial.turns[0].page.shown
    assert len(opening) == (0 if kind in ("text", "wanted") else 4)
    visitor.post("/study/reply", **fields)
    assert visitor.answer.status_code == 200, visitor.page
    told = visitor.progress.trial.turns[1]
    assert told.text.startswith(said) and told.reply is not None
    if kind == "comparison":
        assert told.reply["about"] == opening[1] and "beside image 2" in visitor.page
    if kind == "example":
        assert told.text == f"example: {opening[2]}"
    assert not any(name in visitor.page for name in IDS)


@pytest.mark.parametrize("kind", ["text", "wanted", "comparison", "judgements", "example"])
def test_a_reply_that_says_nothing_is_answered_with_what_is_missing(tmp_path: Path, kind: str):
    visitor = Visitor(study(tmp_path, kind)).begin().post("/study/reply")
    assert visitor.answer.status_code == 422 and 'role="alert"' in visitor.page
    assert len(visitor.progress.trial.turns) == 1


def test_what_was_filled_in_is_kept_beside_an_error(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="long " * 500)
    assert visitor.answer.status_code == 422 and "at most 2,000" in visitor.page and 'value="long long' in visitor.page


def test_a_closed_tab_or_a_crash_goes_on_with_the_same_assignment_and_page(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "judgements")).begin().post("/study/reply", mark_1="+", mark_2="-")
    before, token = visitor.get("/study").page, visitor.client.cookies["session"]
    again = Visitor(study(tmp_path, "judgements"))  # another process: nothing is in its memory
    again.get(f"/resume/{token}")
    assert again.page == before and again.progress == visitor.progress
    again.post("/study/reply", mark_1="+").post("/study/undo")
    assert again.progress.trial.turns[-1].page == visitor.progress.trial.turns[-1].page


def test_a_study_goes_on_only_with_what_it_was_begun_with(tmp_path: Path):
    Visitor(study(tmp_path)).begin()
    others: list[dict[str, Any]] = [{"seed": 1}, {"turns": 1}, {"targets": 2}]
    for changes in others:
        with pytest.raises(ValueError, match="is the database of another study"):
            study(tmp_path, **changes)
    study(tmp_path, consent="We have corrected a word.", title="Another title")


def test_a_checkpoint_that_shows_other_pages_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="abcd")
    other = system("one")
    other.retriever.score = lambda state, gallery: type(other.retriever).score(other.retriever, -state, gallery)  # pyright: ignore
    again = Visitor(Study(protocol(), {"one": other}, Store(tmp_path / "study.sqlite")))
    again.client.cookies["session"] = visitor.client.cookies["session"]
    again.get("/study").post("/study/reply", text="e")
    assert "no longer shows what it showed" in capsys.readouterr().err and len(again.progress.trial.turns) == 2


def test_24_participants_are_balanced_to_within_one(tmp_path: Path):
    asked = {"systems": {"one": "a", "two": "b"}, "questionnaires": [], "order": "mixed"}
    running = study(tmp_path, **asked)
    met: Counter[tuple[str, str]] = Counter()
    for _ in range(24):
        visitor = Visitor(running).all_of_it()
        met.update((trial.planned.system, trial.planned.target) for trial in visitor.progress.trials)
    assert len(met) == 2 * 4 and max(met.values()) - min(met.values()) <= 1


def test_questionnaires_follow_each_system_where_trials_come_in_blocks(tmp_path: Path):
    visitor = Visitor(study(tmp_path, systems={"one": "a", "two": "b"}, questionnaires=["sus"])).all_of_it()
    assert [(block, name) for block, name, _ in visitor.progress.answers] == [(0, "sus"), (1, "sus")]


def test_a_trial_whose_time_is_over_ends_at_the_limit(tmp_path: Path):
    seconds = [0.0]
    visitor = Visitor(study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=60)).begin()
    seconds[0] = 61.5
    visitor.post("/study/reply", text="a")
    trial = visitor.progress.trials[0]
    assert trial.outcome == "time" and trial.ended == 60_000 and len(trial.turns) == 1
    assert "The time for this image is over" in visitor.page


def test_a_clock_that_runs_backwards_gives_no_negative_times(tmp_path: Path):
    readings = iter([1000.0, *(1000.0 - step for step in range(1000))])
    visitor = Visitor(study(tmp_path, clock=Clock(0, lambda: next(readings)), trial_seconds=60)).all_of_it()
    times = [event.at for event in visitor.study.store.events(visitor.who.id)]
    assert times == sorted(times) and all(trial.ended - trial.started >= 0 for trial in visitor.progress.trials)  # pyright: ignore


def test_the_time_when_the_server_is_down_counts_for_nobody(tmp_path: Path):
    seconds = [5.0]
    first = study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=60)
    visitor = Visitor(first).begin()
    seconds[0] = 10.0
    visitor.post("/study/reply", text="a")
    later = [1.0]
    second = study(tmp_path, trial_seconds=60, clock=Clock(first.store.latest(), lambda: later[0]))
    again = Visitor(second)
    again.client.cookies["session"] = visitor.client.cookies["session"]
    later[0] = 50.0
    assert again.get("/study").progress.phase == "search"
    later[0] = 57.0
    assert again.get("/study").progress.trials[0].outcome == "time"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"consent": " "}, "nobody can agree to nothing"),
        ({"targets": ["nobody.png"]}, "'nobody.png' is not in the gallery of 12"),
        ({"turns": 4}, "4 pages of 4 candidates, none of them twice, are more than the 12"),
        ({"targets": 12, "practice": 1}, "13 targets to draw, practice included, but 12 candidates"),
    ],
)
def test_a_study_that_cannot_be_run_is_refused_at_the_start(tmp_path: Path, changes: dict, said: str):
    with pytest.raises(ValueError, match=said):
        study(tmp_path, **changes)


def test_what_is_stored_is_what_was_said_and_shown(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="c")
    visitor.study.store.close()
    with sqlite3.connect(tmp_path / "study.sqlite") as database:
        kinds = database.execute("SELECT kind, body FROM events ORDER BY step").fetchall()
    assert [kind for kind, _ in kinds] == ["consent", "begin", "start", "reply"]
    body = json.loads(kinds[-1][1])
    assert body["reply"] == {"kind": "text", "text": "c"} and len(body["shown"]) == 4 and body["shown"][0] == IDS[2]
