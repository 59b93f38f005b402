"""A small training that draws from every generator and writes down each finished checkpoint: what kills.py kills."""

from __future__ import annotations

import logging
import os
import random
import threading
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # Torch's first optimizer would import it in each process anew.
from torch import Tensor, nn
from tqdm.auto import tqdm

from multiturn.settings import TrainingSettings
from multiturn.training import fit, save_weights

ANNOUNCED, WEIGHTS = "announced.txt", "model.safetensors"
ROWS, DIM = 64, 16


class Noisy(nn.Module):
    """Fits the sum of a point's coordinates, with dropout, running means, and noise from numpy and Python."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(DIM, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))

    def forward(self, batch: Tensor, epoch: int) -> Tensor:
        noise = 0.1 * (random.random() + float(np.random.rand()))
        return (self.body(batch)[:, 0] - batch.sum(1) - noise).square().mean()


def settings(epochs: int, keep: int) -> TrainingSettings:
    """A checkpoint after each step, and all that has a state: a schedule, clipping, accumulation."""
    return TrainingSettings(epochs, 4, 1e-2, 0.01, True, 1.0, accumulate=2, keep=keep, checkpoint_steps=1)


def train(output: Path, epochs: int, keep: int) -> None:
    """Train to the end, or go on with what `output` holds; the names of finished checkpoints go to a file there."""
    output.mkdir(parents=True, exist_ok=True)
    log = os.open(output / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logger = logging.getLogger("multiturn.checkpoints")
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.FileHandler(output / ANNOUNCED))
    torch.set_num_threads(1)
    # Its own lock is a semaphore, which a kill leaves behind.
    tqdm.set_lock(threading.RLock())
    points = torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(1))
    module = Noisy()

    @torch.no_grad()
    def validate(_: nn.Module) -> dict[str, float]:
        return {"score": -float((module.body(points)[:, 0] - points.sum(1)).square().mean())}

    fit(module, list(points), settings(epochs, keep), validate, "score", output, seed=2, resume=True)  # type: ignore[arg-type]
    save_weights(module, output / WEIGHTS)
