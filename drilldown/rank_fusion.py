"""R-RankFusion: every query ranks the gallery by itself, and the ranks are averaged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from drilldown.model_settings import ScoreName
from drilldown.one_vector import the_only_slot
from drilldown.retriever import TextRetriever, texts_of
from drilldown.similarity import similarities
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.region_scoring import StateScores
from multiturn.regions import Regions
from multiturn.replies import Reply
from multiturn.scoring import DenseScores

_SCORES_AT_ONCE = 1 << 22  # sorted at once: 32 MB, and as much for their places


@dataclass(frozen=True)
class RanksSoFar:
    """Sum of each candidate's ranks over the turns; half ranks where scores tie.

    It takes a number a session and candidate: 1 GB for 256 sessions and half a million candidates.
    """

    total: Float64[Tensor, "session candidate"]
    turns: int


class RRankFusion(TextRetriever, HubModel):
    """R-RankFusion: scores each query alone on regions; the lower the mean rank, the higher the score.

    Args:
        words: as in `drilldown.drill_down.DrillDown`, like all that follow.
        fingerprint: of the encoder of the regions.
        region_dim: length of its vectors.
        dim: of a query's vector and of a region.
        embedding_dim: of a word.
        score: 'code' or 'paper'; see `drilldown.retriever.formula_of`.
        sharpness: likewise.
        text: settings of a frozen encoder of texts, in place of `words`.
        kind: see `drilldown.retriever.TextRetriever`.
    Source:
        papers/drill-down.txt, section 4, baseline (4). Candidates that tie share the mean of their ranks.
    """

    kind = "r-rankfusion"

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
        kind: str = "r-rankfusion",
    ) -> None:
        super().__init__(words, fingerprint, region_dim, dim, embedding_dim, score, sharpness, text, kind)

    def start(self, sessions: int, gallery: Gallery) -> RanksSoFar:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder, or has no regions.
        """
        self.projection.region_vectors(gallery)
        total = torch.zeros(sessions, len(gallery), dtype=torch.float64, device=gallery.vectors.device)
        return RanksSoFar(total, 0)

    def update(self, state: RanksSoFar, reply: Reply, gallery: Gallery) -> RanksSoFar:
        """See `multiturn.session.Retriever.update`."""
        vectors = self.queries(texts_of(reply, len(state.total)))
        start = StateScores.start(len(vectors), 1, self.projection.region_vectors(gallery), self.formula, fine=True)
        scores = start.after(the_only_slot(vectors), vectors)
        return RanksSoFar(state.total + ranks_of_all(scores), state.turns + 1)

    def score(self, state: RanksSoFar, gallery: Gallery) -> DenseScores:
        """See `multiturn.session.Retriever.score`."""
        return DenseScores(-state.total / max(1, state.turns))

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """See `drilldown.retriever.TextRetriever.tables`: of each turn's query alone, as ranks have no gradient."""
        pictures = self.projection.pictures(regions)
        return [similarities(vector, pictures, self.formula) for vector in self.encoded(said)]


def ranks_of_all(scores: StateScores) -> Float64[Tensor, "session candidate"]:
    """Rank of every candidate in each session by the float32 scores, 1 the best; equal ones share their mean rank."""
    sessions, candidates = scores.shape
    negative = -scores.block(0, candidates)
    parts = []
    for part in negative.split(max(1, _SCORES_AT_ONCE // candidates)):
        ascending = part.sort(1).values
        below, up_to = (torch.searchsorted(ascending, part.contiguous(), right=right) for right in (False, True))
        parts.append((below + up_to + 1).double() / 2)
    return torch.cat(parts).view(sessions, candidates)
