"""Five turns of feedback for 22,599 targets among 202,599 simulated features: exact ranks, time and memory."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from benchmarks.played import Reader, Setting
    from facefb.retriever import FeedbackRetriever
    from multiturn.gallery import Gallery
    from multiturn.trial import Outcome

EXAMPLES = """examples:
  python -m benchmarks.full_size
  python -m benchmarks.full_size --epochs 0
  python -m benchmarks.full_size --simulate_attributes --candidates 3000 --targets 300 --train_targets 640
"""
FLAGS = {"simulate_attributes": "draw attribute vectors like CelebA's instead of reading those of RETRIEVAL_REAL_DATA"}


@dataclass
class Peaks:
    """Peak memory of this process so far, noted at some moments, in MB of 10^6 bytes."""

    megabytes: dict[str, float] = field(default_factory=dict)

    def note(self, moment: str) -> None:
        """Note the peak."""
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.megabytes[moment] = peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def full_size(
    candidates: int = 202_599,
    targets: int = 22_599,
    dim: int = 256,
    noise: float = 0.5,
    turns: int = 5,
    epochs: int = 1,
    train_targets: int = 25_600,
    batch_size: int = 256,
    checked: int = 50,
    resamples: int = 1000,
    seed: int = 0,
    simulate_attributes: bool = False,
    output: Path | None = None,
) -> dict[str, Any]:
    """Play a feedback retriever at the full size of CelebA, on simulated features.

    The features are CelebA's attribute vectors times a seeded random matrix, plus seeded noise: no image is
    encoded, and the percentiles say nothing about faces. What is real is the size.

    Args:
        candidates: faces in the gallery, the first by file name.
        targets: the last so many of them are looked for; the others may be trained on.
        dim: of a feature.
        noise: standard deviation of the features' noise.
        turns: replies a session.
        epochs: of training; 0 leaves the weights as initialised.
        train_targets: sessions an epoch, of 128 a step: 25,600 make 200 steps.
        batch_size: sessions at once.
        checked: sessions whose ranks are computed again in float64, over the whole gallery.
        resamples: bootstrap samples of the intervals.
        seed: of every draw.
        output: folder for full_size.json; benchmarks/results if not given.
    """
    settings = {option: value for option, value in locals().items() if option != "output"}
    for name, value, least in (("targets", targets, 1), ("epochs", epochs, 0), ("checked", checked, 1)):
        at_least(name, value, least)
    if not 0 < targets < candidates:
        raise ValueError(f"targets must be fewer than the {candidates} candidates, not {targets}")
    import torch

    from benchmarks.played import check_ranks, new_retriever, setting
    from benchmarks.simulated import load_attributes, simulated_gallery
    from multiturn.processes import own_device

    peaks, begun = Peaks(), time.perf_counter()
    peaks.note("programs loaded")
    faces = load_attributes(candidates, simulate_attributes, seed)
    peaks.note("attributes read")
    gallery = simulated_gallery(faces, dim, noise, seed).to(own_device())
    peaks.note("gallery made")
    retriever = new_retriever(gallery, seed)
    history = []
    if epochs:
        over = setting(faces, gallery, turns, seed, candidates - targets)
        history = _train(retriever, over, train_targets, epochs)
        peaks.note("trained")
    over = setting(faces, gallery, turns, seed)
    positions = torch.arange(candidates - targets, candidates, device=gallery.vectors.device)
    sample = positions[torch.linspace(0, targets - 1, min(checked, targets)).long().unique()]
    outcome, reader, measured = _play(retriever, over, positions, sample, batch_size, peaks)
    measured["ranks_checked"] = check_ranks(outcome, reader, sample)
    measured["metrics"] = _metrics(outcome, over, reader, (epochs, train_targets), batch_size, resamples)
    steps = epochs * (train_targets // 128)
    measured |= {"memory": _memory(gallery, peaks), "training": {"steps": steps, "history": history}}
    measured["first_target"] = gallery.ids[candidates - targets]
    print(f"full_size: all done in {time.perf_counter() - begun:.0f} s")
    return save("full_size", settings, measured, output)


def _train(retriever: FeedbackRetriever, over: Setting, targets: int, epochs: int) -> list[Any]:
    from benchmarks.played import train
    from multiturn.settings import TrainingSettings

    print(f"training {epochs} epochs of {targets:,} sessions against {len(over.gallery):,} simulated features")
    history = train(retriever, over, targets, TrainingSettings(epochs=epochs, batch_size=128))
    retriever.eval()
    return history


def _play(
    retriever: FeedbackRetriever, over: Setting, targets: Any, sample: Any, batch_size: int, peaks: Peaks
) -> tuple[Outcome, Reader, dict[str, Any]]:
    """Play all sessions and note time and memory."""
    from benchmarks.played import Reader
    from facefb.users import PROGRESSIVE
    from multiturn.trial import run

    reader = Reader(over.attributes, sample)
    trial = over.trial("attribute-feedback GRU", retriever, targets, PROGRESSIVE, reader)
    print(f"playing {len(targets):,} sessions of {over.turns} turns against {len(over.gallery):,} simulated features")
    reader.begin()
    outcome = run(trial, batch_size)
    peaks.note("played")
    seconds = [reader.seconds[turn] for turn in sorted(reader.seconds)]
    print(f"seconds a turn: {', '.join(f'{second:.1f}' for second in seconds)}")
    return outcome, reader, {"seconds_per_turn": seconds}


def _metrics(
    outcome: Outcome, over: Setting, reader: Reader, trained: tuple[int, int], batch_size: int, resamples: int
) -> dict[str, Any]:
    """Numbers as metrics.json of an evaluation has them, with the same retriever without feedback as control."""
    from benchmarks.played import Reader
    from benchmarks.simulated import LABEL
    from facefb.users import SILENT
    from multiturn.experiment import summary
    from multiturn.settings import EvaluationSettings
    from multiturn.task import Exam
    from multiturn.trial import run

    trial = outcome.trial
    epochs, train_targets = trained
    retriever: Any = trial.retriever
    silent = Reader(over.attributes, trial.targets[:0])
    control = over.trial("the same GRU without feedback", retriever, trial.targets, SILENT, silent)
    settings = EvaluationSettings(over.turns, batch_size, recall_at=[1, 10, 100], resamples=resamples)
    protocol = {"weights": f"trained on {epochs} x {train_targets:,} sessions" if epochs else "untrained"}
    exam = Exam(trial, [("control", control)], LABEL, protocol)
    return summary(exam, outcome, [("control", run(control, batch_size))], settings)


def _memory(gallery: Gallery, peaks: Peaks) -> dict[str, Any]:
    """Peaks of the process, and what the gallery itself takes of them."""
    vectors = gallery.vectors.nbytes + gallery.norms.nbytes
    names = sys.getsizeof(gallery.ids) + sum(map(sys.getsizeof, gallery.ids))
    return {"peak_megabytes": peaks.megabytes, "gallery_megabytes": (vectors + names) / 1e6}


if __name__ == "__main__":
    start(full_size, "full_size", EXAMPLES, FLAGS)
