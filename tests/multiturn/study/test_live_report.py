"""The report of a live study, and the planning of one."""

import json
from pathlib import Path

import numpy as np
import pytest

from multiturn.metrics.paired import holm
from multiturn.settings import EvaluationSettings
from multiturn.study.clock import Clock
from multiturn.study.live_page import comparison_table, report, score_table, system_table
from multiturn.study.mixed_model import fit_effects
from multiturn.study.tokens import code_of
from tests.multiturn.study.squares import Visitor, study

SETTINGS = EvaluationSettings(recall_at=[1, 4], resamples=50)


def test_known_effects_are_found_beside_those_of_people_targets_and_order():
    rng = np.random.default_rng(0)
    people, targets = rng.normal(0, 5, 24), rng.normal(0, 5, 12)
    rows = [(p, t, (t + p) % 2 == 0, (t + 5 * p) % 12) for p in range(24) for t in range(12)]
    values = np.array([40 + people[p] + targets[t] - 6 * of - 0.5 * at + rng.normal(0, 2) for p, t, of, at in rows])
    found = fit_effects(
        values, [r[2] for r in rows], [r[3] for r in rows], [str(r[0]) for r in rows], [str(r[1]) for r in rows]
    )
    assert found is not None
    assert found.difference == pytest.approx(-6, abs=0.6) and found.low < -6 < found.high and found.p < 1e-6
    assert found.order == pytest.approx(-0.5, abs=0.15) and found.p_order < 1e-3
    assert found.spread == pytest.approx(2, abs=0.2) and found.participants_spread == pytest.approx(
        people.std(), rel=0.2
    )


@pytest.mark.parametrize("values", [[1.0] * 8, [0.0, 1.0]])
def test_no_model_is_fitted_where_there_is_nothing_to_fit(values: list[float]):
    count = len(values)
    sides = [place % 2 == 0 for place in range(count)]
    names = [str(place // 2) for place in range(count)]
    assert (
        fit_effects(np.array(values), sides, list(range(count)), names, [str(place % 2) for place in range(count)])
        is None
    )


def test_the_report_counts_what_happened(tmp_path: Path):
    seconds = [0.0]
    clock = Clock(0, lambda: seconds[0])
    running = study(tmp_path, systems={"one": "a", "two": "b"}, clock=clock, trial_seconds=100, page_size=4)
    for person in range(4):
        visitor = Visitor(running).agree().post("/study/begin")
        while (phase := visitor.progress.phase) != "done":
            match phase:
                case "target":
                    visitor.post("/study/start")
                case "search" if visitor.progress.trial.planned.system == "one":
                    seconds[0] += 10 + person
                    visitor.find()
                case "search":
                    visitor.post("/study/reply", text=visitor.progress.trial.planned.target[0])
                    seconds[0] += 20
                    visitor.post("/study/give-up")
                case _:
                    visitor.answers()
    numbers = report(running.store, tmp_path / "out", SETTINGS)
    one, two = numbers["systems"]["one"], numbers["systems"]["two"]
    assert (one["trials"], one["found"], two["found"]) == (8, 8, 0) and two["outcomes"]["gave up"] == 8
    assert one["found_rate"]["mean"] == 1 and one["seconds"]["mean"] == pytest.approx(11.5)
    assert two["seconds"]["mean"] == 100 and two["missed_pages"] == two["missed_trials"] == 8  # censored at the limit
    assert one["per_turn"][-1]["R@1"] == 1 and one["scores"]["sus"]["mean"] == 50 and one["scores"]["tlx"]["mean"] == 0
    compared = {(row["measure"], row["over"]): row for row in numbers["comparisons"]}
    assert compared["found_rate", "targets"]["paired"]["difference"] == 1
    assert compared["seconds", "targets"]["paired"]["difference"] == pytest.approx(-88.5)
    people = compared["seconds", "participants"]
    assert people["pairs"] == 4 and people["paired"]["difference"] == pytest.approx(-88.5)
    for over in ("targets", "participants"):
        family = [row["paired"] for row in numbers["comparisons"] if row["over"] == over and row["paired"]]
        assert [one["p_holm"] for one in family] == pytest.approx(holm([one["p_permutation"] for one in family]))
    assert len(system_table(numbers)) == len(score_table(numbers)) == 3 and len(comparison_table(numbers)) == 9
    page = (tmp_path / "out" / "report.html").read_text()
    assert (
        "Shown and missed" in page and "8 pages, 8 trials" in page and page.count("<svg") + page.count("data:image") > 0
    )
    assert json.loads((tmp_path / "out" / "numbers.json").read_text()) == numbers


def test_a_withdrawal_deletes_the_report(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).all_of_it()
    report(visitor.study.store, tmp_path / "out", SETTINGS)
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) >= 4
    visitor.get("/withdraw").post("/withdraw", code=code_of(visitor.client.cookies["session"]))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_study_without_a_trial_that_is_over_has_no_report(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    with pytest.raises(ValueError, match="no trial is over yet"):
        report(visitor.study.store, tmp_path / "out", SETTINGS)
    visitor.post("/study/give-up")
    with pytest.raises(ValueError, match="nobody has said anything to one yet"):
        report(visitor.study.store, tmp_path / "out", SETTINGS)
