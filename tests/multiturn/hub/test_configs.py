"""What a downloaded config.yaml can do: set the settings of a task of this checkout, and nothing else."""

import sys
from pathlib import Path

import pytest

from multiturn.cli import Parser, asked_checkpoint, home_of, task_names

CONFIGS = Path(__file__).resolve().parents[3] / "configs"


def parse(folder: Path, *arguments: str) -> object:
    """As eval.evaluate does."""
    given = ["--checkpoint", str(folder), *arguments]
    parser = Parser(prog="evaluate")
    parser.add_argument("--checkpoint")
    parser.add_argument("--output_dir", type=Path)
    _, config = asked_checkpoint(parser, given)
    parser.add_task([*config, *given], CONFIGS)
    return parser.parse_task([*config, *given])[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint's folder; beside it a module that must not be imported."""
    (tmp_path / "run").mkdir()
    (tmp_path / "evil.py").write_text("open('imported', 'w').close()\nclass Settings: pass\ndef call(*a): pass\n")
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "task: celeba-feedback\nsettings_class: evil.Settings\n",
            "sets settings_class, which is no setting of a task",
        ),
        ("task: celeba-feedback\nclass_path: evil.Settings\n", "names a class under class_path"),
        ("task: celeba-feedback\nfaces: {class_path: evil.Settings}\n", "names a class under faces.class_path"),
        ("task: celeba-feedback\nfaces: {init_args: {count: 3}}\n", "names a class under faces.init_args"),
        ("task: celeba-feedback\nfaces: evil.Settings\n", "gives faces the value 'evil.Settings'"),
        ("task: celeba-feedback\nfaces: [evil.Settings]\n", "gives faces the value ['evil.Settings']"),
        ("task: celeba-feedback\nfaces.class_path: evil.Settings\n", "has the key faces.class_path"),
        ("task: vg-drilldown\nmodel: {text: {class_path: evil.Settings}}\n", "a class under model.text.class_path"),
        ("task: vg-drilldown\nmodel: {text: evil.Settings}\n", "gives model.text the value 'evil.Settings'"),
        ("task: vg-drilldown\nmodel: {kind: evil.Settings}\n", "model.kind"),
        ("task: celeba-feedback\nfaces: !!python/object/apply:evil.call [1]\n", "is no plain YAML"),
        ("task: celeba-feedback\nfaces: !!python/name:evil.Settings\n", "is no plain YAML"),
        ("task: celeba-feedback\noutput_dir: /tmp/elsewhere\n", "sets output_dir, which is no setting of a task"),
        ("task: celeba-feedback\nconfig: other.yaml\n", "sets config, which is no setting of a task"),
        ("task: celeba-feedback\nevil: 1\n", "evil"),
        ("task: ../evil\n", "unknown task '../evil'; the tasks are"),
        ("task: evil\n", "unknown task 'evil'; the tasks are"),
        ("- evil\n", "is no mapping of settings to values"),
        ("seed: 1\n", "names no task"),
    ],
)
def test_a_configuration_of_a_checkpoint_imports_nothing(
    config: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    (folder / "config.yaml").write_text(config)
    with pytest.raises(SystemExit) as ended:
        parse(folder)
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert "evil" not in sys.modules and not Path("imported").exists()


def test_a_plain_configuration_is_the_default_and_the_command_line_wins(folder: Path):
    (folder / "config.yaml").write_text("task: celeba-feedback\nseed: 5\nfaces: {count: 200}\n")
    settings = parse(folder, "--faces.count", "300")
    assert (settings.seed, settings.faces.count) == (5, 300)  # type: ignore[attr-defined]


def test_what_is_made_of_a_checkpoint_goes_beside_it_or_to_runs(tmp_path: Path):
    assert home_of(str(tmp_path)) == tmp_path
    assert home_of("lab/faces") == Path("runs/lab--faces")


def test_a_checkpoint_that_is_nowhere_is_a_mistake_of_the_command_line(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        parse(Path("./nowhere/at/all"))
    assert ended.value.code == 2 and "no checkpoint called" in capsys.readouterr().err


def test_a_file_given_with_config_imports_nothing_either(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "mine.yaml").write_text("faces: {class_path: evil.Settings}\n")
    parser = Parser(prog="train.py")
    with pytest.raises(SystemExit):
        parser.add_task(["--task", "celeba-feedback", "--config", str(folder / "mine.yaml")], CONFIGS)
    assert "names a class under faces.class_path" in capsys.readouterr().err
    assert "evil" not in sys.modules


@pytest.mark.parametrize("task", task_names(CONFIGS))
def test_every_configuration_of_this_checkout_is_plain(task: str):
    for file in (CONFIGS / f"{task}.yaml", *(CONFIGS / task).glob("*.yaml")):
        Parser(prog="train.py").add_task(["--task", task, "--config", str(file)], CONFIGS)
