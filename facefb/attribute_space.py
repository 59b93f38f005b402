"""One space for faces and attribute queries: two towers; the losses that bring them together are elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int8
from torch import Tensor, nn

from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.replies import Reply, WantedReply
from multiturn.scoring import VectorScores, norms_of_rows


@dataclass(frozen=True)
class SpaceState:
    """What is wanted of the targets, and the gallery's faces in the common space."""

    wanted: Int8[Tensor, "session attribute"]
    faces: Float[Tensor, "candidate dim"]
    norms: Float64[Tensor, " candidate"]


class AttributeSpace(nn.Module, HubModel):
    """Maps frozen face features and wanted attributes into one space, where the cosine ranks faces.

    Args:
        attributes: names of the attributes that a query may want or not want, in their order.
        fingerprint: of the encoder whose features it was trained on; a gallery of another one is refused.
        feature_dim: length of those features.
        dim: of the common space.
        hidden: width of the one hidden layer of each tower; 0 leaves it out.
    Source:
        papers/face-attribute-retrieval.txt, "Image retrieval face attributes": image and attribute vectors in one
        300-d space, compared by cosine. The slide with the layers is a picture that says nothing in words, so the
        hidden layer is ours. There an attribute is 1 or 0, which cannot leave one out of a query; here one input
        says that it is wanted and another that it is not, and an unsaid attribute sets neither.
    """

    def __init__(
        self, attributes: Sequence[str], fingerprint: str, feature_dim: int = 256, dim: int = 300, hidden: int = 512
    ) -> None:
        super().__init__()
        self.attributes, self.fingerprint = tuple(attributes), fingerprint
        self.image_tower = _tower(feature_dim, hidden, dim)
        self.attribute_tower = _tower(2 * len(self.attributes), hidden, dim)

    def images(self, features: Float[Tensor, "face feature"]) -> Float[Tensor, "face dim"]:
        """Faces in the common space."""
        return self.image_tower(features)

    def queries(self, wanted: Int8[Tensor, "query attribute"]) -> Float[Tensor, "query dim"]:
        """Queries in the common space."""
        return self.attribute_tower(torch.cat([wanted > 0, wanted < 0], 1).float())

    def start(self, sessions: int, gallery: Gallery) -> SpaceState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder.
        """
        gallery.check_made_by(self.fingerprint)
        faces = self.images(gallery.vectors.float())
        wanted = torch.zeros(sessions, len(self.attributes), dtype=torch.int8, device=faces.device)
        return SpaceState(wanted, faces, norms_of_rows(faces))

    def update(self, state: SpaceState, reply: Reply, gallery: Gallery) -> SpaceState:
        """See `multiturn.session.Retriever.update`.

        Raises:
            ValueError: the reply is no `WantedReply`, or speaks of another number of attributes.
        """
        return SpaceState(checked_wanted(reply, len(self.attributes)), state.faces, state.norms)

    def score(self, state: SpaceState, gallery: Gallery) -> VectorScores:
        """See `multiturn.session.Retriever.score`: the cosine of query and face."""
        return VectorScores(self.queries(state.wanted), state.faces, state.norms, "cosine")


def checked_wanted(reply: Reply, attributes: int) -> Int8[Tensor, "session attribute"]:
    """What a reply wants.

    Raises:
        ValueError: it is no `WantedReply`, or speaks of another number of attributes.
    """
    if not isinstance(reply, WantedReply):
        raise ValueError(f"this retriever understands wanted attributes, not {type(reply).__name__}")
    if reply.wanted.shape[1] != attributes:
        raise ValueError(f"the reply speaks of {reply.wanted.shape[1]} attributes, the retriever knows {attributes}")
    return reply.wanted


def _tower(width: int, hidden: int, dim: int) -> nn.Sequential:
    if hidden == 0:
        return nn.Sequential(nn.Linear(width, dim))
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dim))
