"""Settings of relevance feedback, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import EvaluationSettings, TrainingSettings, at_least

if TYPE_CHECKING:
    from relevance.task import RelevanceFeedback

NetworkLossName = Literal["classes", "multi-similarity"]
Method = Literal["no feedback", "svm", "mlp", "triplet", "kept-triplet", "rocchio", "pichunter"]


@dataclass(frozen=True)
class ClassSettings:
    """Which images in which classes, half of the classes for training, half for testing.

    Args:
        root: folder of CUB-200-2011, with images/ in it; without one, drawn faces in classes of what they show.
        bad_images: what to do about files that cannot be decoded.
        count: of drawn faces.
        size: of drawn faces, in pixels.
        difficulty: of drawn faces, see `data_prep.drawn_faces.load`.
        most: images of a class in the test half of the drawn faces; CUB has about 60 a class.
        seed: of drawn faces and of their halves.
    """

    root: str | None = None
    bad_images: Literal["error", "skip"] = "error"
    count: int = 6000
    size: int = 64
    difficulty: float = 0.3
    most: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("most", self.most, 2)


@dataclass(frozen=True)
class FeatureSettings:
    """What makes the frozen vector of an image, the same for all methods.

    Args:
        kind: 'network': a small SE-ResNet trained here on the training classes; 'encoder': one of the catalogue, on
            its own weights.
        loss: of the network: 'classes', to name them; 'multi-similarity', as the source trains its network, which needs
            pytorch-metric-learning.
        size: of the network's input, in pixels.
        training: of the network.
        encoder: for kind 'encoder'.
        batch_size: images at once when encoding.
    """

    kind: Literal["network", "encoder"] = "network"
    loss: NetworkLossName = "classes"
    size: int = 48
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=5, batch_size=64, learning_rate=2e-3, weight_decay=0.05, decay=True
        )
    )
    encoder: EncoderSettings = field(default_factory=lambda: EncoderSettings("squeezenet"))
    batch_size: int = 64

    def __post_init__(self) -> None:
        at_least("size", self.size, 16)
        at_least("batch_size", self.batch_size, 1)
        if self.encoder.items != "image" or self.encoder.regions or self.encoder.boxes:
            raise ValueError(
                f"an image needs one vector here; an encoder of kind {self.encoder.kind} as set makes others"
            )


@dataclass(frozen=True)
class HeadSettings:
    """A linear map of the frozen vectors, trained with the Multi-Similarity loss; needs pytorch-metric-learning.

    Args:
        dim: of its output; 0 trains none, and all methods work on the frozen vectors.
        alpha: weight of pairs of one class.
        beta: weight of pairs of different classes.
        base: similarity that is neither high nor low.
    """

    dim: int = 0
    # pytorch-metric-learning's own values
    alpha: int = 2
    beta: int = 50
    base: float = 0.5

    def __post_init__(self) -> None:
        at_least("dim", self.dim, 0)


@dataclass(frozen=True)
class QuerySettings:
    """The example image that a session starts from, and the user's judgements.

    Args:
        degradation: of the example: 'none', 'cutout', 'gamma' or 'both'; see `relevance.degraded.degrade`.
        gamma: the largest power.
        wrong: share of judgements that are the wrong way round.
        count: images of the test half that are an example, spread evenly over it; all of them if there are fewer.
        page: images shown a turn.
        seed: of degradations and wrong judgements.
    """

    degradation: Literal["none", "cutout", "gamma", "both"] = "both"
    gamma: float = 2.5
    wrong: float = 0.0
    count: int = 500
    page: int = 8  # papers/relevance-feedback-cub.txt
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("gamma", self.gamma, 1)
        at_least("count", self.count, 1)
        at_least("page", self.page, 1)
        if not 0 <= self.wrong <= 1:
            raise ValueError(f"queries.wrong is a share between 0 and 1, not {self.wrong}")


@dataclass(frozen=True)
class RelevanceFeedbackSettings:
    """Search by an example image, then by likes and dislikes.

    Args:
        method: what the report is about; the others stand beside it.
        beside: the others; 'no feedback', the control, is always there.
        classes: the data.
        features: the frozen vectors.
        head: a map of them to be trained, if any.
        queries: the examples and the user.
        training: of the head.
        evaluation: of all methods.
        seed: of weights and of every other random draw.
    """

    method: Method = "svm"
    beside: list[Method] = field(default_factory=lambda: ["mlp", "triplet", "kept-triplet", "rocchio", "pichunter"])
    classes: ClassSettings = field(default_factory=ClassSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    queries: QuerySettings = field(default_factory=QuerySettings)
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=20, batch_size=256))
    # Turn 1 answers the example; 15 iterations of feedback follow, as in the source.
    # A list begins with the pages that were judged, so that R@K of no more than a page never changes: see Hit@K.
    evaluation: EvaluationSettings = field(
        default_factory=lambda: EvaluationSettings(turns=16, seen="drop_from_rank", recall_at=[64, 128])
    )
    seed: int = 0

    def __post_init__(self) -> None:
        if self.evaluation.seen == "keep":
            raise ValueError("judged images leave the pool here; set evaluation.seen to drop_from_rank")

    def build(self, output: Path) -> "RelevanceFeedback":
        """Make the task that these settings describe; what it trains or caches goes to `output`."""
        from relevance.task import RelevanceFeedback

        return RelevanceFeedback(self, output)
