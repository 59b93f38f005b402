"""The words given to the programs: what is wrong is answered at once and with the remedy, and help shows examples."""

import re
import time
from pathlib import Path

import pytest
import yaml

from tests.test_programs import ROOT, program, train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--training.batch_size", "4000"], "is larger than"),
        (["--faces.root", "no-such-folder"], "no-such-folder"),
        (["--features.checkpoint", "no-such-folder"], "no-such-folder"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(tmp_path: Path, arguments: list[str], said: str):
    refused = train(tmp_path / "run", *arguments, check=False)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and said in last
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--task", "celeba-feedbak"], "did you mean celeba-feedback?"),
        (["--task", "celeba-feedback", "--gru.margn", "1"], "did you mean --gru.margin?"),
        (["--task", "celeba-feedback", "--gru.margin", "wide"], "wide"),
        (["--task", "celeba-feedback", "--gru.margin", "-1"], "margin must be at least 0, not -1"),
        (["--task", "celeba-feedback", "--evaluation.turns", "0"], "turns must be at least 1, not 0"),
        (["--task", "celeba-feedback", "--faces.split", "half"], "half"),
        (["--task", "celeba-feedback", "--training.epochs", "1.5"], "1.5"),
        ([], "--task"),
    ],
)
def test_a_wrong_command_line_is_answered_at_once_and_with_the_remedy(arguments: list[str], said: str):
    start = time.perf_counter()
    refused = program("train.py", *arguments, check=False)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert time.perf_counter() - start < 3  # an import of torch alone takes longer on a busy machine


def test_a_wrong_key_in_a_file_is_answered_with_the_right_one(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("features:\n  training:\n    epocs: 3\n")
    refused = program("train.py", "--task", "celeba-feedback", "--config", str(path), check=False)
    assert refused.returncode == 2
    assert "did you mean --features.training.epochs?" in refused.stderr


@pytest.mark.parametrize(("name", "able"), [("ablate", "celeba-feedback, vg-drilldown"), ("describe", "vg-drilldown")])
def test_help_and_refusals_name_the_tasks_that_a_program_works_for(name: str, able: str):
    refused = program("-m", f"eval.{name}", "--task", "cub-relevance", check=False)
    assert refused.returncode == 2
    assert f"these have: {able}\n" in refused.stderr
    told = program("-m", f"eval.{name}", "--help").stdout
    assert able in " ".join(told.split()).replace("- ", "-") and "cub-relevance" not in told


def test_the_task_of_a_checkpoint_need_not_be_given():
    told = " ".join(program("-m", "eval.evaluate", "--help").stdout.split())
    assert "[--task TASK]" in told and "--task TASK of the checkpoint, which names it" in told


def test_an_evaluation_of_nothing_says_what_can_be_evaluated():
    refused = program("-m", "eval.evaluate", "--task", "celeba-feedback", check=False)
    assert refused.returncode == 2
    assert "give --checkpoint FOLDER, or --ranks FILE or --scores FILE" in refused.stderr


PROGRAMS = ["train.py", "-m eval.evaluate", "-m eval.ablate", "-m eval.describe", "-m eval.report"]


@pytest.mark.parametrize(
    "name", [*PROGRAMS, "-m multiturn.encoders.regions.convert", "-m data_prep.encode", "-m data_prep.audit"]
)
def test_help_shows_examples_and_loads_nothing_heavy(name: str):
    shown = program("-X", "importtime", *name.split(), "--help")
    assert "examples:" in shown.stdout
    heavy = re.findall(r"\| +(torch|datasets|transformers|timm|faiss|matplotlib)$", shown.stderr, re.MULTILINE)
    assert heavy == []


def test_the_printed_configuration_is_one_that_can_be_given_back(tmp_path: Path):
    printed = program("train.py", "--task", "celeba-feedback", "--gru.margin", "1.5", "--print_config").stdout
    path = tmp_path / "config.yaml"
    path.write_text(printed)
    assert program("train.py", "--config", str(path), "--print_config").stdout == printed
    assert yaml.safe_load(printed)["gru"]["margin"] == 1.5


def test_every_task_file_names_settings_that_exist():
    for path in (ROOT / "configs").glob("*.yaml"):
        assert program("train.py", "--task", path.stem, "--print_config").returncode == 0


def test_presets_of_a_task_are_understood():
    tasks = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    presets = [path for path in (ROOT / "configs").glob("*/*.yaml") if path.parent.name != "studies"]
    assert {path.parent.name for path in presets} <= tasks
    for path in presets:
        program("train.py", "--task", path.parent.name, "--config", str(path), "--print_config")
