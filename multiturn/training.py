"""Training any module whose forward(batch, epoch) returns a loss: epochs, checkpoints, resume; no model lives here."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, RandomSampler
from tqdm.auto import tqdm

from multiturn.checkpoints import BEST, LOOK, Checkpoints, Progress
from multiturn.files import atomic_file, atomic_files
from multiturn.processes import launched
from multiturn.settings import CHANGEABLE, TrainingSettings
from multiturn.tracking import start_trackers, tracked_training


@dataclass(frozen=True)
class _Run:
    """One training with all that it needs."""

    accelerator: Accelerator
    module: nn.Module
    loader: Any
    optimizer: torch.optim.Optimizer
    schedule: LambdaLR
    settings: TrainingSettings
    steps: int
    progress: Progress
    checkpoints: Checkpoints
    title: str

    def batches(self) -> Iterable[Any]:
        """What is left of the epoch, in an order that depends on the seed and the epoch alone."""
        done, epoch = self.progress.step, self.progress.epoch
        self.loader.set_epoch(epoch)
        # Worker processes are seeded by it; without one of its own, the loader would draw from the module's generator.
        self.loader.generator.manual_seed(epoch)
        skip = self.accelerator.skip_first_batches
        rest = skip(self.loader, done * self.settings.accumulate) if done else self.loader
        return rest if done < self.steps else ()


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

    Precision, processes and devices are those that `accelerate launch` was told. Killed at any moment and resumed, it
    ends with the same weights and history as if it had never stopped: to the last bit on a CPU.

    Args:
        module: its forward(batch, epoch) returns the loss, so that gradients synchronise over processes.
        examples: map-style; the order of an epoch depends on `seed` and the epoch alone, and an example must depend on
            its position alone: what is random belongs into the module.
        settings: epochs, batch size, learning rate, checkpoints.
        validate: called after each epoch with the module in evaluation mode; returns named values, alike in every
            process.
        primary: the one of them to maximise; to minimise one, '-' and its name.
        output: folder for `checkpoints/epoch-0001` and so on, `best.safetensors` and `history.json`.
        seed: of the order of the examples, and of torch's, numpy's and Python's generators, which it sets.
        resume: go on from the newest whole checkpoint in `output`; without one, start afresh.
        title: of the progress bar.
    Raises:
        ValueError: a batch is larger than the data; a loss or the primary value is not finite; the checkpoint was made
            with other settings.
        OSError: a checkpoint could not be written.
    """
    launched()
    accelerator = Accelerator(
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=seed),
        gradient_accumulation_plugin=GradientAccumulationPlugin(settings.accumulate, sync_with_dataloader=False),
        **tracked_training(output),
    )
    run = _prepared(accelerator, module, examples, settings, output, seed, title)
    progress = run.progress
    run.checkpoints.begin(resume, seed)
    if progress.epoch >= settings.epochs:
        accelerator.print(f"{title}: was finished after epoch {progress.epoch}; nothing is left to train")
    start_trackers(accelerator, title, output, progress.epoch * run.steps + progress.step)
    while progress.epoch < settings.epochs:
        loss = _one_epoch(run)
        module.eval()
        _same_everywhere(module, accelerator)
        values = dict(validate(module))
        name = primary.removeprefix("-")
        value = values[name] if name == primary else -values[name]
        if not math.isfinite(value):
            raise ValueError(f"the validation value {name} is {values[name]} after epoch {progress.epoch + 1}")
        progress.epoch, progress.step, progress.losses = progress.epoch + 1, 0, []
        progress.history.append({"epoch": float(progress.epoch), "loss": loss, **values})
        accelerator.print(f"{title}: epoch {progress.epoch}, loss {loss:.4f}, {name} {values[name]:.4f}")
        accelerator.log({"epoch/loss": loss, **_named("validation", values)}, step=progress.epoch * run.steps)
        if value > progress.best:
            progress.best = value
            if accelerator.is_main_process:
                save_weights(module, output / BEST)
        run.checkpoints.save()
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.wait_for_everyone()
    load_weights(module, output / BEST)
    module.eval()
    return progress


def save_pretrained(module: Any, folder: Path) -> None:
    """Write a module's config.json and model.safetensors, as `from_pretrained` reads them, each all or nothing.

    Args:
        module: with huggingface_hub's mixin.
    Raises:
        OSError: the disk is full or the folder cannot be written; older files are untouched.
    """
    # Whoever goes on with a training takes config.json to say that the module is there.
    with atomic_files(folder, last="config.json") as partial:
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


