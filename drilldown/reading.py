"""R-RE: one GRU reads all queries of a session as one text, and its state is scored on the regions of a picture."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from drilldown.model_settings import ScoreName
from drilldown.queries import WordQueries
from drilldown.recurrent import RegionState, the_only_slot
from drilldown.retriever import TextRetriever, texts_of
from drilldown.similarity import similarities
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.region_scoring import StateScores
from multiturn.regions import Regions
from multiturn.replies import Reply


class RRE(TextRetriever, HubModel):
    """R-RE: recurrent encoder of the concatenated queries.

    Args:
        words: as in `drilldown.drill_down.DrillDown`, like all that follow.
        fingerprint: of the encoder of the regions.
        region_dim: length of its vectors.
        dim: of the session's vector and of a region.
        embedding_dim: of a word.
        score: 'code' or 'paper'; see `drilldown.retriever.formula_of`.
        sharpness: likewise.
        kind: see `drilldown.retriever.TextRetriever`.
    Source:
        papers/drill-down.txt, section 4, baseline (3). Table 1 counts the context GRU of R-HRE in its parameters;
        it is never called, and is not here.
    """

    kind = "r-re"

    def __init__(
        self,
        words: Sequence[str],
        fingerprint: str,
        region_dim: int = 2048,
        dim: int = 1280,
        embedding_dim: int = 300,
        score: ScoreName = "code",
        sharpness: float = 9.0,
        kind: str = "r-re",
    ) -> None:
        super().__init__(words, fingerprint, region_dim, dim, embedding_dim, score, sharpness, None, kind)

    @property
    def reader(self) -> WordQueries:
        """The GRU and its words."""
        assert isinstance(self.queries, WordQueries)
        return self.queries

    def start(self, sessions: int, gallery: Gallery) -> RegionState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder, or has no regions.
        """
        scores = StateScores.start(sessions, 1, self.projection.region_vectors(gallery), self.formula)
        return RegionState(self.projection.map.weight.new_zeros(sessions, self.dim), scores)

    def update(self, state: RegionState, reply: Reply, gallery: Gallery) -> RegionState:
        """See `multiturn.session.Retriever.update`."""
        vector = self.reader.continued([[text] for text in texts_of(reply)], state.vector)[:, 0]
        return RegionState(vector, state.scores.after(the_only_slot(vector), vector))

    def score(self, state: RegionState, gallery: Gallery) -> StateScores:
        """See `multiturn.session.Retriever.score`."""
        return state.scores

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """See `drilldown.retriever.TextRetriever.tables`."""
        pictures = self.projection.pictures(regions)
        vectors = self.reader.continued(said).unbind(1)
        return [similarities(vector, pictures, self.formula) for vector in vectors]
