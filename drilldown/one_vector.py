"""What models with one vector a session, scored on regions, share; what a query does to it is each model's own."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drilldown.retriever import TextRetriever, texts_of
from drilldown.similarity import similarities
from multiturn.gallery import Gallery
from multiturn.region_scoring import StateScores
from multiturn.regions import Regions
from multiturn.replies import Reply


@dataclass(frozen=True)
class RegionState:
    """One vector a session, and its scores on regions."""

    vector: Float[Tensor, "session dim"]
    scores: StateScores


class OneVector(TextRetriever):
    """A model with one vector a session, scored on the regions of a picture."""

    def hearing(self, texts: Sequence[str], vector: Float[Tensor, "session dim"]) -> Float[Tensor, "session dim"]:
        """The vector after one more query a session; it is zero before the first."""
        raise NotImplementedError

    def after_turns(self, said: Sequence[Sequence[str]]) -> Sequence[Float[Tensor, "session dim"]]:
        """The vector after each turn of whole sessions, with gradients.

        Args:
            said: what each session says, turn after turn, as much in each.
        """
        raise NotImplementedError

    def start(self, sessions: int, gallery: Gallery) -> RegionState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder, or has no regions.
        """
        scores = StateScores.start(sessions, 1, self.projection.region_vectors(gallery), self.formula)
        return RegionState(self.projection.map.weight.new_zeros(sessions, self.dim), scores)

    def update(self, state: RegionState, reply: Reply, gallery: Gallery) -> RegionState:
        """See `multiturn.session.Retriever.update`."""
        vector = self.hearing(texts_of(reply, len(state.vector)), state.vector)
        return RegionState(vector, state.scores.after(the_only_slot(vector), vector))

    def score(self, state: RegionState, gallery: Gallery) -> StateScores:
        """See `multiturn.session.Retriever.score`."""
        return state.scores

    def tables(self, said: Sequence[Sequence[str]], regions: Regions) -> list[Float[Tensor, "session picture"]]:
        """See `drilldown.retriever.TextRetriever.tables`."""
        pictures = self.projection.pictures(regions)
        return [similarities(vector, pictures, self.formula) for vector in self.after_turns(said)]


def the_only_slot(vectors: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
    """Slot 0 of each session, for models with one state."""
    return torch.zeros(len(vectors), dtype=torch.long, device=vectors.device)
