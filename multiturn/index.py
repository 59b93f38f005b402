"""Indexes propose candidates for vectors; exact scores order what they proposed, and no index ever decides a rank."""

import weakref
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from multiturn.gallery import Gallery
from multiturn.proposals import CombinedScores, proposals, without_vectors
from multiturn.region_scoring import StateScores
from multiturn.scoring import Scores, Similarity, VectorScores
from multiturn.search import Found, search

_NUMBERS_AT_ONCE = 1 << 24  # 64 MB of float32
# Vectors that were scored -> those of an index that were found to be equal: reading all of both takes a while.
_COMPARED = WeakTensorKeyDictionary()


@runtime_checkable
class Index(Protocol):
    """Finds candidates near query vectors, exactly or not."""

    @property
    def gallery(self) -> Gallery:
        """What was indexed."""
        ...

    @property
    def similarity(self) -> Similarity:
        """What near means; 'cosine' for a gallery of regions."""
        ...

    def propose(self, queries: Float[Tensor, "query dim"], k: int) -> Int[Tensor, "query wide"]:
        """Positions among which the best `k` candidates of each query probably are.

        In any order, some perhaps twice, and -1 where there is none; fewer where the gallery is smaller.
        """
        ...

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """Exact scores and positions of the best `k` candidates proposed for a query, best first.

        Raises:
            ValueError: a gallery of regions, whose scores are a retriever's own (see `search_proposed`).
        """
        ...


@dataclass(frozen=True)
class ExactIndex:
    """Compares every query with every candidate.

    Example:
        >>> import torch
        >>> gallery = Gallery(("a", "b", "c"), torch.tensor([[0.0], [1.0], [5.0]]), "numbers", "three numbers")
        >>> scores, positions = ExactIndex(gallery).search(torch.tensor([[4.0]]), k=2)
        >>> positions.tolist(), scores.tolist()
        ([[2, 1]], [[-1.0, -9.0]])
    """

    gallery: Gallery
    similarity: Similarity = "l2"

    def scores(self, queries: Float[Tensor, "query dim"]) -> VectorScores:
        """Scores of all candidates, for `multiturn.search.search`."""
        return scores_of(self, queries)

    def propose(self, queries: Float[Tensor, "query dim"], k: int) -> Int[Tensor, "query wide"]:
        """See `Index.propose`."""
        return search(self.scores(queries), k).positions

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """See `Index.search`."""
        found = search(self.scores(queries), k)
        return found.scores, found.positions


@dataclass(frozen=True)
class Together:
    """Proposes what any of several indexes of one gallery proposes, such as of pooled vectors and of regions.

    Raises:
        ValueError: no index, or indexes of different galleries or similarities.
    """

    indexes: tuple[Index, ...]

    def __post_init__(self) -> None:
        if len({(id(one.gallery), one.similarity) for one in self.indexes}) != 1:
            raise ValueError("indexes that propose together are of one gallery and one similarity; give at least one")

    @property
    def gallery(self) -> Gallery:
        """See `Index.gallery`."""
        return self.indexes[0].gallery

    @property
    def similarity(self) -> Similarity:
        """See `Index.similarity`."""
        return self.indexes[0].similarity

    def propose(self, queries: Float[Tensor, "query dim"], k: int) -> Int[Tensor, "query wide"]:
        """See `Index.propose`."""
        return torch.cat([one.propose(queries, k) for one in self.indexes], 1)

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """See `Index.search`."""
        found = search_proposed(scores_of(self, queries), self, k).found
        return found.scores, found.positions


@dataclass(frozen=True)
class Proposed:
    """A page made of proposals.

    Attributes:
        found: the best of them by their exact scores, in display order; without ranks.
        short: sessions for which too few were proposed, and which were searched exactly instead.
    """

    found: Found
    short: Bool[Tensor, " session"]


