"""Checkpoints of a training: whole or not there, checked when read; the training itself is in training.py."""

import hashlib
import json
import math
import re
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from logging import getLogger
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from accelerate import Accelerator
from accelerate.utils import RNG_STATE_NAME, broadcast_object_list, load, set_seed
from safetensors import SafetensorError
from torch.optim.lr_scheduler import LRScheduler

from multiturn.files import atomic_file, commit_folder, remove_folder, write_text
from multiturn.settings import TrainingSettings

BEST, HISTORY, MANIFEST, PROGRESS = "best.safetensors", "history.json", "files.json", "progress.json"
LOOK = 20  # steps between two moments at which several processes agree on the time, or a value is looked at
_LOG = getLogger(__name__)


@dataclass
class Progress:
    """What a training has reached; saved in every checkpoint.

    Attributes:
        epoch: finished epochs.
        step: steps of the epoch that has begun.
        losses: sum of that epoch's losses so far, one number a process.
        best: the best validation value so far.
        history: one dict an epoch: losses and validation values.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    best: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one training, in `checkpoints` below its output folder.

    `epoch-0002` was written after the second epoch, `epoch-0002-step-000050` 50 steps later. Each has the weights, and
    those of the best epoch, as safetensors; progress and schedule as JSON; the optimizer, and each process's random
    generators, in files of torch.save, which accelerate reads with `weights_only`: no code in a file is ever run. For
    the same reason nothing is given to `Accelerator.register_for_checkpointing`, whose files are unpickled.

    Args:
        output: of the training.
        accelerator: has prepared the module and its optimizer.
        progress: what is saved, and set when the training goes on.
        schedule: of the learning rate; likewise.
        settings: of the training.
        made_with: what else the weights depend on; a checkpoint of other values is refused.
        title: of the training.
    """

    def __init__(
        self,
        output: Path,
        accelerator: Accelerator,
        progress: Progress,
        schedule: LRScheduler,
        settings: TrainingSettings,
        made_with: Mapping[str, Any],
        title: str,
    ) -> None:
        self._output, self._folder, self._title = output, output / "checkpoints", title
        self._accelerator, self._progress, self._schedule = accelerator, progress, schedule
        self._settings, self._made_with = settings, dict(made_with)
        self._written = time.monotonic()

    def begin(self, resume: bool, seed: int) -> None:
        """Go on from the newest whole checkpoint, or else forget what is there and seed all random generators.

        Raises:
            ValueError: the checkpoint was made with other settings; each is named.
        """
        found = self._newest_whole() if resume else None
        if found is None:
            set_seed(seed % 2**31, device_specific=True)
            if self._accelerator.is_main_process:
                remove_folder(self._folder)
                for name in (BEST, HISTORY):
                    (self._output / name).unlink(missing_ok=True)
        else:
            self._load(found)
        self._accelerator.wait_for_everyone()
        self._written = time.monotonic()

    def due(self) -> bool:
        """Whether one is to be written now, between two steps; several processes answer alike."""
        settings, step = self._settings, self._progress.step
        if settings.checkpoint_steps and step % settings.checkpoint_steps == 0:
            return True
        several = self._accelerator.num_processes > 1
        if settings.checkpoint_seconds == 0 or (several and step % LOOK):
            return False
        late = [time.monotonic() - self._written >= settings.checkpoint_seconds]
        return broadcast_object_list(late)[0] if several else late[0]

    def save(self) -> None:
        """Write a checkpoint, and delete the oldest of more than `keep`.

        Raises:
            OSError: it could not be written; those before it are untouched.
        """
        progress, main = self._progress, self._accelerator.is_main_process
        name = f"epoch-{progress.epoch:04d}" + (f"-step-{progress.step:06d}" if progress.step else "")
        partial = self._folder / f".{name}.partial"
        if main:
            shutil.rmtree(partial, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        try:
            if main and not progress.step:
                write_text(self._output / HISTORY, json.dumps(progress.history, indent=1))
            self._accelerator.save_state(str(partial))
            self._accelerator.wait_for_everyone()
            if main:
                self._complete(partial)
                commit_folder(partial, self._folder / name)
        # A full disk is a SafetensorError to safetensors and a RuntimeError to torch.save.
        except (SafetensorError, RuntimeError, OSError) as reason:
            shutil.rmtree(partial, ignore_errors=True)
            raise OSError(
                f"checkpoint {name} could not be written to {self._folder}: {reason}; those before it are whole: make "
                "room there and go on with --resume"
            ) from reason
        _LOG.info("%s", self._folder / name)
        if main:
            for old in checkpoints(self._output)[: -self._settings.keep]:
                remove_folder(old)
        self._written = time.monotonic()

    def _complete(self, partial: Path) -> None:
        if (self._output / BEST).is_file():
            shutil.copyfile(self._output / BEST, partial / BEST)
        content = {
            "progress": asdict(self._progress),
            "schedule": self._schedule.state_dict(),
            "made_with": self._made_with,
        }
        write_text(partial / PROGRESS, json.dumps(content))
        write_text(partial / MANIFEST, json.dumps(_digests(partial), indent=1))

    def _newest_whole(self) -> Path | None:
        """As the first process finds it; it deletes damaged ones, whose names are needed again, and says so."""
        found = [""]
        if self._accelerator.is_main_process:
            for left_over in self._folder.glob(".*"):
                shutil.rmtree(left_over)
            for folder in reversed(checkpoints(self._output)):
                what = damage(folder)
                if not what:
                    found = [folder.name]
                    break
                print(f"{self._title}: {folder} is damaged ({what}) and is deleted", file=sys.stderr)
                remove_folder(folder)
        name = broadcast_object_list(found)[0]
        if not name:
            self._accelerator.print(f"{self._title}: there is no checkpoint to go on from; it begins afresh")
        return self._folder / name if name else None

    def _load(self, folder: Path) -> None:
        content = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        before, now = content["made_with"], self._made_with
        changed = [f"{name} is {now[name]}, was {before.get(name)}" for name in now if now[name] != before.get(name)]
        if changed:
            raise ValueError(
                f"{folder} was made with other settings: {'; '.join(changed)}; give those it was made with, or another "
                "output folder"
            )
        try:
            # Looked at first: accelerate passes over random states that it cannot read.
            load(folder / f"{RNG_STATE_NAME}_{self._accelerator.process_index}.pkl")
            self._accelerator.load_state(str(folder))
        except UnpicklingError as reason:
            raise ValueError(f"{folder} holds something else than numbers, and is not read: {reason}") from reason
        self._schedule.load_state_dict(content["schedule"])
        for name, value in content["progress"].items():
            setattr(self._progress, name, value)
        if self._accelerator.is_main_process:
            self._restore_best(folder / BEST)
        step = f" and {self._progress.step} steps" if self._progress.step else ""
        self._accelerator.print(f"{self._title}: resumed after epoch {self._progress.epoch}{step}, from {folder}")

    def _restore_best(self, kept: Path) -> None:
        """The best epoch's weights at the time of the checkpoint: a later epoch may have written others since."""
        if not kept.is_file():
            (self._output / BEST).unlink(missing_ok=True)
            return
        with atomic_file(self._output / BEST) as temporary:
            shutil.copyfile(kept, temporary)


def checkpoints(output: Path) -> list[Path]:
    """The checkpoints below `output`, the newest last; what a crash left half-written has another name."""
    found = (output / "checkpoints").glob("epoch-*")
    return sorted(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])


def newest_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint below `output`."""
    return next(reversed(checkpoints(output)), None)


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, compared with the list of files that was written with it; empty if nothing."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{MANIFEST} is missing or no JSON"
    there = _digests(folder)
    wrong = [name for name in sorted(listed) if there.get(name) != listed[name]]
    return f"{', '.join(wrong)} {'is' if len(wrong) == 1 else 'are'} not as written" if wrong else ""


def _digests(folder: Path) -> dict[str, str]:
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            with path.open("rb") as file:
                digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
