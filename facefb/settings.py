"""Settings of the face tasks, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_prep.faces import FaceSettings
from multiturn.settings import EvaluationSettings, TrainingSettings, at_least

if TYPE_CHECKING:
    from facefb.feedback import AttributeFeedback


@dataclass(frozen=True)
class ViewSettings:
    """How differently a picture may be cropped; each view is mirrored or not, too.

    Args:
        zoom: faces appear up to so many times as large, or as small; 1 leaves their size.
        stretch: they are up to so many times as high for their width, or as low; 1 leaves their proportions.
        shift: they are moved by up to this share of the picture's height and width.
    """

    zoom: float = 1.0
    stretch: float = 1.0
    shift: float = 1 / 16

    def __post_init__(self) -> None:
        at_least("zoom", self.zoom, 1)
        at_least("stretch", self.stretch, 1)
        if not 0 <= self.shift < 1:
            raise ValueError(f"shift is a share of the picture, from 0 to below 1, not {self.shift}")


@dataclass(frozen=True)
class FeatureSettings:
    """Which frozen features stand for a face.

    Args:
        kind: 'attributes': an SE-ResNet trained here to read the 40 attributes; 'identities': the same network
            trained here to tell people apart; 'untrained': the same network as initialised; 'timm': any backbone
            of timm.
        checkpoint: folder of an SE-ResNet trained before, or of a run with one, or ORG/NAME[@REVISION] on the Hub;
            used instead of training one. The run keeps it, and is evaluated with what it kept.
        block: of the SE-ResNet, 'basic' or 'bottleneck'.
        layers: blocks in each of its four stages.
        channels: width of each stage.
        height: of the input, in pixels.
        width: of the input, in pixels.
        timm_name: of the backbone, for kind 'timm'.
        timm_weights: file of its weights; without one timm fetches its own.
        standardise: bring each feature to mean 0 and standard deviation 1 on the training faces.
        batch_size: images at once when encoding.
        training: of the SE-ResNet.
        view: the random views of faces that the SE-ResNet is trained on.
    """

    kind: Literal["attributes", "identities", "untrained", "timm"] = "attributes"
    checkpoint: str | None = None
    block: Literal["basic", "bottleneck"] = "basic"
    layers: list[int] = field(default_factory=lambda: [1, 1, 1, 1])
    channels: list[int] = field(default_factory=lambda: [32, 64, 128, 256])
    height: int = 64
    width: int = 64
    timm_name: str = "resnet50"
    timm_weights: str | None = None
    standardise: bool = True
    batch_size: int = 256
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=8, decay=True))
    view: ViewSettings = field(default_factory=ViewSettings)

    def __post_init__(self) -> None:
        at_least("height", self.height, 16)
        at_least("width", self.width, 16)


@dataclass(frozen=True)
class WitnessSettings:
    """What the simulated witness says; see `facefb.users.Disclosure`.

    Args:
        masked: share of the attributes that stays unsaid in each turn.
        nested: whether what was said once is said in every later turn too.
        candidate: whether the attributes of the shown face are said as well.
    """

    masked: list[float] = field(default_factory=lambda: [0.5, 0.3, 0.2, 0.1, 0.0])
    nested: bool = False
    candidate: bool = True


@dataclass(frozen=True)
class GRUSettings:
    """The attribute-feedback GRU and its loss.

    Args:
        hidden: size of its layers.
        fusion: 'linear' as in the paper, or 'mlp' with one ReLU layer more.
        margin: of the triplet loss.
        nearest: in training the shown face is drawn from this many nearest ones.
        turns: replies a session in training.
    """

    hidden: int = 256
    fusion: Literal["linear", "mlp"] = "linear"
    margin: float = 2.0
    nearest: int = 10
    turns: int = 5

    def __post_init__(self) -> None:
        at_least("hidden", self.hidden, 1)
        at_least("margin", self.margin, 0)
        at_least("nearest", self.nearest, 1)
        at_least("turns", self.turns, 1)


@dataclass(frozen=True)
class AttributeFeedbackSettings:
    """Facial image retrieval with progressive attribute feedback.

    Args:
        faces: the data.
        features: the frozen features of a face.
        witness: the simulated user.
        gru: the retriever.
        training: of the retriever.
        evaluation: of the retriever and the baselines.
        seed: of weights and of every random draw.
    """

    faces: FaceSettings = field(default_factory=FaceSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    witness: WitnessSettings = field(default_factory=WitnessSettings)
    gru: GRUSettings = field(default_factory=GRUSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    seed: int = 0

    def build(self, output: Path) -> "AttributeFeedback":
        """Make the task that these settings describe; what it trains or caches goes to `output`."""
        from facefb.feedback import AttributeFeedback

        return AttributeFeedback(self, output)

    def ablate(self, output: Path) -> "list[dict[str, Any]]":
        """Train and evaluate the variants of the paper's ablations; see `facefb.ablation.ablate`."""
        from facefb.ablation import ablate

        return ablate(self, output)