def search_proposed(
    scores: Scores, index: Index, page: int, hidden: Int[Tensor, "session hidden"] | None = None
) -> Proposed:
    """Find a page among what an index proposes; scores and order are exact, but better candidates may be missing.

    An index may add up its products in another order for another number of queries, so that in a batch it proposes
    a candidate at the very edge that it would not propose alone.

    Args:
        scores: of a batch of sessions: `multiturn.scoring.VectorScores` of one query each, `CombinedScores` of several,
            or `multiturn.region_scoring.StateScores`, of which each filled state and their mean are looked for.
        index: of the vectors that were scored. Where it does not hold the same tensor, all vectors are compared, once
            for two tensors; that one of them was written to since goes unnoticed.
        page: candidates to return; fewer come back if the gallery is smaller.
        hidden: positions to leave out, each at most once a session; -1 fills up.
    Raises:
        ValueError: scores that have no query vectors; an index of other vectors or of another similarity; page < 1;
            too few candidates left.
    """
    _check_fits(index, scores)
    if page < 1:
        raise ValueError(f"a page holds at least one candidate, not {page}")
    page = min(page, scores.shape[1])
    proposed = proposals(scores, index, page + (0 if hidden is None else hidden.shape[1]))
    proposed = proposed.sort(dim=1).values.to(scores.device)  # ties keep the order of positions
    gone = proposed < 0
    gone[:, 1:] |= proposed[:, 1:] == proposed[:, :-1]
    if hidden is not None:
        gone |= (proposed[:, :, None] == hidden[:, None, :]).any(2)
    short = (~gone).sum(1) < page
    exact = torch.full(proposed.shape, -torch.inf, dtype=torch.float64, device=scores.device)
    session, column = (~gone).nonzero(as_tuple=True)
    if len(session):
        exact[session, column] = scores.exact(session, proposed[session, column])
    values, order = exact.sort(dim=1, descending=True, stable=True)
    positions, values = proposed.gather(1, order)[:, :page], values[:, :page]
    if bool(short.any()):
        # Only of the sessions that lack some: the page of a session is the same in any batch.
        whole = search(scores, page, hidden=hidden)
        missing = (0, page - positions.shape[1])
        positions = torch.where(short[:, None], whole.positions, torch.nn.functional.pad(positions, missing))
        values = torch.where(short[:, None], whole.scores, torch.nn.functional.pad(values, missing))
    return Proposed(Found(positions, values, None), short)


def scores_of(index: Index, queries: Float[Tensor, "query dim"]) -> VectorScores:
    """Exact scores of an index's gallery.

    Raises:
        ValueError: its candidates have several vectors each.
    """
    if index.gallery.mask is not None:
        raise ValueError("candidates of several regions have no score of one query; search with a retriever's scores")
    return VectorScores(
        queries.to(index.gallery.vectors.device), index.gallery.vectors, index.gallery.norms, index.similarity
    )


def gallery_as_scored(scores: Scores, gallery: Gallery) -> Gallery:
    """The gallery in the space in which a retriever scores it, which is what an index for its sessions must hold.

    Args:
        scores: of any state of the retriever.
        gallery: the retriever's.
    Raises:
        ValueError: scores that have no vectors.
    """
    match scores:
        case VectorScores() | CombinedScores():
            same = scores.vectors is gallery.vectors
            return gallery if same else replace(gallery, vectors=scores.vectors, mask=None, boxes=None)
        case StateScores():
            return replace(gallery, vectors=scores.regions.vectors, mask=scores.regions.mask, boxes=None)
    raise without_vectors(scores)


def _check_fits(index: Index, scores: Scores) -> None:
    """Raise ValueError unless the index is of what is scored: it would propose nonsense, and quietly."""
    match scores:
        case VectorScores() | CombinedScores():
            similarity, vectors, mask = scores.similarity, scores.vectors, None
        case StateScores():
            similarity, vectors, mask = "cosine", scores.regions.vectors, scores.regions.mask
        case _:
            raise without_vectors(scores)
    own = index.gallery
    if similarity != index.similarity:
        raise ValueError(
            f"the index is made for {index.similarity}, the retriever scores by {similarity}; build another"
        )
    fits = len(own) == scores.shape[1] and own.vectors.shape[-1] == vectors.shape[-1]
    fits = fits and (own.mask is None) == (mask is None)
    if fits and own.vectors is not vectors:
        known = _COMPARED.get(vectors)
        if known is None or known() is not own.vectors:
            fits = _equal(own, vectors, mask)
            if fits:
                _COMPARED[vectors] = weakref.ref(own.vectors)
    if not fits:
        raise ValueError(
            f"the index holds other vectors ({tuple(own.vectors.shape)}, {own.source}) than the retriever scores "
            f"({tuple(vectors.shape)}); build one of multiturn.index.gallery_as_scored"
        )


def _equal(
    own: Gallery, vectors: Float[Tensor, "candidate *region dim"], mask: Bool[Tensor, "candidate other"] | None
) -> bool:
    """Whether a gallery has these vectors, in float32 and without what only fills up."""
    step = max(1, _NUMBERS_AT_ONCE // max(1, own.vectors[0].numel()))
    for first in range(0, len(own), step):
        rows = slice(first, first + step)
        one, other = own.vectors[rows], vectors[rows]
        if own.mask is not None and mask is not None:
            counts = own.mask[rows].sum(1).cpu(), mask[rows].sum(1).cpu()
            if not torch.equal(*counts):
                return False
            one, other = one[own.mask[rows]], other[mask[rows]]
        if not torch.equal(one.float().cpu(), other.float().cpu()):
            return False
    return True
