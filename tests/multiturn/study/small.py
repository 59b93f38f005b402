"""Small checkpoints for tests of studies: drawn pictures, networks of a few channels, retrievers that never trained."""

import shutil
from pathlib import Path

import torch

from drilldown.scenes_network import LABELS, SceneNetwork
from multiturn.cli import Parser
from multiturn.experiment import start_output
from multiturn.training import save_pretrained

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
FACES = [
    *("--faces.count", "120", "--faces.size", "32", "--faces.validation_share", "0.2"),
    *("--features.height", "32", "--features.width", "32", "--features.channels", "[8,8,8,16]"),
    *("--features.training.epochs", "1", "--features.training.batch_size", "32", "--evaluation.resamples", "20"),
]
SCENES = [
    *("--data.count", "60", "--data.size", "64", "--data.captions", "5", "--data.more_than", "0"),
    *("--model.states", "2", "--model.dim", "8", "--model.embedding_dim", "8", "--single_state", "false"),
    *("--loss.turns", "4", "--evaluation.turns", "4", "--evaluation.resamples", "20"),
]


def checkpoint(task: str, folder: Path, *overrides: str, beside: Path | None = None) -> Path:
    """What train.py leaves of a task, with a retriever that was never trained.

    Args:
        beside: another checkpoint, whose data and encoder are taken.
    """
    if beside is not None:
        shutil.copytree(beside, folder)
        (folder / "config.yaml").unlink()
    parser = Parser(prog="tests")
    arguments = ["--task", task, *overrides]
    parser.add_task(arguments, CONFIGS)
    settings, _, resolved = parser.parse_task(arguments)
    start_output(folder, resolved, resume=False)
    made = settings.build(folder)
    made.prepare(resume=beside is not None)
    save_pretrained(made.new_retriever(), folder)
    return folder


def faces(folder: Path, *overrides: str, beside: Path | None = None) -> Path:
    """A checkpoint of celeba-feedback."""
    return checkpoint("celeba-feedback", folder, *FACES, *overrides, beside=beside)


def scenes(folder: Path, *overrides: str) -> Path:
    """A checkpoint of vg-drilldown, with a scene network that was never trained either, beside it."""
    network = folder.parent / "network"
    if not network.exists():
        torch.manual_seed(0)
        save_pretrained(SceneNetwork([*LABELS], [*LABELS.values()]), network / "encoder")
    return checkpoint("vg-drilldown", folder, *SCENES, "--regions.checkpoint", str(network), *overrides)
