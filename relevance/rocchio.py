"""Rocchio: the query moves towards what is liked and away from what is disliked."""

import torch

from multiturn.gallery import Gallery
from multiturn.scoring import Scores
from relevance.retriever import NoFeedback, cosine_scores, directions, mean_of
from relevance.state import RelevanceState


class Rocchio(NoFeedback):
    """Cosine to q' = a q + b mean(liked) - c mean(disliked), all vectors at length 1.

    Args:
        example: a, weight of the example image.
        liked: b.
        disliked: c.
    Source:
        Rocchio, "Relevance feedback in information retrieval", 1971; the weights 1, 0.75 and 0.15 are those that
        Manning, Raghavan and Schuetze, "Introduction to Information Retrieval", 2008, chapter 9, call
        reasonable. It would move on one class alone; here, as all methods, it waits for both.
    """

    def __init__(self, example: float = 1.0, liked: float = 0.75, disliked: float = 0.15) -> None:
        super().__init__()
        self.example, self.liked, self.disliked = example, liked, disliked

    def _score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        start = directions(state, gallery)
        if not bool(state.both.any()):
            return cosine_scores(start, gallery)
        moved = self.example * start + self.liked * mean_of(state, gallery, 1)
        moved = moved - self.disliked * mean_of(state, gallery, -1)
        return cosine_scores(torch.where(state.both[:, None], moved, start), gallery)