def _prepared(
    accelerator: Accelerator,
    module: nn.Module,
    examples: Dataset[Any],
    settings: TrainingSettings,
    output: Path,
    seed: int,
    title: str,
) -> _Run:
    count: int = len(examples)  # type: ignore[arg-type]
    processes = accelerator.num_processes
    together = settings.batch_size * settings.accumulate * processes
    steps = count // together
    if steps == 0:
        times = f" {settings.accumulate} times" if settings.accumulate > 1 else ""
        raise ValueError(
            f"a batch of {settings.batch_size}{times} in each of {processes} processes is larger than the {count} "
            f"training examples; lower batch_size{' or accumulate' if times else ''}"
        )
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = LambdaLR(optimizer, _half_cosine(settings.epochs * steps) if settings.decay else _constant)
    sampler = RandomSampler(examples, num_samples=steps * together)  # type: ignore[arg-type]
    loader = DataLoader(
        examples, settings.batch_size, sampler=sampler, num_workers=settings.workers, generator=torch.Generator()
    )
    wrapped, optimizer, loader = accelerator.prepare(module, optimizer, loader)
    may_change = [name for name in CHANGEABLE if not (settings.decay and name == "epochs")]
    made_with = {name: value for name, value in vars(settings).items() if name not in may_change}
    made_with |= {"seed": seed, "examples": count, "processes": processes, "precision": accelerator.mixed_precision}
    progress = Progress()
    checkpoints = Checkpoints(output, accelerator, progress, schedule, settings, made_with, title)
    return _Run(accelerator, wrapped, loader, optimizer, schedule, settings, steps, progress, checkpoints, title)


def _one_epoch(run: _Run) -> float:
    """Train what is left of an epoch; returns the mean loss over all its batches and the processes."""
    accelerator, progress, settings = run.accelerator, run.progress, run.settings
    run.module.train()
    kept = progress.losses[accelerator.process_index] if progress.step else 0.0
    total = torch.tensor(kept, device=accelerator.device)
    title = f"{run.title} {progress.epoch + 1}/{settings.epochs}"
    hidden = not accelerator.is_main_process
    with tqdm(total=run.steps, initial=progress.step, desc=title, disable=hidden, leave=False, mininterval=0.5) as bar:
        for batch in run.batches():
            with accelerator.accumulate(run.module):
                loss: Tensor = run.module(batch, progress.epoch)
                look = progress.step % LOOK == 0 and accelerator.sync_gradients
                if look:  # Looking at a value waits for the GPU.
                    _check_loss(loss, progress.epoch, settings)
                    bar.set_postfix(loss=f"{loss.item():.4f}")
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    _clip(run, loss, look and bool(accelerator.trackers))
                run.optimizer.step()
                run.optimizer.zero_grad()
            total += loss.detach().float()
            if accelerator.sync_gradients:
                run.schedule.step()
                progress.step += 1
                bar.update()
                if run.checkpoints.due():
                    progress.losses = _of_each_process(total, accelerator).tolist()
                    _check_loss(total, progress.epoch, settings)
                    run.checkpoints.save()
    mean = _of_each_process(total, accelerator).mean() / (run.steps * settings.accumulate)
    _check_loss(mean, progress.epoch, settings)
    return float(mean)


def _of_each_process(number: Tensor, accelerator: Accelerator) -> Tensor:
    gathered = accelerator.gather(number[None])
    assert isinstance(gathered, Tensor)
    return gathered


def _clip(run: _Run, loss: Tensor, tell: bool) -> None:
    """Clip the gradients if they are to be, and tell the trackers how the step looks."""
    if not (run.settings.gradient_norm or tell):
        return
    # Clipping to infinity measures the norm and multiplies by 1.
    norm = run.accelerator.clip_grad_norm_(run.module.parameters(), run.settings.gradient_norm or math.inf)
    if tell:
        told = {"loss": loss.item(), "learning_rate": float(run.schedule.get_last_lr()[0])}
        told |= {} if norm is None else {"gradient_norm": float(norm)}  # DeepSpeed keeps it for itself.
        step = run.progress.epoch * run.steps + run.progress.step + 1
        run.accelerator.log(_named("train", told), step=step)


def _same_everywhere(module: nn.Module, accelerator: Accelerator) -> None:
    """Give every process the first one's buffers: each has taken its running means over its own batches."""
    if accelerator.num_processes > 1:
        for buffer in module.buffers():
            torch.distributed.broadcast(buffer, 0)


def _check_loss(loss: Tensor, epoch: int, settings: TrainingSettings) -> None:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ValueError(
            f"the loss is {value} in epoch {epoch + 1}; lower learning_rate ({settings.learning_rate}) or "
            "set gradient_norm"
        )


def _named(what: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{what}/{name}": value for name, value in values.items()}


def _constant(step: int) -> float:
    return 1.0


def _half_cosine(steps: int) -> Callable[[int], float]:
    return lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
