"""Settings of the vg-drilldown task, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from drilldown.model_settings import LossSettings, ModelSettings
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import EvaluationSettings, TrainingSettings, at_least

if TYPE_CHECKING:
    from drilldown.task import Drilldown


@dataclass(frozen=True)
class CaptionSettings:
    """Which images, and which of their captions.

    Args:
        source: 'drawn' needs no download; 'flickr8k' has five captions an image; 'visual_genome' has dozens.
        root: folder of Flickr8k or of Visual Genome, as `data_prep` reads them.
        splits: folder with Visual Genome's lists of ids; by default ROOT/splits, or else a seeded draw.
        pixels: look for the images of Visual Genome; false takes captions alone, for precomputed regions.
        bad_images: what to do about files that cannot be decoded.
        more_than: a word is known that comes more than so many times in the captions of the training images.
        count: of drawn scenes, all parts together.
        size: of drawn scenes, in pixels.
        captions: of each drawn scene.
        seed: of drawn scenes, and of a split that has to be drawn.
    Source:
        papers/drill-down.txt, "Dataset": words that come more than 10 times.
    """

    source: Literal["drawn", "flickr8k", "visual_genome"] = "drawn"
    root: str | None = None
    splits: str | None = None
    pixels: bool = True
    bad_images: Literal["error", "skip"] = "error"
    more_than: int = 10
    count: int = 4000
    size: int = 96
    captions: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("more_than", self.more_than, 0)
        if self.source == "drawn" and self.root is not None:
            raise ValueError(f"data.root is {self.root}, but scenes are drawn; set data.source to flickr8k or another")
        if self.source != "drawn" and self.root is None:
            raise ValueError(f"data.source {self.source} is read from a folder; give it as data.root")


@dataclass(frozen=True)
class RegionSettings:
    """Which frozen vectors stand for the regions of an image.

    Args:
        kind: 'scenes': cells of a small network trained here on the drawn training scenes; 'encoder': cells or
            detected regions of a network of the catalogue; 'precomputed': galleries of regions, such as
            `python -m multiturn.encoders.regions.convert` writes.
        encoder: for kind 'encoder'.
        path: for kind 'precomputed': one gallery that holds all images, or one a part, with {part} in its name
            for train, validation and test.
        checkpoint: output folder of a run whose scene network is to be used instead of training one, or
            ORG/NAME[@REVISION] on the Hub. The run keeps it, and is evaluated with what it kept.
        standardise: bring each number to mean 0 and standard deviation 1 over the regions of the training images.
        batch_size: images at once when encoding.
        training: of the scene network.
    """

    kind: Literal["scenes", "encoder", "precomputed"] = "scenes"
    encoder: EncoderSettings = field(
        default_factory=lambda: EncoderSettings("squeezenet", regions="grid", rows=6, columns=6)
    )
    path: str | None = None
    checkpoint: str | None = None
    standardise: bool = True
    batch_size: int = 64
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=16, batch_size=32, learning_rate=3e-3, weight_decay=0.05, decay=True
        )
    )

    def __post_init__(self) -> None:
        at_least("batch_size", self.batch_size, 1)
        if (self.kind == "precomputed") != (self.path is not None):
            raise ValueError(
                f"regions.kind is {self.kind} and regions.path is {self.path}; a path goes with kind precomputed"
            )
        if self.kind == "encoder" and self.encoder.regions is None and self.encoder.kind != "faster_rcnn":
            raise ValueError(
                f"regions.encoder ({self.encoder.kind}) makes one vector an image; set regions.encoder.regions to grid"
            )


@dataclass(frozen=True)
class NoiseSettings:
    """What spoils the captions in the report's sessions, each at a rate in [0, 1]; see `drilldown.noise`.

    Args:
        wrong: share of the sessions in which one caption is of another image.
        paraphrased: share of the words with synonyms that are replaced by one.
        shuffled: share of the captions whose words come in a random order.
        dropped: share of the words left out.
        mistyped: share of the longer words with a typo.
    """

    wrong: float = 0.0
    paraphrased: float = 0.0
    shuffled: float = 0.0
    dropped: float = 0.0
    mistyped: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0 <= (rate := getattr(self, one.name)) <= 1:
                raise ValueError(f"noise.{one.name} is a rate between 0 and 1, not {rate}")


@dataclass(frozen=True)
class DrilldownSettings:
    """Retrieval of scenes with several sentences.

    Args:
        data: images and captions.
        regions: their frozen regions.
        model: the retriever.
        loss: what it is trained for; `stage` of the task says in which stages.
        training: stage 1: all but the policy, with the fixed policy.
        joint: stage 2: the policy, and the rest with it.
        stage: 1 or 2 alone, or 0 for all that the model needs: stage 1, then stage 2 where the policy is learned.
        stage1: for stage 2 alone: output folder of stage 1, or ORG/NAME[@REVISION] on the Hub.
        single_state: of a model with several states, train one of the same memory too, first, as the baseline that
            tells what several are good for.
        choose: the best epoch by 'recall', R@K on the validation part, the mean over K and turns; by its 'loss'; or
            as the 'paper': by the loss in stage 1, and by recall in stage 2.
        noise: of the user in the report.
        evaluation: of the retriever.
        seed: of weights and of every random draw.
    Source:
        papers/drill-down.txt, section 3.5 and "Implementation details", and the released code's two training
        scripts.
    """

    data: CaptionSettings = field(default_factory=CaptionSettings)
    regions: RegionSettings = field(default_factory=RegionSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(20, gradient_norm=10.0))
    joint: TrainingSettings = field(default_factory=lambda: TrainingSettings(5, learning_rate=1e-4, gradient_norm=10.0))
    stage: Literal[0, 1, 2] = 0
    stage1: str | None = None
    single_state: bool = False
    choose: Literal["paper", "recall", "loss"] = "paper"
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    evaluation: EvaluationSettings = field(default_factory=lambda: EvaluationSettings(10, recall_at=[1, 5, 10]))
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss.stage != 1:
            raise ValueError(f"loss.stage {self.loss.stage} is set by the task; give --stage {self.loss.stage}")
        if self.stage == 2 and self.stage1 is None:
            raise ValueError("stage 2 goes on from stage 1; give its output folder as stage1, or leave stage out")
        if self.learned and self.stage != 1 and not 1 < self.model.states < self.loss.turns:
            raise ValueError(
                f"a policy with {self.model.states} states and {self.loss.turns} turns has nothing to choose; take "
                "from 2 states to one less than there are turns, or set model.policy to fixed"
            )
        if self.stage == 2 and not self.learned:
            raise ValueError("stage 2 trains the policy of a drill-down model; set model.policy to learned")
        if self.stage != 2 and self.stage1 is not None:
            raise ValueError(f"stage1 ({self.stage1}) is where stage 2 begins; set stage to 2, or leave stage1 out")
        if self.regions.kind == "scenes" and self.data.source != "drawn":
            raise ValueError(
                f"regions of kind scenes are learned from drawn scenes, and data.source is {self.data.source}; set "
                "regions.kind to encoder or precomputed"
            )
        if not self.evaluation.recall_at:
            raise ValueError("evaluation.recall_at is empty; the paper reports R@1, R@5 and R@10: [1, 5, 10]")

    @property
    def learned(self) -> bool:
        """Whether the model has a policy to be trained."""
        return self.model.kind == "drill-down" and self.model.policy == "learned"

    @property
    def compared(self) -> bool:
        """Whether one state of the same memory is trained beside the model."""
        return self.single_state and self.model.kind == "drill-down" and self.model.states > 1

    @property
    def of_one_state(self) -> "DrilldownSettings":
        """The same with one state vector that is as long as all those of this model together."""
        model = replace(self.model, states=1, dim=self.model.states * self.model.dim, policy="fixed")
        return replace(self, model=model, stage=0, stage1=None, single_state=False)

    def build(self, output: Path) -> "Drilldown":
        """Make the task that these settings describe; what it trains or caches goes to `output`."""
        from drilldown.task import Drilldown

        return Drilldown(self, output)

    def ablate(self, output: Path) -> "list[dict[str, Any]]":
        """Train and compare the models of the paper's figure 3; see `drilldown.ablation.ablate`."""
        from drilldown.ablation import ablate

        return ablate(self, output)

    def describe(self, vocabulary: int, region_dim: int, regions: int) -> "dict[str, Any]":
        """Count the model's parameters, and what it keeps, without any data; see `drilldown.sizes.describe`."""
        from drilldown.sizes import DataSizes, describe

        return describe(self.model, DataSizes(vocabulary, region_dim, regions), self.evaluation.turns)
