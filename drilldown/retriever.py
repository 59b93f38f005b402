"""What Drill-down and its baselines share: the text side, the region side and the score; each model is a file."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from drilldown.model_settings import Kind, ScoreName
from drilldown.queries import WordQueries, query_encoder
from drilldown.region_space import Projection
from multiturn.gallery import Gallery
from multiturn.region_scoring import RegionFormula
from multiturn.regions import Regions
from multiturn.replies import Reply, TextReply


def formula_of(score: ScoreName, sharpness: float) -> RegionFormula:
    """The score of a picture's regions.

    Source:
        papers/drill-down.txt, eq. (1): cosines divided by sigma = 9 in the softmax, 1/N, and the mean over all M
        states: 'paper'. The released code multiplies by 9, has no 1/N, and takes the mean over the states that
        are filled: 'code'.
    """
    if score == "code":
        return RegionFormula(sharpness, per_region=False, average="filled")
    return RegionFormula(1 / sharpness, per_region=True, average="all")


class TextRetriever(nn.Module):
    """The parts of all models: `queries`, `projection` and `formula`; each model has `tables` besides.

    Args:
        words: of the vocabulary; None where `text` has the settings of a frozen encoder.
        fingerprint: of the encoder of the pictures.
        region_dim: length of its vectors.
        dim: of queries, states and regions.
        embedding_dim: of a word.
        score: 'code' or 'paper'; see `formula_of`.
        sharpness: see `formula_of`.
        text: see `drilldown.queries.FrozenQueries`.
        kind: what config.json says it is; the weights of some models would fit another.
    Raises:
        ValueError: that is another model.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        words: Sequence[str] | None,
        fingerprint: str,
        region_dim: int,
        dim: int,
        embedding_dim: int,
        score: ScoreName,
        sharpness: float,
        text: Mapping[str, Any] | None,
        kind: str,
    ) -> None:
        super().__init__()
        if kind != self.kind:
            raise ValueError(f"this is the configuration of a model {kind}, not {self.kind}; set model.kind to {kind}")
        self.queries = query_encoder(words, text, dim, embedding_dim)
        self.projection = Projection(fingerprint, region_dim, dim)
        self.formula, self.dim = formula_of(score, sharpness), dim

    @property
    def fingerprint(self) -> str:
        """Of the encoder of the pictures."""
        return self.projection.fingerprint

    @property
    def words(self) -> tuple[str, ...] | None:
        """Of the vocabulary, the special ones first; None with a frozen text encoder."""
        return self.queries.words.vocabulary.words if isinstance(self.queries, WordQueries) else None

    def check(self, gallery: Gallery) -> None:
        """Raise ValueError unless this model can search, or be trained on, a gallery."""
        self.projection.check(gallery)
        self.projection.check_regions(gallery)

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """Score every picture of a batch for every session, after each turn, with gradients.

        Args:
            said: what each session says, turn after turn, as much in each.
            regions: of the sessions' targets, in their order.
        """
        raise NotImplementedError

    def encoded(self, said: Sequence[Sequence[str]]) -> Float[Tensor, "turn session dim"]:
        """Vectors of all queries of a batch, in one call of the encoder."""
        turns = len(said[0])
        texts = [queries[turn] for turn in range(turns) for queries in said]
        return self.queries(texts).view(turns, len(said), self.dim)


def texts_of(reply: Reply, sessions: int) -> tuple[str, ...]:
    """What was said, one text a session.

    Raises:
        ValueError: the reply is no `TextReply`, or for another number of sessions.
    """
    if not isinstance(reply, TextReply):
        raise ValueError(f"this retriever understands text replies, not {type(reply).__name__}")
    if len(reply.text) != sessions:
        raise ValueError(f"{len(reply.text)} texts for {sessions} sessions; give one text a session")
    return reply.text
