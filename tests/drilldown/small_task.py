"""The vg-drilldown task on a few small drawn scenes, and what its tests do with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from drilldown.drill_down import DrillDown
from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.scenes_network import LABELS, SceneNetwork
from drilldown.settings import CaptionSettings, DrilldownSettings, RegionSettings
from drilldown.task import Drilldown
from multiturn.experiment import train_retriever
from multiturn.settings import EvaluationSettings, TrainingSettings
from multiturn.training import save_pretrained

MODEL = ModelSettings(states=2, dim=8, embedding_dim=8, policy="learned")
TRAINING = TrainingSettings(2, batch_size=8, gradient_norm=10.0)
KINDS = ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]


def small_task(folder: Path) -> Drilldown:
    """A task whose scene network was never trained, so that it is ready at once."""
    torch.manual_seed(0)
    save_pretrained(SceneNetwork([*LABELS], [*LABELS.values()]), folder / "network" / "encoder")
    settings = DrilldownSettings(
        CaptionSettings(count=60, size=64, captions=5, more_than=0),
        RegionSettings(checkpoint=str(folder / "network")),
        MODEL,
        LossSettings(turns=4),
        TRAINING,
        replace(TRAINING, epochs=1),
        evaluation=EvaluationSettings(4, recall_at=[1, 5], resamples=20),
    )
    task = Drilldown(settings, folder / "run")
    task.prepare()
    return task


def changed(task: Drilldown, **changes: Any) -> Drilldown:
    return task.variant(replace(task.settings, **changes))


def of_kind(task: Drilldown, kind: str) -> Drilldown:
    return changed(task, model=replace(MODEL, kind=kind, policy="fixed"))


def trained(task: Drilldown, output: Path, resume: bool = False) -> DrillDown:
    retriever = train_retriever(task, task.settings, output, resume)
    assert isinstance(retriever, DrillDown)
    return retriever


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
