"""Claims about the blocks of three systems, and about the benchmark of their defaults."""

import json
import sys
from typing import Any

import pytest

from benchmarks.defaults import timed
from benchmarks.publish import publish
from benchmarks.system_blocks import (
    defaults_block,
    hits_block,
    iterations_block,
    measures_block,
    open_set_block,
    refits_block,
    scripted_block,
)

MACHINE = {"device": "cpu", "cpu": "made up", "threads": 1, "other_programs": 0.0, "versions": {"torch": "9"}}


def turn(number: int, **values: float) -> dict[str, Any]:
    values = {"R@1": 0.1, "average_precision_left": 0.5} | values
    intervals = {name: [value, value] for name, value in values.items()}
    return {"turn": number, **values, "interval": intervals, "ties": {}}


def metrics(turns: list[dict[str, Any]], other: list[dict[str, Any]]) -> dict[str, Any]:
    protocol = {"turns": len(turns), "page_size": 8, "seen": "drop_from_rank", "tie": "expected", "confidence": 0.95}
    return {
        "data": "made up",
        "model": "ours",
        "gallery": {"size": 300, "source": "test"},
        "sessions": 40,
        "protocol": protocol,
        "before_feedback": turn(0),
        "per_turn": turns,
        "others": [{"name": "theirs", "role": "control", "per_turn": other}],
        "harm_rate": [],
    }


def test_measures_stand_after_the_first_and_after_the_last_reply():
    ours, theirs = ([turn(n, average_precision=gain * n) for n in (1, 2, 3)] for gain in (0.2, 0.1))
    lines = measures_block(metrics(ours, theirs)).splitlines()
    assert lines[0] == "| Method | Turn | Average precision |"
    assert [line.split(" | ")[1:] for line in lines[2:6]] == [
        ["1", "0.2000 [0.2000, 0.2000] |"],
        ["3", "0.6000 [0.6000, 0.6000] |"],
        ["1", "0.1000 [0.1000, 0.1000] |"],
        ["3", "0.3000 [0.3000, 0.3000] |"],
    ]


def test_measures_of_one_turn_stand_once():
    one = [turn(1, average_precision=0.2)]
    assert measures_block(metrics(one, one)).count("| 1 |") == 2


def test_iterations_count_from_the_answer_to_the_example():
    ours, theirs = (
        [turn(n, found=0.5, **{"Hit@8": round(gain * n, 2)}) for n in range(1, 17)] for gain in (0.05, 0.01)
    )
    block = iterations_block(metrics(ours, theirs) | {"harm_rate": [0.5] * 15 + [0.25]})
    lines = block.splitlines()
    assert lines[0] == "| Hit@8 by iteration | 0 | 1 | 2 | 3 | 5 | 8 | 11 | 15 |"
    assert lines[2].startswith("| ours | 0.0500 | 0.1000 | 0.1500 | 0.2000 | 0.3000 | 0.4500 | 0.6000 | 0.8000 [")
    assert lines[5] == "| Found by iteration | 0 | 1 | 2 | 3 | 5 | 8 | 11 | 15 |"
    assert block.endswith("at these iterations, %: 50.0, 50.0, 50.0, 50.0, 50.0, 50.0, 50.0, 25.0.")


def test_the_short_block_has_hits_and_what_was_found_alone():
    turns = [turn(n, found=0.5, average_precision=0.3, **{"Hit@8": 0.1, "precision@8": 0.1}) for n in (1, 2)]
    heads = [line for line in hits_block(metrics(turns, turns)).splitlines() if " by iteration " in line]
    assert heads == ["| Hit@8 by iteration | 0 | 1 |", "| Found by iteration | 0 | 1 |"]


def test_publishing_keeps_what_blocks_show(tmp_path):
    turns = [turn(n, found=1 / 3, **{"Hit@8": 0.1, "Hits@8": 0.5}) for n in (1, 2)]
    whole = metrics(turns, turns) | {"comparisons": [1]}
    (tmp_path / "metrics.json").write_text(json.dumps(whole))
    published = json.loads(publish(tmp_path, "cub-relevance", tmp_path / "results").read_text())
    assert iterations_block(published) == iterations_block(whole)
    assert "Hits@8" not in published["per_turn"][0] and "comparisons" not in published
    assert published["per_turn"][0]["found"] == 0.333333


