"""Claims about runs of one task's variants: what they share is prepared once, and nothing finished is done again."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import multiturn.ablation
from multiturn.ablation import Runner, write_tables
from multiturn.settings import EvaluationSettings, TrainingSettings


@dataclass(frozen=True)
class Settings:
    size: int = 1
    seed: int = 0
    training: TrainingSettings = field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    def build(self, output: Path) -> Any:
        raise NotImplementedError


class Shared:
    """A task that counts how often its data is prepared; what it would train is never asked for."""

    primary = "percentile"
    prepared = 0

    def __init__(self, size: int = 0) -> None:
        self.size = size

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        assert resume
        self.prepared += 1

    def variant(self, settings: Any) -> "Shared":
        return Shared(settings.size)

    new_retriever = load_retriever = rollout = examples = validation = exam = pictures = images = prepare


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Any:
    def report(task: Any, retriever: int, evaluation: Any, folder: Path, name: str) -> dict[str, Any]:
        found = {"task": name, "size": task.size, "trained": retriever}
        (folder / "metrics.json").write_text(json.dumps(found))
        return found

    monkeypatch.setattr(multiturn.ablation, "train_retriever", lambda task, settings, folder, resume: 10 * task.size)
    monkeypatch.setattr(multiturn.ablation, "report", report)
    return Shared()


def test_every_variant_is_a_run_with_its_settings_in_a_folder_of_its_own(shared: Any, tmp_path: Path):
    runner = Runner("a-task", shared, tmp_path)
    assert runner.run("large, wide", Settings(3)) == {"task": "a-task", "size": 3, "trained": 30}
    folder = runner.folder("large, wide")
    assert folder == tmp_path / "large-wide"
    resolved = yaml.safe_load((folder / "config.yaml").read_text())
    assert (resolved["task"], resolved["size"], resolved["evaluation"]["turns"]) == ("a-task", 3, 5)


def test_what_the_variants_share_is_prepared_once(shared: Any, tmp_path: Path):
    runner = Runner("a-task", shared, tmp_path)
    for size in (1, 2):
        runner.run(f"size {size}", Settings(size))
    assert shared.prepared == 1


def test_a_finished_run_is_read_and_prepares_nothing(shared: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first = Runner("a-task", shared, tmp_path).run("one", Settings())
    again: Any = Shared()
    assert Runner("a-task", again, tmp_path).run("one", Settings(9)) == first
    assert again.prepared == 0
    assert "one: finished before, in" in capsys.readouterr().out


def test_tables_are_written_for_people_and_for_programs(tmp_path: Path):
    tables = [{"title": name, "table": [["A", "B"], ["1", "2"]], "note": f"of {name}"} for name in ("First", "Second")]
    write_tables(tables, tmp_path)
    assert json.loads((tmp_path / "ablation.json").read_text()) == tables
    written = (tmp_path / "ablation.md").read_text()
    assert written.index("## First") < written.index("of First") < written.index("## Second")
    assert "| 1 | 2 |" in written
