"""A retriever by example photos: its state and how examples become a query; the scores are in `reverse_scores`."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from facefb.reverse_scores import ExampleScores
from facefb.reverse_settings import Combine
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.replies import ImageReply, RelevanceReply, Reply
from multiturn.scoring import DenseScores, VectorScores, norms_of_rows
from multiturn.search import search

_SAME = 1e-3  # of a vector's length


@dataclass(frozen=True)
class ExampleState:
    """What a batch of sessions was shown and told.

    Attributes:
        examples: vectors of the example photos, in the order in which they were given.
        known: whether an example is new; one given before counts once.
        itself: positions of candidates that are examples themselves; -1 fills up.
        unwanted: positions of candidates that are not the person; -1 fills up.
    """

    examples: Float[Tensor, "session example dim"]
    known: Bool[Tensor, "session example"]
    itself: Int[Tensor, "session itself"]
    unwanted: Int[Tensor, "session unwanted"]


class ExampleRetriever(nn.Module, HubModel):
    """Ranks faces by their L2 distance to example photos; nothing in it is trained.

    A face that is said not to be the person goes to the end, and only that face: whose it is, nobody said.

    Args:
        fingerprint: of the encoder of examples and gallery; a gallery of another one is refused.
        combine: several examples become their 'mean', at their mean length; or a candidate has the 'best' of its
            scores; or the 'first' example counts alone.
        self_hit: 'leave_out' puts a candidate whose vector is that of an example at the end; 'keep' lets it come first.
    Source:
        papers/reverse-visual-search.txt, section 5: nearest neighbours in L2 distance of one photo, which is kept in
        the index. More photos, and faces that are said to be wrong, are ours.
    """

    def __init__(
        self, fingerprint: str, combine: Combine = "mean", self_hit: Literal["leave_out", "keep"] = "leave_out"
    ) -> None:
        super().__init__()
        self.fingerprint, self.combine, self.self_hit = fingerprint, combine, self_hit

    def start(self, sessions: int, gallery: Gallery) -> ExampleState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder, or is one of regions.
        """
        gallery.check_made_by(self.fingerprint)
        if gallery.vectors.ndim != 2:
            raise ValueError("faces are searched by one vector an image; encode this gallery without regions")
        device = gallery.vectors.device
        nothing = torch.empty(sessions, 0, dtype=torch.long, device=device)
        examples = torch.empty(sessions, 0, gallery.vectors.shape[1], device=device)
        return ExampleState(examples, nothing.bool(), nothing, nothing)

    def update(self, state: ExampleState, reply: Reply, gallery: Gallery) -> ExampleState:
        """See `multiturn.session.Retriever.update`: one more example, or faces that are not the person.

        Raises:
            ValueError: a reply of another kind or for another number of sessions, an example of another length than
                the gallery's vectors or that is zero, a like, or a position outside the gallery.
        """
        if isinstance(reply, ImageReply):
            return self._example(state, reply, gallery)
        if isinstance(reply, RelevanceReply):
            return replace(state, unwanted=torch.cat([state.unwanted, _unwanted(state, reply, gallery)], 1))
        raise ValueError(f"this retriever understands example images and dislikes, not {type(reply).__name__}")

    def score(self, state: ExampleState, gallery: Gallery) -> VectorScores | ExampleScores:
        """See `multiturn.session.Retriever.score`: -d^2, and all candidates alike before any example."""
        dropped = torch.cat([state.itself, state.unwanted], 1)
        if not bool(state.known.any()):
            nothing = DenseScores(torch.zeros(1, len(gallery), device=dropped.device).expand(len(dropped), -1))
            return ExampleScores([nothing], dropped, nothing.offset, gallery.vectors)
        queries = self._queries(state)
        longest = norms_of_rows(queries).amax(1) + float(gallery.norms.max())
        parts = [VectorScores(query, gallery.vectors, gallery.norms, "l2") for query in queries.unbind(1)]
        if len(parts) == 1 and not bool((dropped >= 0).any()):
            return parts[0]
        return ExampleScores(parts, dropped, -longest.square(), gallery.vectors)

    def _queries(self, state: ExampleState) -> Float[Tensor, "session query dim"]:
        first = state.examples[:, :1]
        if self.combine == "first":
            return first
        if self.combine == "best":
            return torch.where(state.known[:, :, None], state.examples, first)
        weights = state.known[:, :, None] / state.known.sum(1)[:, None, None]
        mean = (state.examples * weights).sum(1, keepdim=True)
        length = (state.examples.norm(dim=2, keepdim=True) * weights).sum(1, keepdim=True)
        return mean * (length / mean.norm(dim=2, keepdim=True).clamp(min=1e-12))

    def _example(self, state: ExampleState, reply: ImageReply, gallery: Gallery) -> ExampleState:
        vectors = reply.vectors.float()
        sessions, _, dim = state.examples.shape
        if vectors.shape != (sessions, dim):
            raise ValueError(
                f"examples of shape {tuple(vectors.shape)} for {sessions} sessions in a gallery of {dim} dimensions; "
                "encode them with the gallery's encoder, one a session"
            )
        fine = torch.isfinite(vectors).all(1) & (vectors != 0).any(1)
        if not bool(fine.all()):
            name = reply.names[int((~fine).nonzero()[0, 0])]
            raise ValueError(f"the vector of example {name!r} is zero or not finite; encode it again")
        new = ~(state.examples == vectors[:, None]).all(2).any(1, keepdim=True)
        itself = state.itself
        if self.self_hit == "leave_out":
            itself = torch.cat([itself, torch.where(new, _same(vectors, gallery), -1)], 1)
        return ExampleState(
            torch.cat([state.examples, vectors[:, None]], 1), torch.cat([state.known, new], 1), itself, state.unwanted
        )


def _same(vectors: Float[Tensor, "session dim"], gallery: Gallery) -> Int[Tensor, "session same"]:
    """Positions of the candidates with these vectors; -1 fills up.

    A picture that is encoded alone differs in the last bits from the same one in a batch, and a gallery may keep
    float16: what is no further apart than a thousandth of its length is taken for the same.
    """
    scores = VectorScores(vectors, gallery.vectors, gallery.norms, "l2")
    page, nearest = 8, -(_SAME * norms_of_rows(vectors)[:, None]).square()
    while True:
        found = search(scores, min(page, len(gallery)))
        equal = found.scores >= nearest
        # Where a whole page is equal, more may be.
        if page >= len(gallery) or not bool(equal[:, -1].any()):
            break
        page *= 8
    width = int(equal.sum(1).max())
    return torch.where(equal, found.positions, -1)[:, :width]


def _unwanted(state: ExampleState, reply: RelevanceReply, gallery: Gallery) -> Int[Tensor, "session judged"]:
    """Positions that a reply dislikes; -1 elsewhere."""
    if reply.judged.shape != reply.liked.shape or len(reply.judged) != len(state.examples):
        raise ValueError(
            f"{tuple(reply.judged.shape)} faces and {tuple(reply.liked.shape)} judgements for {len(state.examples)} "
            "sessions; give one row a session and one judgement a face"
        )
    if bool((reply.liked > 0).any()):
        raise ValueError("this retriever takes no likes; give a face that is the person as an example image")
    said = reply.liked < 0
    if bool((said & ((reply.judged < 0) | (reply.judged >= len(gallery)))).any()):
        raise ValueError(f"a judged face lies outside the gallery, whose positions are 0..{len(gallery) - 1}")
    return torch.where(said, reply.judged, -1)
