"""One space for faces and attribute queries: two towers; the losses that bring them together are elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int8
from torch import Tensor, nn

from facefb.retriever import check_signs
from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.replies import Reply, WantedReply
from multiturn.scoring import VectorScores, norms_of_rows


@dataclass(frozen=True)
class SpaceState:
    """What is wanted of the targets, and the gallery's faces as queries are compared with them."""

    wanted: Int8[Tensor, "session attribute"]
    faces: Float[Tensor, "candidate dim"]
    norms: Float64[Tensor, " candidate"]


class AttributeSpace(nn.Module, HubModel):
    """Maps frozen face features and wanted attributes into one space, where the cosine ranks faces.

    With `likelihood`, two numbers of the space for each attribute hold how likely a fixed classifier of the features
    thinks that a face has it and lacks it. They are no part of the cosine: a query adds up those that it asks for.

    Args:
        attributes: names of the attributes that a query may want or not want, in their order.
        fingerprint: of the encoder whose features it was trained on; a gallery of another one is refused.
        feature_dim: length of those features.
        dim: of the common space, those numbers included.
        hidden: width of the one hidden layer of each tower; 0 leaves it out.
        likelihood: what a unit of the classifier's log-likelihood counts beside the cosine; 0 does without it. Above 0,
            `classify` is to be set: it maps features to logits, and is not trained.
    Raises:
        ValueError: `likelihood` leaves no number of the space to the towers.
    Source:
        papers/face-attribute-retrieval.txt, "Image retrieval face attributes": image and attribute vectors in one
        300-d space, compared by cosine. The slide with the layers is a picture that says nothing in words, so the
        hidden layer is ours. There an attribute is 1 or 0, which cannot leave one out of a query; here one input
        says that it is wanted and another that it is not, and an unsaid attribute sets neither. The likelihoods are
        ours.
    """

    def __init__(
        self,
        attributes: Sequence[str],
        fingerprint: str,
        feature_dim: int = 256,
        dim: int = 300,
        hidden: int = 512,
        likelihood: float = 0.0,
    ) -> None:
        super().__init__()
        self.attributes, self.fingerprint, self.likelihood = tuple(attributes), fingerprint, likelihood
        given = 2 * len(self.attributes) if likelihood else 0
        if dim <= given:
            raise ValueError(f"the likelihoods of {given // 2} attributes take {given} of the {dim} numbers; raise dim")
        self.image_tower = _tower(feature_dim, hidden, dim - given)
        self.attribute_tower = _tower(2 * len(self.attributes), hidden, dim - given)
        self.classify = nn.Linear(feature_dim, len(self.attributes)).requires_grad_(False) if likelihood else None

    def images(self, features: Float[Tensor, "face feature"]) -> Float[Tensor, "face learned"]:
        """Faces in what is learned of the common space."""
        return self.image_tower(features)

    def queries(self, wanted: Int8[Tensor, "query attribute"]) -> Float[Tensor, "query learned"]:
        """Queries in what is learned of the common space."""
        return self.attribute_tower(_said(wanted))

    def start(self, sessions: int, gallery: Gallery) -> SpaceState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder.
        """
        gallery.check_made_by(self.fingerprint)
        features = gallery.vectors.float()
        faces = self.images(features)
        if self.classify is not None:
            logits = self.classify(features)
            likelihoods = nn.functional.logsigmoid(torch.cat([logits, -logits], 1))
            faces = torch.cat([nn.functional.normalize(faces, dim=1), self.likelihood * likelihoods], 1)
        wanted = torch.zeros(sessions, len(self.attributes), dtype=torch.int8, device=faces.device)
        return SpaceState(wanted, faces, norms_of_rows(faces))

    def update(self, state: SpaceState, reply: Reply, gallery: Gallery) -> SpaceState:
        """See `multiturn.session.Retriever.update`.

        Raises:
            ValueError: see `checked_wanted`.
        """
        wanted = checked_wanted(reply, len(state.wanted), len(self.attributes))
        return SpaceState(wanted, state.faces, state.norms)

    def score(self, state: SpaceState, gallery: Gallery) -> VectorScores:
        """See `multiturn.session.Retriever.score`: the cosine of query and face, and the likelihood that it fits."""
        queries = self.queries(state.wanted)
        if self.classify is None:
            return VectorScores(queries, state.faces, state.norms, "cosine")
        both = torch.cat([nn.functional.normalize(queries, dim=1), _said(state.wanted)], 1)
        return VectorScores(both, state.faces, state.norms, "dot")


def checked_wanted(reply: Reply, sessions: int, attributes: int) -> Int8[Tensor, "session attribute"]:
    """What a reply wants.

    Raises:
        ValueError: it is no `WantedReply`, or for another number of sessions; it speaks of another number of
            attributes; or a sign is none of -1, 0 and 1.
    """
    if not isinstance(reply, WantedReply):
        raise ValueError(f"this retriever understands wanted attributes, not {type(reply).__name__}")
    if len(reply.wanted) != sessions:
        raise ValueError(f"{len(reply.wanted)} rows of attributes for {sessions} sessions; give one row a session")
    if reply.wanted.shape[1] != attributes:
        raise ValueError(f"the reply speaks of {reply.wanted.shape[1]} attributes, the retriever knows {attributes}")
    check_signs("wanted", reply.wanted)
    return reply.wanted


def _said(wanted: Int8[Tensor, "query attribute"]) -> Float[Tensor, "query sign"]:
    """1 for each attribute that is wanted, then for each that is not; 0 elsewhere."""
    return torch.cat([wanted > 0, wanted < 0], 1).float()


def _tower(width: int, hidden: int, dim: int) -> nn.Sequential:
    if hidden == 0:
        return nn.Sequential(nn.Linear(width, dim))
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dim))
