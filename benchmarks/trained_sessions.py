"""Sessions of a trained Drill-down, as it played them: its regions, its new state vectors and where these went."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.region_rankers import Played
from multiturn.gallery import Gallery
from multiturn.region_scoring import StateScores
from multiturn.replies import Reply
from multiturn.session import Retriever

CONFIGS = Path(__file__).parent.parent / "configs"


class Recorder:
    """A retriever of several state vectors, of which each turn's new ones are noted."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.vectors: list[Float[Tensor, "session dim"]] = []
        self.slots: list[Int[Tensor, " session"]] = []
        self.scores: StateScores | None = None

    def start(self, sessions: int, gallery: Gallery) -> Any:
        """See `multiturn.session.Retriever.start`."""
        return self._retriever.start(sessions, gallery)

    def update(self, state: Any, reply: Reply, gallery: Gallery) -> Any:
        """See `multiturn.session.Retriever.update`."""
        after = self._retriever.update(state, reply, gallery)
        scores = self._retriever.score(after, gallery)
        if not isinstance(scores, StateScores):
            raise ValueError("the checkpoint is of no model with state vectors; train vg-drilldown's drill-down")
        newest = scores.places == len(scores.columns) - 1
        self.vectors.append(scores.columns[-1].units.float())
        self.slots.append(newest.int().argmax(1))
        self.scores = scores
        return after

    def score(self, state: Any, gallery: Gallery) -> Any:
        """See `multiturn.session.Retriever.score`."""
        return self._retriever.score(state, gallery)


def trained_sessions(checkpoint: str, sessions: int) -> tuple[Played, str]:
    """The first sessions of a checkpoint's test part, and the name of its model.

    Args:
        checkpoint: output folder of `train.py --task vg-drilldown`, or its name on the Hub.
        sessions: how many.
    Raises:
        ValueError: another kind of model, or fewer sessions than wanted.
    """
    from dataclasses import replace

    from multiturn.cli import Parser, asked_checkpoint
    from multiturn.trial import run

    parser = Parser(prog="python -m benchmarks.regions")
    parser.add_argument("--checkpoint")
    arguments = ["--checkpoint", checkpoint]
    folder, config = asked_checkpoint(parser, arguments)
    parser.add_task([*config, *arguments], CONFIGS)
    settings, _, _ = parser.parse_task([*config, *arguments])
    with TemporaryDirectory() as output:
        task = settings.build(Path(output))
        task.prepare(checkpoint=folder)
        trial = task.exam(task.load_retriever(str(folder))).model
        if len(trial.targets) < sessions:
            raise ValueError(f"the test part of {checkpoint} has {len(trial.targets)} sessions, not {sessions}")
        recorder = Recorder(trial.retriever)
        trial = replace(trial, retriever=recorder, targets=trial.targets[:sessions])
        with torch.inference_mode():
            run(trial, sessions)
    assert recorder.scores is not None
    regions = recorder.scores.regions
    if not bool(regions.mask.all()):
        raise ValueError("the images have different numbers of regions; the classic ranker is measured on equal ones")
    slots, vectors = recorder.scores.places.shape[1], torch.stack(recorder.vectors).cpu()
    images = normalize(regions.vectors.clone().cpu(), dim=-1)
    return Played(images, vectors.clone(), trial.targets.cpu(), slots, torch.stack(recorder.slots).cpu()), trial.name
