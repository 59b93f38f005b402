"""A report of what there is, where some of it is missing."""

from pathlib import Path

import pytest

from multiturn.settings import EvaluationSettings
from multiturn.study.analysis import analyse
from multiturn.study.conduct import Study
from multiturn.study.live_page import report, score_table
from multiturn.study.records import read_records
from tests.multiturn.study.squares import Visitor, study

SETTINGS = EvaluationSettings(recall_at=[1, 4], resamples=50)


def gives_up(running: Study, *systems: str) -> None:
    """Take part to the end, and say nothing to some of the systems."""
    visitor = Visitor(running).agree().post("/study/begin")
    while (phase := visitor.progress.phase) != "done":
        match phase:
            case "target":
                visitor.post("/study/start")
            case "search" if visitor.progress.trial.planned.system in systems:
                visitor.post("/study/give-up")
            case "search":
                visitor.find()
            case _:
                visitor.answers()


def test_questionnaires_on_systems_that_change_from_trial_to_trial_are_reported_for_all_together(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"}, order="mixed")
    for _ in range(3):
        Visitor(running).all_of_it()
    numbers = analyse(read_records(running.store), SETTINGS)
    assert {name: (one["mean"], one["people"]) for name, one in numbers["scores"].items()} == {
        "tlx": (0, 3),
        "sus": (50, 3),
    }
    assert [row[0] for row in score_table(numbers)] == ["System", "all together"]
    assert all(one["scores"] == {} for one in numbers["systems"].values())
    assert {row["measure"] for row in numbers["comparisons"]} == {"found_rate", "seconds", "reciprocal_rank"}


def test_questionnaires_on_one_system_each_are_not_mixed_together(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"})
    Visitor(running).all_of_it()
    numbers = analyse(read_records(running.store), SETTINGS)
    assert numbers["scores"] == {} and numbers["systems"]["two"]["scores"]["sus"]["people"] == 1


@pytest.mark.parametrize("silent", ["one", "two"])
def test_a_system_to_which_nobody_spoke_has_all_numbers_but_those_by_turn(tmp_path: Path, silent: str):
    running = study(tmp_path, systems={"one": "a", "two": "b"}, order="mixed")
    for _ in range(2):
        gives_up(running, silent)
    numbers = report(running.store, tmp_path / "out", SETTINGS)
    other = "two" if silent == "one" else "one"
    quiet, spoken = numbers["systems"][silent], numbers["systems"][other]
    assert (quiet["trials"], quiet["found"], quiet["replies"]["mean"], quiet["per_turn"]) == (4, 0, 0, [])
    assert spoken["found"] == 4 and spoken["per_turn"][-1]["R@1"] == 1
    assert numbers["warnings"] == [f"Nobody has said anything to {silent}: it has no numbers by turn."]
    assert numbers["comparisons"] and numbers["warnings"][0] in (tmp_path / "out" / "report.html").read_text()


def test_where_nobody_said_anything_to_any_system_there_is_no_report(tmp_path: Path):
    running = study(tmp_path, systems={"one": "a", "two": "b"})
    gives_up(running, "one", "two")
    with pytest.raises(ValueError, match="nobody has said anything to one or two yet"):
        analyse(read_records(running.store), SETTINGS)
