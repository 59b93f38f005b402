"""R-RE: one GRU reads all queries of a session as one text, and its state is scored on the regions of a picture."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from drilldown.model_settings import ScoreName
from drilldown.one_vector import OneVector
from drilldown.queries import WordQueries
from multiturn.hub.model import HubModel


class RRE(OneVector, HubModel):
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

    def hearing(self, texts: Sequence[str], vector: Float[Tensor, "session dim"]) -> Float[Tensor, "session dim"]:
        """See `drilldown.one_vector.OneVector.hearing`."""
        return self.reader.continued([[text] for text in texts], vector)[:, 0]

    def after_turns(self, said: Sequence[Sequence[str]]) -> Sequence[Float[Tensor, "session dim"]]:
        """See `drilldown.one_vector.OneVector.after_turns`."""
        return self.reader.continued(said).unbind(1)
