"""HRE and R-HRE: one vector a session, a GRU over the vectors of its queries, compared with one vector or regions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from drilldown.model_settings import ScoreName
from drilldown.one_vector import OneVector
from drilldown.retriever import TextRetriever, texts_of
from drilldown.states import new_cell
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.regions import Regions
from multiturn.replies import Reply
from multiturn.scoring import DenseScores, VectorScores


@dataclass(frozen=True)
class VectorState:
    """One vector a session; None before anything was said, as nothing is like it then."""

    vector: Float[Tensor, "session dim"]
    said: bool


class HRE(TextRetriever, HubModel):
    """Hierarchical recurrent encoder: the cosine of one vector a session with one vector a picture.

    A picture of several regions has their mean as its vector.

    Args:
        words: as in `drilldown.drill_down.DrillDown`, like all that follow.
        fingerprint: of the encoder of the pictures.
        region_dim: length of its vectors.
        dim: of the session's vector.
        embedding_dim: of a word.
        text: settings of a frozen encoder of texts, in place of `words`.
        kind: see `drilldown.retriever.TextRetriever`.
    Source:
        papers/drill-down.txt, section 4, baseline (1). Its pictures are ResNet-152's mean-pooled features; give a
        gallery of those, or the mean of the regions stands for them.
    """

    kind = "hre"

    def __init__(
        self,
        words: Sequence[str] | None,
        fingerprint: str,
        region_dim: int = 2048,
        dim: int = 1280,
        embedding_dim: int = 300,
        text: Mapping[str, Any] | None = None,
        kind: str = "hre",
    ) -> None:
        super().__init__(words, fingerprint, region_dim, dim, embedding_dim, "code", 9.0, text, kind)
        self.cell = new_cell(dim)

    def check(self, gallery: Gallery) -> None:
        """Raise ValueError unless this model can search, or be trained on, a gallery, of regions or not."""
        self.projection.check(gallery)

    def start(self, sessions: int, gallery: Gallery) -> VectorState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder.
        """
        self.check(gallery)
        return VectorState(self.cell.weight_hh.new_zeros(sessions, self.dim), False)

    def update(self, state: VectorState, reply: Reply, gallery: Gallery) -> VectorState:
        """See `multiturn.session.Retriever.update`."""
        texts = texts_of(reply, len(state.vector))
        return VectorState(self.cell(self.queries(texts), state.vector), True)

    def score(self, state: VectorState, gallery: Gallery) -> VectorScores | DenseScores:
        """See `multiturn.session.Retriever.score`: 0 for all before anything was said."""
        if not state.said:
            return DenseScores(state.vector.new_zeros(len(state.vector), 1).expand(-1, len(gallery)))
        return VectorScores(state.vector, *self.projection.global_vectors(gallery), "cosine")

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """See `drilldown.retriever.TextRetriever.tables`."""
        pictures = normalize(self.projection.globals_of(regions), dim=-1)
        return [normalize(vector, dim=-1) @ pictures.T for vector in over_turns(self.cell, self.encoded(said))]


class RHRE(OneVector, HubModel):
    """R-HRE: the vector of `HRE`, scored on the regions of a picture.

    Args:
        words: as in `drilldown.drill_down.DrillDown`, like all that follow.
        fingerprint: of the encoder of the regions.
        region_dim: length of its vectors.
        dim: of the session's vector and of a region.
        embedding_dim: of a word.
        score: 'code' or 'paper'; see `drilldown.retriever.formula_of`.
        sharpness: likewise.
        text: settings of a frozen encoder of texts, in place of `words`.
        kind: see `drilldown.retriever.TextRetriever`.
    Source:
        papers/drill-down.txt, section 4, baseline (2).
    """

    kind = "r-hre"

    def __init__(
        self,
        words: Sequence[str] | None,
        fingerprint: str,
        region_dim: int = 2048,
        dim: int = 1280,
        embedding_dim: int = 300,
        score: ScoreName = "code",
        sharpness: float = 9.0,
        text: Mapping[str, Any] | None = None,
        kind: str = "r-hre",
    ) -> None:
        super().__init__(words, fingerprint, region_dim, dim, embedding_dim, score, sharpness, text, kind)
        self.cell = new_cell(dim)

    def hearing(self, texts: Sequence[str], vector: Float[Tensor, "session dim"]) -> Float[Tensor, "session dim"]:
        """See `drilldown.one_vector.OneVector.hearing`."""
        return self.cell(self.queries(texts), vector)

    def after_turns(self, said: Sequence[Sequence[str]]) -> Sequence[Float[Tensor, "session dim"]]:
        """See `drilldown.one_vector.OneVector.after_turns`."""
        return over_turns(self.cell, self.encoded(said))


def over_turns(
    cell: torch.nn.GRUCell, queries: Float[Tensor, "turn session dim"]
) -> list[Float[Tensor, "session dim"]]:
    """The session's vector after each turn."""
    vectors = [torch.zeros_like(queries[0])]
    for query in queries:
        vectors.append(cell(query, vectors[-1]))
    return vectors[1:]
