"""What becomes of the trials, and of the places, of people who leave in the middle."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from multiturn.settings import EvaluationSettings
from multiturn.study.analysis import analyse
from multiturn.study.clock import Clock
from multiturn.study.export import export
from multiturn.study.records import read_records
from multiturn.study.store import Stale
from multiturn.study.tokens import code_of
from multiturn.study.withdrawal import write_noted
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
    assert numbers["warnings"] == [
        f"Trials that are not over and count nowhere: one {numbers['open']['one']}, two {numbers['open']['two']}."
    ]


def test_who_left_in_the_last_search_has_not_come_to_the_end(tmp_path: Path):
    seconds = [0.0]
    clock = Clock(0, lambda: seconds[0])
    running = study(tmp_path, clock=clock, trial_seconds=100, targets=1, questionnaires=[])
    Visitor(running).begin()
    seconds[0] = 5000.0
    running.keep_time()
    records = read_records(running.store)
    assert records.trials[0].trial.outcome == "time" and not records.finished


def test_who_agrees_and_never_begins_keeps_no_place(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"}, questionnaires=[])
    for _ in range(4):
        Visitor(running).agree()
        Visitor(running).all_of_it()
    begun = sorted(one.number for one in running.store.participants() if len(running.store.events(one.id)) > 1)
    assert begun == [0, 1, 2, 3]
    numbers = analyse(read_records(running.store), SETTINGS)
    assert numbers["first"] == {"one": 2, "two": 2} and numbers["warnings"] == []


def test_a_report_warns_where_a_system_came_first_more_often(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"}, questionnaires=[])
    ahead = Visitor(running).all_of_it().progress.plan[0].system
    Visitor(running).agree().post("/study/begin")  # and looks for nothing
    Visitor(running).all_of_it()
    numbers = analyse(read_records(running.store), SETTINGS)
    assert numbers["first"][ahead] == 2 and sum(numbers["first"].values()) == 2
    assert numbers["warnings"] == [
        "Systems did not come first equally often, so that practice favours some: "
        f"one {numbers['first']['one']}, two {numbers['first']['two']}."
    ]


def test_who_begins_late_gets_a_place_of_their_own(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"})
    late, early = Visitor(running).agree(), Visitor(running).agree()
    assert (late.who.number, early.who.number) == (0, 1)
    early.post("/study/begin").post("/study/start").post("/study/reply", text="a")
    assert (late.who.number, early.who.number) == (1, 0)
    first = early.progress
    late.post("/study/begin").post("/study/start").post("/study/reply", text="b")
    assert late.progress.trial.planned.system != early.progress.trial.planned.system
    again = study(tmp_path, systems={"one": "a", "two": "b"})
    assert again.progress(early.who) == first == early.progress and again.progress(late.who) == late.progress


def test_the_place_of_somebody_who_withdrew_goes_to_the_next_who_begins(tmp_path: Path):
    running = study(tmp_path)
    gone, stays, waits = Visitor(running).begin(), Visitor(running).begin(), Visitor(running).agree()
    gone.get("/withdraw").post("/withdraw", code=code_of(gone.client.cookies["session"]))
    Visitor(running).agree()
    waits.post("/study/begin")
    assert (waits.who.number, stays.who.number) == (0, 1)


def test_a_second_click_on_the_instructions_changes_no_plan(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"})
    Visitor(running).agree()
    visitor = Visitor(running).agree()
    before = visitor.who  # as a request knows them that came before the number changed
    visitor.post("/study/begin")
    with pytest.raises(Stale):
        running.begin(before, 1)
    assert running.progress(before).plan == running.progress(visitor.who).plan
    running._cached.clear()
    assert running.progress(before).plan == study(tmp_path, systems=running.protocol.systems).progress(visitor.who).plan


def test_eight_who_begin_at_once_get_eight_numbers(tmp_path: Path):
    running = study(tmp_path)
    people = [Visitor(running).agree().who for _ in range(16)][::2]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda who: running.begin(who, 1), people))
    assert sorted(running.store.number(who) for who in people) == list(range(8))


def test_a_report_is_written_though_a_number_changes_meanwhile(tmp_path: Path):
    running = study(tmp_path)
    Visitor(running).agree()
    visitor = Visitor(running).agree()
    before = running.store.participants()
    visitor.post("/study/begin")
    assert before != running.store.participants()
    write_noted(running.store, before, {tmp_path / "out.txt": "numbers"})
    assert (tmp_path / "out.txt").is_file()
