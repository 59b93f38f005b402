"""A training of milliseconds: a plane is fitted, and torch's and numpy's generators are drawn from on the way.

Not Python's: beartype draws from it whenever it checks a list. `benchmarks.killed` draws from all three.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from multiturn.settings import TrainingSettings
from multiturn.training import fit

POINTS = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
TRUTH = torch.tensor([1.0, -2.0, 0.5])


class Points(Dataset):
    def __init__(self, count: int = 50) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> tuple[int, torch.Tensor]:
        return row, POINTS[row]


class Killed(BaseException):
    """What no handler of errors may catch: as good as the end of the process, to the files."""


class Line(nn.Module):
    """Fits a plane.

    Args:
        bad_epoch: in which the loss is NaN.
        still: draws nothing at random.
        killed_at: steps before it is killed.
    """

    def __init__(self, bad_epoch: int = -1, still: bool = False, killed_at: int = -1) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.weight, self.drop = nn.Linear(3, 1), nn.Dropout(0.0 if still else 0.1)
        self.bad_epoch, self.still, self.killed_at = bad_epoch, still, killed_at
        self.seen: list[list[int]] = []

    def forward(self, batch, epoch: int):
        rows, points = batch
        if len(self.seen) == self.killed_at:
            raise Killed
        self.seen.append(rows.tolist())
        noise = 0.0 if self.still else 0.2 * float(np.random.rand())
        loss = (self.weight(self.drop(points))[:, 0] - points @ TRUTH + noise).square().mean()
        return loss * math.nan if epoch == self.bad_epoch else loss


def error(module: nn.Module) -> dict[str, float]:
    assert isinstance(module, Line)
    with torch.no_grad():
        return {"score": -float((module.weight(POINTS)[:, 0] - POINTS @ TRUTH).square().mean())}


def train(output: Path, epochs: int, resume: bool = False, validate=error, module=None, **changes):
    module = module or Line()
    settings = TrainingSettings(**{"epochs": epochs, "batch_size": 8, "learning_rate": 0.05} | changes)
    return module, fit(module, Points(), settings, validate, "score", output, seed=3, resume=resume)


def weights(module: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
