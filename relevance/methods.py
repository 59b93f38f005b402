"""The methods by name, and the retriever that a checkpoint holds: one of them on the vectors of one encoder."""

from dataclasses import replace
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiturn.encoders.kept import KeptOfGallery
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.replies import ImageReply, Reply
from multiturn.scoring import Scores
from relevance.mlp import MLP
from relevance.pichunter import PicHunter
from relevance.retriever import NoFeedback
from relevance.rocchio import Rocchio
from relevance.settings import Method
from relevance.state import RelevanceState
from relevance.svm import SVM
from relevance.triplet import KeptTriplet, Triplet

METHODS: dict[Method, type[NoFeedback]] = {
    "no feedback": NoFeedback,
    "svm": SVM,
    "mlp": MLP,
    "triplet": Triplet,
    "kept-triplet": KeptTriplet,
    "rocchio": Rocchio,
    "pichunter": PicHunter,
}
TITLES: dict[Method, str] = {
    "no feedback": "no feedback",
    "svm": "SVM",
    "mlp": "MLP",
    "triplet": "triplet re-embedding",
    "kept-triplet": "triplet, old coordinates kept",
    "rocchio": "Rocchio",
    "pichunter": "PicHunter",
}


class RelevanceModel(nn.Module, HubModel):
    """A method of relevance feedback on the vectors of one encoder, perhaps after a linear map.

    The methods learn within a session and have no weights of their own. Any of them works on any gallery without
    this; here one is tied to its encoder, so that a checkpoint refuses the vectors of another.

    Args:
        method: a key of METHODS.
        fingerprint: of the encoder; a gallery of another one is refused.
        dim: length of its vectors.
        head: length of the vectors after the map; 0 has none.
    Raises:
        ValueError: no such method.
    """

    def __init__(self, method: str, fingerprint: str, dim: int, head: int = 0) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(f"method is one of {', '.join(get_args(Method))}, not {method!r}")
        self.method, self.fingerprint, self.dim = METHODS[method](), fingerprint, dim
        self.head = nn.Linear(dim, head, bias=False) if head else None
        self._kept = KeptOfGallery()

    def beside(self, method: Method) -> "RelevanceModel":
        """Another method on the same vectors, after the same map."""
        other = RelevanceModel(method, self.fingerprint, self.dim)
        other.head = self.head
        return other.eval()

    def forward(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item mapped"]:
        """Vectors after the map."""
        return vectors.float() if self.head is None else self.head(vectors.float())

    def start(self, sessions: int, gallery: Gallery) -> RelevanceState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder.
        """
        gallery.check_made_by(self.fingerprint)
        return self.method.start(sessions, self._map(gallery))

    def update(self, state: RelevanceState, reply: Reply, gallery: Gallery) -> RelevanceState:
        """See `multiturn.session.Retriever.update`; `relevance.state.after` says what is refused."""
        if isinstance(reply, ImageReply) and self.head is not None:
            if reply.vectors.shape[1] != self.dim:
                raise ValueError(
                    f"an example has {reply.vectors.shape[1]} numbers, the encoder {self.fingerprint} makes "
                    f"{self.dim}; encode it with that one"
                )
            with torch.no_grad():
                reply = replace(reply, vectors=self(reply.vectors))
        return self.method.update(state, reply, self._map(gallery))

    def score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        """See `multiturn.session.Retriever.score`."""
        return self.method.score(state, self._map(gallery))

    @torch.no_grad()
    def _map(self, gallery: Gallery) -> Gallery:
        """The gallery after the map, computed once for the weights that it has."""
        if self.head is None:
            return gallery

        def mapped() -> Gallery:
            name = f"{gallery.fingerprint}-head"
            return Gallery(gallery.ids, self(gallery.vectors), name, gallery.source)

        return self._kept.get("mapped", gallery, (self.head.weight,), mapped)
