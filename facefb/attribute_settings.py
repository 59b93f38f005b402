"""Settings of attribute search, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data_prep.attributes import ATTRIBUTES
from data_prep.faces import FaceSettings
from facefb.settings import FeatureSettings
from multiturn.settings import EvaluationSettings, TrainingSettings, at_least

if TYPE_CHECKING:
    from facefb.attribute_search import AttributeSearch


@dataclass(frozen=True)
class SpaceSettings:
    """The common space of faces and queries, and its loss.

    Args:
        dim: of the space, the likelihoods included.
        hidden: width of the hidden layer of each tower; 0 leaves it out.
        loss: 'triplet' moves a face to its own query, away from queries that are wrong of it, as the source does;
            'softmax' moves all faces of a batch that fit a query before those that do not.
        margin: of the triplet loss.
        hard_negatives: examples of a batch that also get a query with 1 to 3 flipped attributes as a negative, in the
            triplet loss.
        hard_weight: of the loss on these.
        temperature: cosines are divided by it in the softmax loss.
        partial: train on queries of some of the attributes, as people ask them; otherwise all are always told.
        most_told: a partial query tells from 1 to so many attributes, or to all where there are fewer.
        teacher: share of the softmax loss that is learned from the attribute classifier, if the features are of one,
            instead of from the true attributes: how likely it thinks that each face fits.
        likelihood: what a unit of the attribute classifier's log-likelihood counts beside the cosine in a search, if
            the features are of one; it then takes 80 numbers of the space. 0 does without it. The towers learn as if
            it were not there.
        queries: made of each face of a batch, each of other attributes.
        views: random views of each training face, as `features.view` has them, that faces are learned from beside the
            faces as they are; one of all of these in each epoch.
    """

    dim: int = 300
    hidden: int = 512
    loss: Literal["triplet", "softmax"] = "triplet"
    margin: float = 0.5
    hard_negatives: int = 4
    hard_weight: float = 0.5
    temperature: float = 0.05
    partial: bool = True
    most_told: int = 40
    teacher: float = 0.0
    likelihood: float = 0.0
    queries: int = 1
    views: int = 0

    def __post_init__(self) -> None:
        for name in ("dim", "most_told", "queries"):
            at_least(name, getattr(self, name), 1)
        for name in ("hidden", "margin", "hard_negatives", "hard_weight", "likelihood", "views"):
            at_least(name, getattr(self, name), 0)
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if not 0 <= self.teacher <= 1 or (self.teacher > 0 and self.loss != "softmax"):
            raise ValueError(f"teacher is a share of the softmax loss, from 0 to 1, not {self.teacher} of {self.loss}")


@dataclass(frozen=True)
class QuerySettings:
    """The queries of an evaluation.

    Args:
        count: random test images that a query is made of; all of them where there are fewer.
        told: how many of the target's attributes are known by each turn; the last holds for all later turns.
    """

    count: int = 2000
    told: list[int] = field(default_factory=lambda: [3, 4, 5])

    def __post_init__(self) -> None:
        at_least("count", self.count, 1)
        if not self.told or self.told != sorted(self.told) or self.told[0] < 1:
            raise ValueError(f"queries.told never falls and starts at 1 or more, such as [3, 4, 5]; not {self.told}")
        if self.told[-1] > len(ATTRIBUTES):
            raise ValueError(f"queries.told is at most the {len(ATTRIBUTES)} attributes, not {self.told[-1]}")


@dataclass(frozen=True)
class AttributeSearchSettings:
    """Search of faces by attributes that they have or lack.

    Args:
        faces: the data.
        features: the frozen features of a face.
        space: the retriever and its loss.
        queries: of the evaluation.
        training: of the retriever.
        evaluation: of the retriever and what it is compared with.
        seed: of weights and of every random draw.
    """

    faces: FaceSettings = field(default_factory=FaceSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    space: SpaceSettings = field(default_factory=SpaceSettings)
    queries: QuerySettings = field(default_factory=QuerySettings)
    # papers/face-attribute-retrieval.txt, "Training setup"
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=10, batch_size=128))
    evaluation: EvaluationSettings = field(default_factory=lambda: EvaluationSettings(turns=1))
    seed: int = 0

    def build(self, output: Path) -> "AttributeSearch":
        """Make the task that these settings describe; what it trains or caches goes to `output`."""
        from facefb.attribute_search import AttributeSearch

        return AttributeSearch(self, output)
