"""The attribute-feedback GRU: from what was said about shown faces to a point in the gallery's feature space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int8
from torch import Tensor, nn

from multiturn.gallery import Gallery
from multiturn.hub.model import HubModel
from multiturn.replies import AttributeReply, Reply
from multiturn.scoring import VectorScores


@dataclass(frozen=True)
class FeedbackState:
    """Memory of a batch of sessions, and the point at which each looks for its target."""

    memory: Float[Tensor, "session hidden"]
    query: Float[Tensor, "session feature"]


class FeedbackRetriever(nn.Module, HubModel):
    """GRU over relevance feedback on attributes.

    Args:
        attributes: names of the attributes that replies speak of, in their order.
        fingerprint: of the encoder whose features it was trained on; a gallery of another one is refused.
        feature_dim: length of those features.
        hidden: size of every layer.
        fusion: 'linear' fuses words and image by W_M alone; 'mlp' puts a ReLU layer of the same size before it.
        unit: typical length of those features. The network works in multiples of it, so that features of any
            scale are learnt at the same pace.
    Source:
        papers/facial-progressive-feedback.txt, section 3.2. x = W_A [o; a], f = W_I m, r = W_M [x; f],
        g, h = GRU(r, h), s = W_G g, with m the frozen feature of the shown face. The paper calls W_M an MLP and
        gives it the size of one matrix; one matrix is our default. It writes q for a in one formula; a is meant.
        `unit` is ours: with W_I / unit and unit * W_G in place of W_I and W_G the formulas are the paper's.
    """

    def __init__(
        self,
        attributes: Sequence[str],
        fingerprint: str,
        feature_dim: int = 256,
        hidden: int = 256,
        fusion: Literal["linear", "mlp"] = "linear",
        unit: float = 1.0,
    ) -> None:
        super().__init__()
        self.attributes, self.fingerprint, self.unit = tuple(attributes), fingerprint, unit
        self.indicate = nn.Linear(2 * len(self.attributes), hidden)
        self.look = nn.Linear(feature_dim, hidden)
        layers = [nn.Linear(2 * hidden, 2 * hidden), nn.ReLU()] if fusion == "mlp" else []
        self.fuse = nn.Sequential(*layers, nn.Linear(2 * hidden, hidden))
        self.aggregate = nn.GRUCell(hidden, hidden)
        self.aim = nn.Linear(hidden, feature_dim)

    def start(self, sessions: int, gallery: Gallery) -> FeedbackState:
        """See `multiturn.session.Retriever.start`.

        Raises:
            ValueError: the gallery was made by another encoder.
        """
        gallery.check_made_by(self.fingerprint)
        memory = torch.zeros(sessions, self.aggregate.hidden_size, device=gallery.vectors.device)
        return FeedbackState(memory, self.unit * self.aim(memory))

    def update(self, state: FeedbackState, reply: Reply, gallery: Gallery) -> FeedbackState:
        """See `multiturn.session.Retriever.update`.

        Raises:
            ValueError: the reply is no `AttributeReply`, or for another number of sessions; it speaks of another number
                of attributes, or of a face outside the gallery; or a sign is none of -1, 0 and 1.
        """
        if not isinstance(reply, AttributeReply):
            raise ValueError(f"this retriever understands attribute replies, not {type(reply).__name__}")
        check_attributes(reply, len(state.memory), len(self.attributes), gallery)
        said = torch.cat([reply.relevance, reply.candidate], 1).float()
        seen = self.look(gallery.vectors[reply.about] / self.unit)
        fused = self.fuse(torch.cat([self.indicate(said), seen], 1))
        memory = self.aggregate(fused, state.memory)
        return FeedbackState(memory, self.unit * self.aim(memory))

    def score(self, state: FeedbackState, gallery: Gallery) -> VectorScores:
        """See `multiturn.session.Retriever.score`: the negative squared distance to each face's feature."""
        return VectorScores(state.query, gallery.vectors, gallery.norms, "l2")


def check_attributes(reply: AttributeReply, sessions: int, attributes: int, gallery: Gallery) -> None:
    """Raise ValueError unless a reply has a row a session, a sign an attribute, and speaks of candidates."""
    if len(reply.about) != sessions or len(reply.relevance) != sessions:
        raise ValueError(
            f"{len(reply.about)} faces and {len(reply.relevance)} rows of attributes for {sessions} sessions; give one "
            "row a session"
        )
    if reply.relevance.shape[1] != attributes or reply.candidate.shape != reply.relevance.shape:
        raise ValueError(
            f"the reply speaks of {reply.relevance.shape[1]} attributes, the retriever knows {attributes}; of the face "
            f"it says {reply.candidate.shape[1]}"
        )
    check_signs("relevance", reply.relevance)
    check_signs("candidate", reply.candidate)
    outside = (reply.about < 0) | (reply.about >= len(gallery))
    if bool(outside.any()):
        raise ValueError(
            f"the reply is about position {int(reply.about[outside][0])}, this gallery has 0..{len(gallery) - 1}; "
            "speak of a face that was shown"
        )


def check_signs(name: str, signs: Int8[Tensor, "session attribute"]) -> None:
    """Raise ValueError if a sign is none of -1, 0 and 1."""
    strange = (signs < -1) | (signs > 1)
    if bool(strange.any()):
        raise ValueError(
            f"{name} holds {int(signs[strange][0])}; a sign is 1 for yes, -1 for no and 0 for nothing said"
        )
