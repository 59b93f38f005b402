"""What all retrievers by likes and dislikes share: their state, the order without feedback, and when it holds."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from multiturn.gallery import Gallery
from multiturn.replies import Reply
from multiturn.scoring import DenseScores, Scores, VectorScores
from relevance.products import Products
from relevance.state import RelevanceState, after, at_start

# Sessions fitted together, and pairs of session and candidate whose scores they may fill: 128 MB.
_SESSIONS, _PAIRS = 256, 1 << 25
_TABLE = 1 << 25  # scores in one table, 128 MB


class NoFeedback:
    """The order of the gallery by cosine to the example image; judgements are remembered and change nothing.

    The base of all other retrievers, and their control. Without an example, liked images stand in for it; without
    these all candidates score alike.

    Source:
        papers/relevance-feedback-cub.txt: nearest neighbours of the query in cosine distance; what was shown is
        excluded, which is `multiturn.session.Session`'s part (`seen`).
    """

    def __init__(self) -> None:
        self._last: tuple[RelevanceState, Gallery, Scores] | None = None

    def start(self, sessions: int, gallery: Gallery) -> RelevanceState:
        """See `multiturn.session.Retriever.start`."""
        return at_start(sessions, gallery)

    def update(self, state: RelevanceState, reply: Reply, gallery: Gallery) -> RelevanceState:
        """See `multiturn.session.Retriever.update`; `relevance.state.after` says what is refused."""
        return after(state, reply, gallery)

    def score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        """See `multiturn.session.Retriever.score`.

        The scores of the last state are kept: a page and the measures of a turn need one fit, not two.
        """
        if self._last is None or self._last[0] is not state or self._last[1] is not gallery:
            self._last = (state, gallery, self._score(state, gallery))
        return self._last[2]

    def _score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        return cosine_scores(directions(state, gallery), gallery)


class FittedRetriever(NoFeedback):
    """Scores of a model that is fitted to each session's judgements anew; a subclass has `fitted`.

    A session that has not seen both a like and a dislike keeps the order without feedback.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unit: tuple[Gallery, Tensor] | None = None
        self._products: tuple[Tensor, Products] | None = None

    def fitted(self, state: RelevanceState, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "session candidate"]:
        """Scores of all candidates for sessions that have seen both classes, higher for those more likely liked.

        Args:
            state: of these sessions.
            unit: the gallery's vectors at length 1, the same tensor for the same gallery.
        """
        raise NotImplementedError

    def scaled(self, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "candidate dim"]:
        """The vectors whose products a method works with: as they are, unless a subclass says otherwise."""
        return unit

    def products(self, unit: Float[Tensor, "candidate dim"]) -> Products:
        """Those products, computed once for a gallery."""
        if self._products is None or self._products[0] is not unit:
            self._products = unit, Products.of_vectors(self.scaled(unit))
        return self._products[1]

    def unit(self, gallery: Gallery) -> Float[Tensor, "candidate dim"]:
        """A gallery's vectors at length 1, computed once."""
        if self._unit is None or self._unit[0] is not gallery:
            self._unit = gallery, normalize(gallery.vectors.float(), dim=1)
        return self._unit[1]

    def _score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        if not bool(state.both.any()):
            return super()._score(state, gallery)
        unit = self.unit(gallery)
        table = directions(state, gallery) @ unit.T
        several = max(1, min(_SESSIONS, _PAIRS // len(gallery)))
        for sessions in state.both.nonzero()[:, 0].split(several):
            table[sessions] = self.fitted(state.rows(sessions), unit)
        return DenseScores(table)


def directions(state: RelevanceState, gallery: Gallery) -> Float[Tensor, "session dim"]:
    """Where each session looks without feedback: at its example, or else at the mean of what it likes."""
    query = normalize(state.query, dim=1)
    if bool((query != 0).any(1).all()):
        return query
    return torch.where((query != 0).any(1, keepdim=True), query, normalize(mean_of(state, gallery, 1), dim=1))


def mean_of(state: RelevanceState, gallery: Gallery, sign: int) -> Float[Tensor, "session dim"]:
    """Mean of the unit vectors of the images with this judgement; zero where there is none."""
    chosen = state.liked == sign
    if state.judged.shape[1] == 0:
        return torch.zeros_like(state.query)
    # Sessions share the gallery: each judged image is scaled once for all that judged it.
    images, place = state.judged.clamp(min=0).unique(return_inverse=True)
    vectors = normalize(gallery.vectors[images].float(), dim=1)
    total = embedding_bag(place, vectors, per_sample_weights=chosen.float(), mode="sum")
    return total / chosen.sum(1).clamp(min=1)[:, None]


def cosine_scores(queries: Float[Tensor, "session dim"], gallery: Gallery) -> Scores:
    """Cosines to the gallery; all 0 for a session without a query.

    Where a table of them all is small it is much faster than blocks whose close calls are computed again.
    """
    if len(queries) * len(gallery) > _TABLE and bool((queries != 0).any(1).all()):
        return VectorScores(queries, gallery.vectors, gallery.norms, "cosine")
    return DenseScores(normalize(queries, dim=1) @ normalize(gallery.vectors.float(), dim=1).T)
