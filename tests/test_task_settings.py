"""Claims about the settings of tasks as command lines and YAML files give them."""

from pathlib import Path

import pytest

from facefb.attribute_settings import QuerySettings
from multiturn.cli import Parser, TaskSettings
from relevance.settings import RelevanceFeedbackSettings

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


def parsed(*arguments: str, configs: Path = CONFIGS) -> TaskSettings:
    parser = Parser(prog="x")
    parser.add_task(arguments, configs)
    return parser.parse_task(arguments)[0]


@pytest.mark.parametrize(("mistyped", "meant"), [("--training.epoch", "--training.epochs"), ("--see", "--seed")])
def test_the_beginning_of_a_key_is_an_error_that_names_the_right_one(mistyped: str, meant: str, capsys):
    with pytest.raises(SystemExit):
        parsed("--task", "celeba-feedback", mistyped, "3")
    assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\n", "names no settings_class"),
        ("settings_class: nowhere.Settings\n", "cannot be imported: No module named 'nowhere'"),
        ("settings_class: facefb.settings.Nothing\n", "cannot be imported: 'Nothing'"),
    ],
)
def test_a_task_s_file_that_names_no_settings_is_refused_by_name(text: str, said: str, tmp_path: Path):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"own\.yaml names .*{said}|own\.yaml {said}"):
        parsed("--task", "own", configs=tmp_path)


def test_the_papers_drill_down_trains_alone_and_with_the_hardest_negatives_from_the_first_step():
    paper = ["--config", str(CONFIGS / "vg-drilldown" / "paper.yaml"), "--data.root", "x"]
    settings = parsed("--task", "vg-drilldown", *paper)
    assert settings.loss.warm_up == 0 and not settings.compared  # type: ignore[attr-defined]
    assert settings.training.epochs == 300


def test_no_more_attributes_can_be_told_than_there_are():
    with pytest.raises(ValueError, match=r"queries\.told is at most the 40 attributes, not 41"):
        QuerySettings(told=[3, 41])


def test_class_search_reports_no_recall_that_is_the_same_for_all_methods():
    settings = RelevanceFeedbackSettings()
    assert min(settings.evaluation.recall_at) > settings.queries.page
