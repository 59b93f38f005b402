"""Training any module whose forward(batch, epoch) returns a loss: epochs, checkpoints, resume; no model lives here."""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from multiturn.files import atomic_file, atomic_files, commit_folder, write_text
from multiturn.processes import launched
from multiturn.settings import TrainingSettings


@dataclass
class Progress:
    """What a training has reached; saved in every checkpoint.

    Attributes:
        epoch: finished epochs.
        best: the best validation value so far.
        history: one dict an epoch: losses and validation values.
    """

    epoch: int = 0
    best: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """For `Accelerator.register_for_checkpointing`."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """For `Accelerator.register_for_checkpointing`."""
        self.epoch, self.best, self.history = state["epoch"], state["best"], list(state["history"])


def fit(
    module: nn.Module,
    examples: Dataset[Any],
    settings: TrainingSettings,
    validate: Callable[[nn.Module], Mapping[str, float]],
    primary: str,
    output: Path,
    seed: int = 0,
    resume: bool = False,
    title: str = "training",
) -> Progress:
    """Train a module; it ends with the weights of its best epoch, in evaluation mode, where it was trained.

    Precision, processes and devices are those that `accelerate launch` was told.

    Args:
        module: its forward(batch, epoch) returns the loss, so that gradients synchronise over processes.
        examples: map-style; the order of an epoch depends on `seed` and the epoch alone.
        settings: epochs, batch size, learning rate.
        validate: called after each epoch with the module in evaluation mode; returns named values.
        primary: the one of them to maximise; to minimise one, '-' and its name.
        output: folder for `checkpoints/epoch-0001` and so on, `best.safetensors` and `history.json`.
        seed: of the order of the examples.
        resume: go on from the newest checkpoint in `output`; without one, start afresh.
        title: of the progress bar.
    Raises:
        ValueError: a batch is larger than the data; a loss or the primary value is not finite.
    """
    launched()
    accelerator = Accelerator(dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=seed))
    batches = len(examples) // (settings.batch_size * accelerator.num_processes)  # type: ignore[arg-type]
    if batches == 0:
        raise ValueError(
            f"a batch of {settings.batch_size} in each of {accelerator.num_processes} processes is larger than "
            f"the {len(examples)} training examples; lower batch_size"  # type: ignore[arg-type]
        )
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    decay = _half_cosine(settings.epochs * batches) if settings.decay else _constant
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, decay)
    loader = DataLoader(examples, settings.batch_size, shuffle=True, drop_last=True, num_workers=settings.workers)
    wrapped, optimizer, loader = accelerator.prepare(module, optimizer, loader)
    progress = Progress()
    accelerator.register_for_checkpointing(progress, schedule)
    _begin(output, progress, accelerator, resume, title)
    for epoch in range(progress.epoch, settings.epochs):
        loader.set_epoch(epoch)
        loss = _one_epoch(wrapped, loader, optimizer, schedule, epoch, settings, accelerator, title)
        module.eval()
        values = dict(validate(module))
        name = primary.removeprefix("-")
        value = values[name] if name == primary else -values[name]
        if not math.isfinite(value):
            raise ValueError(f"the validation value {name} is {values[name]} after epoch {epoch + 1}")
        progress.epoch = epoch + 1
        progress.history.append({"epoch": epoch + 1.0, "loss": loss, **values})
        accelerator.print(f"{title}: epoch {epoch + 1}, loss {loss:.4f}, {name} {values[name]:.4f}")
        if value > progress.best:
            progress.best = value
            if accelerator.is_main_process:
                save_weights(module, output / "best.safetensors")
        _checkpoint(output, progress, accelerator, settings.keep)
    accelerator.wait_for_everyone()
    load_weights(module, output / "best.safetensors")
    module.eval()
    return progress


def save_pretrained(module: Any, folder: Path) -> None:
    """Write a module's config.json and model.safetensors, as `from_pretrained` reads them, each all or nothing.

    Args:
        module: with huggingface_hub's mixin.
    Raises:
        OSError: the disk is full or the folder cannot be written; older files are untouched.
    """
    with atomic_files(folder) as partial:
        try:
            module.save_pretrained(partial)
        except SafetensorError as reason:
            raise OSError(f"{folder} could not be written: {reason}") from reason
        # The mixin's model card says nothing yet.
        (partial / "README.md").unlink(missing_ok=True)


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights as safetensors, all or nothing.

    Raises:
        OSError: the disk is full or the folder cannot be written; an older file at `path` is untouched.
    """
    with atomic_file(path) as temporary:
        try:
            save_model(module, str(temporary))
        except SafetensorError as reason:
            raise OSError(f"{path} could not be written: {reason}") from reason


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights that `save_weights` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or weights of a module of another shape; the differences are named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        load_model(module, path)
    except (SafetensorError, RuntimeError) as reason:
        raise ValueError(f"{path} does not fit this model: {reason}") from reason


