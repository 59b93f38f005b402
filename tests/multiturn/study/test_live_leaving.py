"""What becomes of the trials, and of the places, of people who leave in the middle."""

import csv
from pathlib import Path

from multiturn.settings import EvaluationSettings
from multiturn.study.analysis import analyse
from multiturn.study.clock import Clock
from multiturn.study.export import export
from multiturn.study.records import read_records
from tests.multiturn.study.squares import Visitor, study

SETTINGS = EvaluationSettings(recall_at=[1, 4], resamples=50)


def outcomes(folder: Path) -> list[tuple[str, str]]:
    with (folder / "trials.csv").open() as file:
        return [(row["outcome"], row["seconds"]) for row in csv.DictReader(file)]


def test_a_trial_that_was_left_counts_as_time_once_its_limit_has_passed(tmp_path: Path):
    seconds = [0.0]
    running = study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=100)
    Visitor(running).all_of_it()
    Visitor(running).begin().post("/study/reply", text="a")
    seconds[0] = 99.0
    running.keep_time()
    numbers = analyse(read_records(running.store), SETTINGS)
    assert (numbers["trials"], numbers["open"]) == (4, {"one": 1})
    export(running.store, tmp_path / "out")
    assert outcomes(tmp_path / "out")[-1] == ("not over", "")
    seconds[0] = 5000.0
    running.keep_time()
    numbers = analyse(read_records(running.store), SETTINGS)
    one = numbers["systems"]["one"]
    assert (numbers["trials"], numbers["open"], numbers["finished"]) == (5, {"one": 0}, 1)
    assert (
        one["outcomes"]["time"] == 1 and one["found_rate"]["mean"] == 0.5
    )  # of one person 4 of 4, of the other 0 of 1
    export(running.store, tmp_path / "out")
    assert outcomes(tmp_path / "out")[-1] == ("time", "100.0")


def test_reading_a_study_writes_nothing_into_it(tmp_path: Path):
    seconds = [0.0]
    running = study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=100)
    visitor = Visitor(running).begin()
    seconds[0] = 5000.0
    running.keep_time()
    before = running.store.events(visitor.who.id)
    assert read_records(running.store).trials[0].trial.outcome == "time"
    assert running.store.events(visitor.who.id) == before


def test_a_trial_without_a_limit_stays_open_and_is_counted_as_such(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"})
    visitor = Visitor(running).all_of_it()
    Visitor(running).begin()
    numbers = analyse(read_records(running.store), SETTINGS)
    second = visitor.progress.plan[-1].system  # the one that the next person begins with
    assert numbers["open"] == {"one": int(second == "one"), "two": int(second == "two")}


def test_who_left_in_the_last_search_has_not_come_to_the_end(tmp_path: Path):
    seconds = [0.0]
    clock = Clock(0, lambda: seconds[0])
    running = study(tmp_path, clock=clock, trial_seconds=100, targets=1, questionnaires=[])
    Visitor(running).begin()
    seconds[0] = 5000.0
    running.keep_time()
    records = read_records(running.store)
    assert records.trials[0].trial.outcome == "time" and not records.finished
