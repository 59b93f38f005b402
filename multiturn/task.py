"""All that training, evaluation and studies know of a task; the tasks themselves live in the system packages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float64
from torch import Tensor, nn
from torch.utils.data import Dataset

from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, Reply
from multiturn.session import Turn
from multiturn.settings import TrainingSettings
from multiturn.trial import Outcome, Trial

Role = Literal["baseline", "control", "reference"]


@dataclass(frozen=True)
class Exam:
    """The trials of one evaluation, all on the same targets.

    Attributes:
        model: the trained retriever's.
        others: what it is compared with, each with its role: a `baseline` to beat, the `control` without feedback,
            a `reference` to know about.
        data: what the images are, as tables print it.
        protocol: what else a reader must know of the user and the targets.
    """

    model: Trial
    others: Sequence[tuple[Role, Trial]]
    data: str
    protocol: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Task(Protocol):
    """A retrieval system with its data."""

    primary: str  # metric of the last turn that chooses the best epoch; higher is better

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """Load the data and get the encoder ready, trained first where the task has one to train.

        Args:
            resume: go on from what the output folder holds.
            checkpoint: output folder of a training whose encoder is to be used as it is.
        """
        ...

    def new_retriever(self) -> nn.Module:
        """An untrained retriever."""
        ...

    def load_retriever(self, checkpoint: str) -> nn.Module:
        """A trained one, from a folder or the Hub."""
        ...

    def rollout(self, retriever: nn.Module) -> nn.Module:
        """A module whose forward(batch, epoch) plays sessions with `retriever` and returns the loss."""
        ...

    def examples(self) -> Dataset[Any]:
        """What `rollout` is trained on, one example a session."""
        ...

    def validation(self, retriever: nn.Module) -> Trial:
        """The trial that chooses the best epoch."""
        ...

    def exam(self, retriever: nn.Module) -> Exam:
        """The trials of the report."""
        ...

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """Draw sessions of the model's outcome into `folder`.

        Args:
            unheard: where each target ends in the control, where nothing is said; see `multiturn.report.picks`.
        Returns:
            title and file of each picture.
        """
        ...


@dataclass(frozen=True)
class Stage:
    """One of several trainings that a retriever goes through, each with its own loss.

    Attributes:
        name: of the progress bar.
        folder: below the output folder, for checkpoints, history and the best weights; the last stage's is ".".
        rollout: gets a retriever ready for the stage, and returns what is trained; see `Task.rollout`.
        training: how.
        primary: chooses the best epoch; see `multiturn.training.fit`.
        validate: more values of the retriever, beside those of the validation trial.
    """

    name: str
    folder: str
    rollout: Callable[[nn.Module], nn.Module]
    training: TrainingSettings
    primary: str
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None


@runtime_checkable
class Staged(Protocol):
    """A task whose retriever is trained in stages."""

    def stages(self) -> Sequence[Stage]:
        """The stages in their order; each goes on from the best epoch of the one before."""
        ...


@runtime_checkable
class Pictured(Protocol):
    """A task whose test images can be shown once it is prepared."""

    def images(self) -> Any:
        """A data set of them, with the columns `id` and `image`."""
        ...


@dataclass(frozen=True)
class ReplyForm:
    """How a person answers a page where they do not write freely; `multiturn.study.forms` puts it into words.

    Attributes:
        kind: 'text'; 'wanted': which attributes the image has and lacks; 'comparison': in which it is like a shown one;
            'judgements': likes and dislikes of what is shown; 'example': which of the shown images is closest.
        attributes: names, of the two kinds that have them.
    """

    kind: Literal["text", "wanted", "comparison", "judgements", "example"]
    attributes: tuple[str, ...] = ()


@runtime_checkable
class Searchable(Pictured, Protocol):
    """A task whose test images a person can search: prepared, it tells what a line of theirs means."""

    def candidates(self) -> Gallery:
        """The images to search."""
        ...

    def read_reply(self, text: str, turn: Turn) -> Reply:
        """What a line of text says, as one session's reply.

        Args:
            text: what was said.
            turn: that it answers, of a batch of one; "the shown face" is the first that this turn shows.
        Raises:
            ValueError: it cannot be understood; the message says what can.
        """
        ...

    def form(self) -> ReplyForm:
        """How a person fills in a reply; what it makes is a line that `read_reply` reads."""
        ...


def example_of(text: str, examples: Gallery) -> ImageReply | None:
    """The reply of "example: ID", an image of a gallery as the example; None of any other text.

    Raises:
        ValueError: the id is not in the gallery.
    Example:
        >>> import torch
        >>> gallery = Gallery(("a.jpg", "b.jpg"), torch.eye(2), "e", "two")
        >>> example_of("example: b.jpg", gallery).names, example_of("b.jpg", gallery)
        (('b.jpg',), None)
    """
    head, _, name = text.partition(":")
    if head.strip().lower() != "example":
        return None
    return ImageReply((name.strip(),), examples.vectors[examples.positions([name.strip()])])
