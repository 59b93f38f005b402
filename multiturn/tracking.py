"""Which program, such as TensorBoard, is told how a training goes; what it is told is in training.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from accelerate.utils import LoggerType, ProjectConfiguration

from multiturn.settings import TRACKERS

_ASKED: ContextVar[str] = ContextVar("tracker", default="none")


@contextmanager
def tracked(tracker: str | None = None) -> Iterator[str]:
    """While the block runs, every training tells a tracker its losses and values; yields the tracker's name.

    Args:
        tracker: one of TRACKERS; by default tensorboard where it is installed, or else none.
    Raises:
        ValueError: an unknown tracker, or one that is not installed.
    """
    installed = [str(name) for name in get_available_trackers()]
    if tracker is None:
        tracker = "tensorboard" if "tensorboard" in installed else "none"
    if tracker not in TRACKERS:
        raise ValueError(f"tracker is {tracker}; the trackers are {', '.join(TRACKERS)}")
    if tracker not in ("none", "all", *installed):
        package = "'multiturn-retrieval[track]'" if tracker == "tensorboard" else tracker
        raise ValueError(f"tracker is {tracker}, which is not installed: pip install {package}, or --tracker none")
    token = _ASKED.set(tracker)
    try:
        yield tracker
    finally:
        _ASKED.reset(token)


def tracked_training(output: Path) -> dict[str, Any]:
    """Options of the `Accelerator` of a training that tells the tracker; what it is told is kept in `output`/tracking.

    Trackers that keep it elsewhere, such as on a server, do as their own configuration says.
    """
    asked = _ASKED.get()
    if asked == "none":
        return {}
    return {"log_with": LoggerType(asked), "project_config": ProjectConfiguration(str(output), str(_folder(output)))}


def start_trackers(accelerator: Accelerator, title: str, output: Path, step: int) -> None:
    """Begin to tell of a training after so many steps; of those after, what was told before a break is forgotten."""
    if accelerator.log_with and accelerator.is_main_process:
        _folder(output).mkdir(parents=True, exist_ok=True)  # wandb does not make it.
    own = {"tensorboard": {"purge_step": step + 1}, "wandb": {"dir": str(_folder(output))}}
    accelerator.init_trackers(title.replace(" ", "-"), init_kwargs=own)


def _folder(output: Path) -> Path:
    return output / "tracking"
