"""Texts that change while a study runs: each that somebody could agree to is kept, and the newest title reported."""

from hashlib import sha256
from pathlib import Path

from multiturn.settings import EvaluationSettings
from multiturn.study.live_page import report
from multiturn.study.records import read_records
from multiturn.study.store import Store
from tests.multiturn.study.squares import Visitor, study

SETTINGS = EvaluationSettings(recall_at=[1, 4], resamples=50)
OLD, NEW = "I agree.", "We have corrected a word."


def version(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_every_text_that_participants_agreed_to_is_kept_by_its_digest(tmp_path: Path):
    first = Visitor(study(tmp_path)).all_of_it()
    second = Visitor(study(tmp_path, consent=NEW)).all_of_it()
    consents = Store(tmp_path / "study.sqlite").consents()
    assert consents == {version(OLD): OLD, version(NEW): NEW}
    assert (consents[first.who.consent], consents[second.who.consent]) == (OLD, NEW)
    numbers = report(second.study.store, tmp_path / "out", SETTINGS)
    assert {one["text"]: one["participants"] for one in numbers["consents"]} == {OLD: 1, NEW: 1}


def test_a_database_that_kept_the_first_text_in_its_protocol_alone_keeps_it_by_its_digest(tmp_path: Path):
    store = study(tmp_path).store
    store._connection.execute("DELETE FROM consents")
    study(tmp_path, consent=NEW)
    assert store.consents() == {version(OLD): OLD, version(NEW): NEW}


def test_the_title_of_a_report_is_the_one_that_was_served_last(tmp_path: Path):
    Visitor(study(tmp_path, title="A tilte")).all_of_it()
    running = study(tmp_path, title="A title")
    report(running.store, tmp_path / "out", SETTINGS)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "A title" in page and "A tilte" not in page
    assert read_records(study(tmp_path, title="B").store).protocol.title == "B"


def test_a_database_of_before_texts_were_kept_has_those_of_its_beginning(tmp_path: Path):
    store = study(tmp_path, title="A title").store
    store._connection.execute("DELETE FROM study WHERE name = 'texts'")
    assert read_records(store).protocol.title == "A title"