def newest_checkpoint(output: Path) -> Path | None:
    """The newest whole checkpoint below `output`; what a crash left half-written has another name."""
    return max((output / "checkpoints").glob("epoch-*"), default=None)


def _begin(output: Path, progress: Progress, accelerator: Accelerator, resume: bool, title: str) -> None:
    newest = newest_checkpoint(output)
    if resume and newest is not None:
        accelerator.load_state(str(newest))
        accelerator.print(f"{title}: resumed after epoch {progress.epoch}, from {newest}")
    elif accelerator.is_main_process:
        shutil.rmtree(output / "checkpoints", ignore_errors=True)
        (output / "best.safetensors").unlink(missing_ok=True)
    accelerator.wait_for_everyone()


def _one_epoch(
    module: nn.Module,
    loader: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    epoch: int,
    settings: TrainingSettings,
    accelerator: Accelerator,
    title: str,
) -> float:
    """Train one epoch; returns the mean loss over its steps and the processes."""
    module.train()
    total, steps = torch.zeros((), device=accelerator.device), 0
    bar = tqdm(
        loader,
        desc=f"{title} {epoch + 1}/{settings.epochs}",
        disable=not accelerator.is_main_process,
        leave=False,
        mininterval=0.5,
    )
    for batch in bar:
        loss: Tensor = module(batch, epoch)
        if steps % 20 == 0:  # Looking at a value waits for the GPU.
            _check_loss(loss, epoch, settings)
            bar.set_postfix(loss=f"{loss.item():.4f}")
        accelerator.backward(loss)
        if settings.gradient_norm:
            accelerator.clip_grad_norm_(module.parameters(), settings.gradient_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        total, steps = total + loss.detach(), steps + 1
    mean = total / steps
    if accelerator.num_processes > 1:
        torch.distributed.all_reduce(mean, torch.distributed.ReduceOp.SUM)
    mean = mean / accelerator.num_processes
    _check_loss(mean, epoch, settings)
    return float(mean)


def _check_loss(loss: Tensor, epoch: int, settings: TrainingSettings) -> None:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ValueError(
            f"the loss is {value} in epoch {epoch + 1}; lower learning_rate ({settings.learning_rate}) or "
            "set gradient_norm"
        )


def _checkpoint(output: Path, progress: Progress, accelerator: Accelerator, keep: int) -> None:
    folder = output / "checkpoints"
    partial = folder / f".epoch-{progress.epoch:04d}.partial"
    if accelerator.is_main_process:
        write_text(output / "history.json", json.dumps(progress.history, indent=1))
        shutil.rmtree(partial, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(partial))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        commit_folder(partial, folder / f"epoch-{progress.epoch:04d}")
        for old in sorted(folder.glob("epoch-*"))[:-keep]:
            shutil.rmtree(old)


def _constant(step: int) -> float:
    return 1.0


def _half_cosine(steps: int) -> Callable[[int], float]:
    return lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
