"""The attribute-classifier baseline: rank faces by how many predicted attributes match what is known of the target."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from facefb.attribute_space import checked_wanted
from facefb.retriever import check_attributes
from multiturn.gallery import Gallery
from multiturn.replies import AttributeReply, Reply, WantedReply
from multiturn.scoring import VectorScores


@dataclass(frozen=True)
class MatchingState:
    """What is known of the targets, and the gallery's predictions made ready for scoring."""

    known: Float[Tensor, "session attribute"]
    predictions: Float[Tensor, "candidate term"]
    norms: Float64[Tensor, " candidate"]


class AttributeMatching:
    """Ranks by agreement between predicted attributes and those the user has told.

    Its gallery holds one logit an attribute (positive: predicted present). Known attributes of the target are what
    follows from the replies: relevance times the candidate's value, or what is wanted.

    Args:
        count: 'matches' counts attributes predicted right, which ties in long blocks; 'likelihood' adds up the
            classifier's log-probabilities of the known values instead.
    Source:
        papers/facial-progressive-feedback.txt, section 4.4, counts matches, and table 1 reports the head, the tail
        and the mean of the tied block: the optimistic, pessimistic and expected rank here. The likelihood is ours.
    """

    def __init__(self, count: Literal["matches", "likelihood"] = "matches") -> None:
        self.count = count

    def start(self, sessions: int, gallery: Gallery) -> MatchingState:
        """See `multiturn.session.Retriever.start`."""
        logits = gallery.vectors
        if self.count == "matches":
            predictions = torch.where(logits > 0, 1.0, -1.0)
        else:
            # log p(known value) = known * logit / 2 + (log sigmoid(logit) + log sigmoid(-logit)) / 2
            even = torch.nn.functional.logsigmoid(logits) + torch.nn.functional.logsigmoid(-logits)
            predictions = torch.cat([logits, even], 1) / 2
        known = torch.zeros(sessions, logits.shape[1], device=logits.device)
        return MatchingState(known, predictions, torch.linalg.vector_norm(predictions.double(), dim=1))

    def update(self, state: MatchingState, reply: Reply, gallery: Gallery) -> MatchingState:
        """See `multiturn.session.Retriever.update`; a newer statement replaces an older one.

        Raises:
            ValueError: the reply is neither an `AttributeReply` nor a `WantedReply`, or does not fit the sessions, the
                attributes or the gallery.
        """
        sessions, attributes = state.known.shape
        if isinstance(reply, WantedReply):
            wanted = checked_wanted(reply, sessions, attributes)
            return MatchingState(wanted.float(), state.predictions, state.norms)
        if not isinstance(reply, AttributeReply):
            raise ValueError(f"this retriever understands attribute replies, not {type(reply).__name__}")
        check_attributes(reply, sessions, attributes, gallery)
        told = (reply.relevance * reply.candidate).float()
        return MatchingState(torch.where(told != 0, told, state.known), state.predictions, state.norms)

    def score(self, state: MatchingState, gallery: Gallery) -> VectorScores:
        """See `multiturn.session.Retriever.score`."""
        query = state.known if self.count == "matches" else torch.cat([state.known, state.known.abs()], 1)
        return VectorScores(query, state.predictions, state.norms, "dot")
