"""The claim that a checkpoint replays its own evaluation page by page, of every task; on few drawn pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from multiturn.settings import EvaluationSettings
from multiturn.study.logs import read_log
from multiturn.study.logs.log import Names
from multiturn.study.recording import Rules
from multiturn.study.replaying import replay
from multiturn.study.systems import open_system
from multiturn.task import Task
from multiturn.trial import run
from tests.multiturn.study.small import CONFIGS, FACES, checkpoint, scenes

REVERSE = [
    *("--faces.count", "300", "--faces.size", "32", "--evaluation.turns", "3", "--embedder.network.height", "32"),
    *("--embedder.network.width", "32", "--embedder.network.channels", "[8,8,8,16]"),
    *("--embedder.network.training.epochs", "1", "--embedder.network.training.batch_size", "32"),
]
RELEVANCE = [
    *("--classes.count", "900", "--classes.size", "32", "--features.size", "32", "--features.training.epochs", "1"),
    *(
        "--features.training.batch_size",
        "32",
        "--evaluation.turns",
        "3",
        "--queries.count",
        "12",
        "--method",
        "rocchio",
    ),
]
TASKS: dict[str, Callable[[Path], Path]] = {
    "celeba-feedback": lambda folder: checkpoint("celeba-feedback", folder, *FACES),
    "celeba-attributes": lambda folder: checkpoint("celeba-attributes", folder, *FACES),
    "vg-drilldown": scenes,
    "lfw-reverse": lambda folder: checkpoint("lfw-reverse", folder, *REVERSE),
    "cub-relevance": lambda folder: checkpoint("cub-relevance", folder, *RELEVANCE),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TASKS))
def test_a_checkpoint_replays_its_own_evaluation_page_by_page(name: str, tmp_path: Path):
    system = open_system(name, str(TASKS[name](tmp_path / "run")), CONFIGS)
    assert isinstance(system.task, Task)
    trial = system.task.exam(system.retriever).model  # type: ignore[arg-type]  # a checkpoint's retriever is a module
    path = tmp_path / "transcript.jsonl"
    run(trial, 7, path, show_progress=False)
    log = read_log(path, Names(system.gallery.ids, system.gallery.source))
    rules = Rules(log.page_size or 0, log.seen or "keep", 0)
    settings = EvaluationSettings(trial.turns, recall_at=[1], page=rules.page_size, resamples=20)
    told = replay(log, system, settings, rules, tmp_path / "out", "seed: 0\n", name)
    assert told["sessions"] == len(trial.targets) == told["the_same"] > 0
    assert [one["ranks"] for one in told["each"]] == [one["log_ranks"] for one in told["each"]]
