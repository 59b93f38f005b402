"""Claims about the start of a run: results are never overwritten, and what differs on a resume is named."""

import sys
from pathlib import Path

import pytest
import yaml

from multiturn.experiment import command_of, start_output

CONFIG = {"task": "t", "gru": {"margin": 1.0}, "training": {"epochs": 3, "batch_size": 8}, "encoder": None}


def begun(folder: Path, config: dict, resume: bool = True) -> str:
    start_output(folder, yaml.safe_dump(CONFIG), resume=False)
    (folder / "checkpoints").mkdir()
    start_output(folder, yaml.safe_dump(config), resume, resumable=True)
    return (folder / "config.yaml").read_text()


def test_a_folder_with_results_is_refused_unless_it_is_resumed(tmp_path: Path):
    with pytest.raises(ValueError, match="already holds results; add --resume"):
        begun(tmp_path, CONFIG, resume=False)
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=True)
    with pytest.raises(ValueError, match="already holds results; choose another"):
        start_output(tmp_path, yaml.safe_dump(CONFIG), resume=False)


def test_a_folder_of_a_run_that_was_refused_may_be_begun_anew(tmp_path: Path):
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=False)
    other = CONFIG | {"gru": {"margin": 2.0}}
    start_output(tmp_path, yaml.safe_dump(other), resume=False)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == other


def test_a_resumed_run_is_made_again_by_the_command_that_began_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/code/train.py", "--task", "t", "--gru.margin", "1.0"])
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=False)
    assert command_of(tmp_path) == "train.py --task t --gru.margin 1.0"
    monkeypatch.setattr(sys, "argv", ["/code/train.py", "--task", "t", "--resume"])
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=True)
    (tmp_path / "checkpoints").mkdir()
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=True)
    assert command_of(tmp_path) == "train.py --task t --gru.margin 1.0"
    assert command_of(tmp_path / "elsewhere") == "train.py --task t --resume"


def test_a_command_of_several_lines_stays_out_of_the_configuration(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--queries.told", "[3,\n seed: 4]"])
    start_output(tmp_path, yaml.safe_dump(CONFIG), resume=False)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG
    assert command_of(tmp_path) == "train.py --queries.told '[3,  seed: 4]'"


def test_more_epochs_may_be_asked_for(tmp_path: Path):
    longer = CONFIG | {"training": {"epochs": 5, "batch_size": 8, "keep": 3}}
    assert yaml.safe_load(begun(tmp_path, longer)) == longer


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gru": {"margin": 2.0}}, r"gru\.margin is 2\.0, was 1\.0"),
        ({"training": {"epochs": 3, "batch_size": 16}}, r"training\.batch_size is 16, was 8"),
        ({"encoder": {"name": "x"}}, r"encoder is \{'name': 'x'\}, was None"),
        ({"task": "u", "gru": {"margin": 0.0}}, r"gru\.margin is 0\.0, was 1\.0; task is u, was t"),
    ],
)
def test_other_settings_are_refused_and_the_configuration_stays(tmp_path: Path, changes, named: str):
    with pytest.raises(ValueError, match=rf"was begun with other settings: {named}; give those"):
        begun(tmp_path, CONFIG | changes)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG


def test_a_setting_that_an_older_version_did_not_know_is_passed_over(tmp_path: Path):
    begun(tmp_path, CONFIG | {"training": {"epochs": 3, "batch_size": 8, "accumulate": 1}})
