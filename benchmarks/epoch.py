"""Where the time of a training epoch of celeba-feedback goes, on drawn attributes and simulated features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.program import save, start
from multiturn.settings import at_least

EXAMPLES = """examples:
  python -m benchmarks.epoch
  python -m benchmarks.epoch --faces '[300, 600]' --epochs 2 --output runs/bench
"""
REST = "everything else"


def epoch(
    faces: list[int] = [4_500, 10_000],  # noqa: B006  # the first is the demo's size
    dim: int = 256,
    batch_size: int = 128,
    turns: int = 5,
    epochs: int = 3,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Measure the parts of a training epoch: the engine trains, and its functions are timed from outside.

    Args:
        faces: sizes of the training gallery; every face is a target once an epoch.
        dim: of a feature.
        batch_size: sessions a step.
        turns: replies a session.
        epochs: trained; the first warms up and does not count.
        seed: of every draw.
        output: folder for epoch.json; benchmarks/results if not given.
    """
    at_least("epochs", epochs, 2)
    settings = {"dim": dim, "batch_size": batch_size, "turns": turns, "epochs": epochs, "seed": seed}
    sizes = []
    for count in faces:
        at_least("faces", count, batch_size)
        seconds = parts_of_an_epoch(count, dim, batch_size, turns, epochs, seed)
        total = sum(seconds.values())
        sizes.append({"faces": count, "steps": count // batch_size, "total": total, "seconds": seconds})
        shares = ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in seconds.items())
        print(f"{count:,} faces: {total:.2f} s an epoch: {shares}")
    return save("epoch", settings, {"features": _label(), "sizes": sizes}, output)


def parts_of_an_epoch(faces: int, dim: int, batch_size: int, turns: int, epochs: int, seed: int) -> dict[str, float]:
    """Seconds of each part, mean over all epochs but the first."""
    import torch

    from benchmarks.played import new_retriever, setting, train
    from benchmarks.simulated import NOISE, load_attributes, simulated_gallery
    from benchmarks.stopwatch import Stopwatch
    from multiturn.processes import own_device
    from multiturn.settings import TrainingSettings

    device = own_device()
    drawn = load_attributes(faces, True, seed)
    over = setting(drawn, simulated_gallery(drawn, dim, NOISE, seed).to(device), turns, seed)
    watch = Stopwatch(torch.cuda.synchronize) if device.type == "cuda" else Stopwatch()
    with watched(watch) as measured:
        train(new_retriever(over.gallery, seed), over, faces, TrainingSettings(epochs, batch_size))
    counted = measured[1:]
    seconds = {name: fmean(one.get(name, 0.0) for one in counted) for name in counted[0]}
    return dict(sorted(seconds.items(), key=lambda part: (part[0] == REST, -part[1])))


@contextmanager
def watched(watch: Any) -> Iterator[list[dict[str, float]]]:
    """While the block runs, time the parts of every training epoch; yields a list that grows by one an epoch."""
    from contextlib import ExitStack
    from unittest.mock import patch

    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer

    import facefb.rollout
    import multiturn.session
    import multiturn.training
    from facefb.display import SampledNearest
    from facefb.retriever import FeedbackRetriever
    from facefb.users import AttributeUser

    parts: list[tuple[str, Any, str]] = [
        ("search", multiturn.session, "search"),
        ("search", FeedbackRetriever, "score"),
        ("choosing the shown face", SampledNearest, "choose"),
        ("user simulation", AttributeUser, "reply"),
        ("GRU forward", FeedbackRetriever, "start"),
        ("GRU forward", FeedbackRetriever, "update"),
        ("loss", facefb.rollout, "triplet_loss"),
        ("backward", Accelerator, "backward"),
        ("optimiser", AcceleratedOptimizer, "step"),
        ("optimiser", AcceleratedOptimizer, "zero_grad"),
    ]
    measured: list[dict[str, float]] = []
    with ExitStack() as stack:
        for name, owner, attribute in parts:
            stack.enter_context(patch.object(owner, attribute, watch.timed(name, getattr(owner, attribute))))
        whole = _one_at_a_time(watch, multiturn.training._one_epoch, measured)
        stack.enter_context(patch.object(multiturn.training, "_one_epoch", whole))
        yield measured


def _one_at_a_time(
    watch: Any, one_epoch: Callable[..., float], measured: list[dict[str, float]]
) -> Callable[..., float]:
    """An epoch that starts the watch afresh and leaves what it read in `measured`."""

    def whole(*arguments: Any, **options: Any) -> float:
        watch.seconds.clear()
        with watch.part(REST):
            loss = one_epoch(*arguments, **options)
        measured.append(dict(watch.seconds))
        return loss

    return whole


def _label() -> str:
    from benchmarks.simulated import LABEL

    return LABEL


if __name__ == "__main__":
    start(epoch, "epoch", EXAMPLES)
