"""Settings that several tasks share, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from typing import Literal

# Training settings that may differ when a training goes on; what it ends with depends on all the others.
CHANGEABLE = ("epochs", "workers", "keep", "checkpoint_seconds", "checkpoint_steps")
# Programs that are told how a training goes: accelerate's.
TRACKERS = (
    *("none", "tensorboard", "wandb", "trackio", "aim", "comet_ml", "mlflow", "clearml", "dvclive", "swanlab", "all"),
)


@dataclass(frozen=True)
class TrainingSettings:
    """How a module is trained.

    Args:
        epochs: passes over the training examples.
        batch_size: examples at once in a process.
        learning_rate: of Adam, decayed to zero along a half cosine if `decay` is set.
        weight_decay: of Adam, decoupled.
        decay: whether the learning rate falls.
        gradient_norm: clip gradients to this norm; 0 leaves them as they are.
        accumulate: batches of each process whose gradients make one step. Where the loss is a mean over sessions, a
            step equals that of one batch of so many times the size, up to rounding. Where a session is compared with
            the others of its batch (in-batch negatives: vg-drilldown, celeba-attributes, the Multi-Similarity map of
            cub-relevance), it is not: the negatives stay those of one batch. Nor where a network normalises by its
            batch.
        workers: processes that decode images; 0 decodes in the training process.
        keep: checkpoints kept for `--resume`, newest first.
        checkpoint_seconds: write a checkpoint within an epoch whenever so many seconds have passed since the last one;
            0 never does. One is written after each epoch in any case.
        checkpoint_steps: write a checkpoint within an epoch each so many steps; 0 never does.
    """

    epochs: int = 14
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    decay: bool = False
    gradient_norm: float = 0.0
    accumulate: int = 1
    workers: int = 0
    keep: int = 2
    checkpoint_seconds: float = 120.0
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "keep"):
            at_least(name, getattr(self, name), 1)
        for name in ("weight_decay", "gradient_norm", "workers", "checkpoint_seconds", "checkpoint_steps"):
            at_least(name, getattr(self, name), 0)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")


@dataclass(frozen=True)
class EvaluationSettings:
    """How a retriever is evaluated.

    Args:
        turns: replies a session.
        batch_size: sessions at once; changes speed and memory, never a result.
        seen: what becomes of candidates shown before.
        recall_at: the K of R@K and Hits@K.
        page: a target ranked within so many counts as found: the K of carry@K and rounds@K.
        hits_from: number of the first turn at which a target can be hit, for Hits@K, carry@K, rounds@K and areas. Turn
            0 comes before any reply; set 0 where it shows the answer to a query, as in ChatIR.
        resamples: bootstrap samples of the confidence intervals.
        confidence: of the intervals.
    """

    turns: int = 5
    batch_size: int = 256
    seen: Literal["keep", "drop_from_display", "drop_from_rank"] = "keep"
    recall_at: list[int] = field(default_factory=lambda: [1, 5, 10, 100])
    page: int = 10
    hits_from: int = 1
    resamples: int = 1000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("turns", "batch_size", "resamples", "page"):
            at_least(name, getattr(self, name), 1)
        at_least("hits_from", self.hits_from, 0)
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, not {self.confidence}")
        for k in self.recall_at:
            at_least("recall_at", k, 1)


def at_least(name: str, value: float | int, least: float | int) -> None:
    """Raise ValueError, naming the setting, if its value is below `least`."""
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