def test_publishing_an_unfinished_run_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"open_set\.json, which is not there; finish the run first"):
        publish(tmp_path, "lfw-open-set", tmp_path)


def test_fewer_iterations_have_fewer_columns():
    turns = [turn(n, found=0.5, **{"Hit@8": 0.1}) for n in (1, 2, 3)]
    assert iterations_block(metrics(turns, turns)).startswith("| Hit@8 by iteration | 0 | 1 | 2 |\n")


def test_the_open_set_has_a_row_an_embedder_and_level():
    level = {"wanted FPIR": 0.003, "FPIR": 0.004, "FPIR interval": [0, 0.01], "FNIR": 0.2, "FNIR interval": [0.1, 0.3]}
    one = {"enrolled people": 4, "searches for them": 9, "strangers": 5, "searches for strangers": 1200}
    one |= {"levels": [level | {"thresholds": [0.5, 0.25]}]}
    block = open_set_block({"net": one, "other": one})
    assert "| net | 0.3 | 0.40 [0.00, 1.00] | 20.00 [10.00, 30.00] | 0.5000 and 0.2500 |" in block
    assert block.count("0.5000 and 0.2500") == 2 and "1,200 searches for these" in block


def test_the_refits_block_says_how_many_times_faster():
    settings = {"sessions": 1000, "iterations": 15, "page": 8, "images": 5924, "dim": 512, "loop_sessions": 20}
    way = {"seconds": 10.0, "found": 0.5, "loop": "NumPy", "loop_seconds": 1234.5, "loop_found": 0.4}
    methods = {"rocchio": way | {"times_faster": 123.45}}
    block = refits_block({"settings": settings, "source": "random", "methods": methods, "machine": MACHINE})
    assert "| rocchio | 10.0 | 1,234 | 123.5 | 0.500 | 0.400 | NumPy |" in block
    assert "5,924 random" in block


def test_the_defaults_block_has_wall_and_processor_time():
    one = {"wall_seconds": 100.4, "processor_seconds": 150.6, "peak_megabytes": 1500.0}
    block = defaults_block({"settings": {"limit": 240}, "tasks": {"lfw-reverse": one}, "machine": MACHINE})
    assert "| lfw-reverse | 100 | 151 | 1,500 | 240 |" in block


def test_a_command_is_timed_with_all_its_processes():
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3000000))'])"
    taken = timed([sys.executable, "-c", busy])
    assert 0 < taken["processor_seconds"] < 20 and taken["wall_seconds"] > 0 and taken["peak_megabytes"] > 1


def test_a_command_that_fails_is_no_time():
    with pytest.raises(ValueError, match="no time for this"):
        timed([sys.executable, "-c", "raise SystemExit('no time for this')"])


def test_a_scripted_study_has_every_system_turn_by_turn(tmp_path):
    rows = [turn(number, percentile=0.5, **{"R@10": 0.25, "Hits@10": 0.3}, mean_rank=7.0) for number in (0, 1)]
    found = {"checkpoint": "runs/one", "per_turn": rows, "best_of_users": rows}
    study = {
        "systems": {"one": found, "other": found},
        "comparisons": {"all": {}},
        "data": "made up",
        "gallery": {"size": 1503},
        "protocol": {"page_size": 5, "confidence": 0.95},
        "sessions": 20,
        "participants": 2,
        "targets": 10,
    }
    (tmp_path / "metrics.json").write_text(json.dumps(study), encoding="utf-8")
    written = json.loads(publish(tmp_path, "scripted-faces", tmp_path).read_text(encoding="utf-8"))
    assert "comparisons" not in written and list(written["systems"]["one"]) == ["checkpoint", "per_turn"]
    assert "Hits@10" not in written["systems"]["one"]["per_turn"][0]
    lines = scripted_block(written).splitlines()
    assert [line.split("|")[1:3] for line in lines[2:6]] == [
        [" one ", " 0 "], [" one ", " 1 "], [" other ", " 0 "], [" other ", " 1 "],
    ]  # fmt: skip
    assert "20 written sessions, which look for 10 images among 1,503 candidates (made up)" in lines[-1]
