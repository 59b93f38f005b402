"""Settings of reverse face search, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from data_prep.faces import FaceSettings
from facefb.settings import FeatureSettings
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import EvaluationSettings, TrainingSettings, at_least

if TYPE_CHECKING:
    from facefb.reverse_search import ReverseSearch

Saying = Literal["example", "wrong", "nothing"]
Combine = Literal["mean", "best", "first"]


@dataclass(frozen=True)
class PeopleSettings:
    """Whose faces.

    Args:
        root: LFW's folder, with a folder for each person in it; without one, faces are drawn.
        bad_images: what to do about files that cannot be decoded.
        count: of drawn faces; three quarters of the people in them train the embedder, the others are searched.
        size: of drawn faces, in pixels.
        difficulty: of drawn faces: 0 is clean and frontal.
        seed: of drawn faces.
    """

    root: str | None = None
    bad_images: Literal["error", "skip"] = "error"
    count: int = 6000
    size: int = 64
    difficulty: float = 0.3
    seed: int = 0

    @property
    def drawn(self) -> FaceSettings:
        """The drawn faces, as `data_prep.faces.load_faces` takes them."""
        return FaceSettings(count=self.count, size=self.size, difficulty=self.difficulty, seed=self.seed)


@dataclass(frozen=True)
class EmbedderSettings:
    """What makes a vector of a picture.

    Args:
        kind: 'network': one trained here on drawn faces; 'encoder': one of the catalogue, on its own weights.
        network: for kind 'network'; vectors have length 1.
        encoder: for kind 'encoder'; `encoder.normalise` scales vectors to length 1, those of faces always are.
        batch_size: pictures at once when encoding.
    """

    kind: Literal["network", "encoder"] = "network"
    network: FeatureSettings = field(default_factory=FeatureSettings)
    encoder: EncoderSettings = field(default_factory=lambda: EncoderSettings("squeezenet", normalise=True))
    batch_size: int = 64

    def __post_init__(self) -> None:
        at_least("batch_size", self.batch_size, 1)
        if self.kind == "encoder" and (self.encoder.items != "image" or self.encoder.regions or self.encoder.boxes):
            raise ValueError(f"a face needs one vector; an encoder of kind {self.encoder.kind} as set makes others")


@dataclass(frozen=True)
class ExampleSettings:
    """What the simulated user gives and says, and how the retriever takes it.

    Args:
        combine: how several examples become one query: their 'mean', which ranks better on LFW than the other, the
            'best' of a candidate's scores; 'first' takes the first example alone.
        self_hit: whether a candidate that is an example itself is left out, or kept as the source does, whose first
            hit is always the query.
        says: in turn 1, 2, ...: one more 'example' photo of the person; which faces of the page are of 'wrong' people;
            or 'nothing'. The last holds for all later turns.
    """

    combine: Combine = "mean"
    self_hit: Literal["leave_out", "keep"] = "leave_out"
    says: list[Saying] = field(default_factory=lambda: ["example", "wrong", "example", "wrong", "example"])

    def __post_init__(self) -> None:
        check_says(self.says)


@dataclass(frozen=True)
class OpenSetSettings:
    """The search for people who may not be there; see `facefb.reverse_open_set`.

    Args:
        fpir: shares of strangers that may be taken for somebody, at which misses are counted.
        seed: of who is enrolled.
    """

    fpir: list[float] = field(default_factory=lambda: [0.003, 0.01, 0.1])
    seed: int = 0

    def __post_init__(self) -> None:
        if wrong := [level for level in self.fpir if not 0 < level < 1]:
            raise ValueError(f"open_set.fpir holds shares between 0 and 1, not {wrong[0]}")


@dataclass(frozen=True)
class PagesSettings:
    """The page of a search, and the picture of some.

    Args:
        top: faces on a page.
        people: whose first photo is searched for in the picture, by name; some of the people found if none are given.
    """

    top: int = 20  # papers/reverse-visual-search.txt, section 4
    people: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        at_least("top", self.top, 1)


@dataclass(frozen=True)
class ReverseSearchSettings:
    """Search for a person by example photos.

    Args:
        faces: the data.
        embedder: of the faces.
        baseline: another embedder, that has not learned to tell people apart.
        examples: of the user.
        open_set: the search for people who may not be there.
        pages: of the results.
        evaluation: of the retriever with either embedder.
        seed: of the embedders' weights.
    """

    faces: PeopleSettings = field(default_factory=PeopleSettings)
    embedder: EmbedderSettings = field(
        default_factory=lambda: EmbedderSettings(network=FeatureSettings("identities", standardise=False))
    )
    baseline: EmbedderSettings = field(
        default_factory=lambda: EmbedderSettings(network=FeatureSettings("untrained", standardise=False))
    )
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    open_set: OpenSetSettings = field(default_factory=OpenSetSettings)
    pages: PagesSettings = field(default_factory=PagesSettings)
    evaluation: EvaluationSettings = field(
        default_factory=lambda: EvaluationSettings(turns=5, recall_at=[1, 5, 20], page=20)
    )
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("embedder", "baseline"):
            chosen: EmbedderSettings = getattr(self, name)
            if chosen.kind != "network":
                continue
            if chosen.network.kind == "timm":
                raise ValueError(
                    f"{name}.network.kind is timm; set {name}.kind to encoder and {name}.encoder.kind to timm"
                )
            if self.faces.root is not None:
                raise ValueError(
                    f"{name}.kind is network, which is trained on drawn faces, but faces.root is {self.faces.root}; "
                    f"set {name}.kind to encoder, as the presets in configs/lfw-reverse do"
                )
            if chosen.network.standardise:
                raise ValueError(
                    f"{name}.network.standardise has no meaning here, where lengths are 1; set it to false"
                )

    @property
    def training(self) -> TrainingSettings:
        """Of the embedder: nothing of the retriever itself is trained."""
        return self.embedder.network.training

    def build(self, output: Path) -> "ReverseSearch":
        """Make the task that these settings describe; what it trains or caches goes to `output`."""
        from facefb.reverse_search import ReverseSearch

        return ReverseSearch(self, output)


def check_says(says: list[Saying]) -> None:
    """Raise ValueError unless a user begins with an example and says what is known."""
    if not says or says[0] != "example" or not set(says) <= set(get_args(Saying)):
        raise ValueError(
            f"says begins with 'example' and goes on with {', '.join(get_args(Saying))}, such as example, wrong, "
            f"example; not {says}"
        )
