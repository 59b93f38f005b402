"""Claims about `python -m eval.describe`: sizes of a task's model, without any data."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eval.describe", *arguments]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, env=offline)


def test_it_prints_json_of_the_model_that_the_settings_describe():
    done = program("--task", "vg-drilldown", "--model.kind", "r-hre", "--model.dim", "640", "--json")
    found = json.loads(done.stdout)
    assert (found["model"], found["parameters"]["all"], found["picture"]) == ("r-hre", 9866640, 36 * 640)


def test_it_prints_a_table_for_other_data():
    sizes = ("--sizes.vocabulary", "400", "--sizes.region_dim", "512", "--sizes.regions", "9")
    shown = program("--task", "vg-drilldown", "--model.states", "3", "--model.dim", "128", *sizes).stdout
    assert "vocabulary 400, region_dim 512, regions 9" in shown
    assert "384 a session, 1,152 a picture" in shown


def test_a_task_without_such_a_model_is_named():
    done = program("--task", "celeba-feedback")
    assert done.returncode == 2
    assert "celeba-feedback has no model that can be counted without data" in done.stderr


def test_what_cannot_be_is_one_clear_line():
    done = program("--task", "vg-drilldown", "--sizes.regions", "0")
    assert done.returncode == 1
    assert done.stderr.strip() == "error: regions must be at least 1, not 0"
