"""One training step of the attribute-feedback GRU: whole sessions are played and their loss returned."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from facefb.display import SampledNearest, distance, other_faces, random_faces
from facefb.retriever import FeedbackRetriever
from multiturn.gallery import Gallery
from multiturn.session import Session, Turn, User, play


@dataclass(frozen=True)
class Seeds:
    """Seeds of the draws of one experiment, all made of one number so that none is used twice."""

    base: int

    @property
    def opening(self) -> int:
        """Of the first face of a session."""
        return 4 * self.base

    @property
    def negatives(self) -> int:
        """Of the loss's random negatives."""
        return 4 * self.base + 1

    @property
    def display(self) -> int:
        """Of which of the nearest faces is shown in training."""
        return 4 * self.base + 2

    @property
    def user(self) -> int:
        """Of what a user leaves unsaid."""
        return 4 * self.base + 3


def triplet_loss(
    turn: Turn, target: Int[Tensor, " session"], gallery: Gallery, margin: float, seed: int
) -> Float[Tensor, " session"]:
    """Hinge of a turn: max(0, |s - x+| - |s - x-| + margin), with a random negative.

    Source:
        papers/facial-progressive-feedback.txt, eq. (2), one term of its sum over turns. The negative is never the
        target itself.
    """
    negative = other_faces(seed, turn.sessions, turn.number, target, len(gallery))
    near = distance(turn.state.query, gallery.vectors[target])
    far = distance(turn.state.query, gallery.vectors[negative])
    return (near - far + margin).clamp(min=0)


class Rollout(nn.Module):
    """Plays a batch of sessions and returns the loss: one module, so that processes synchronise on its forward.

    Args:
        retriever: to be trained.
        gallery: of training faces; every one of them is a target once an epoch.
        user: answers.
        turns: replies a session.
        margin: of the triplet loss.
        nearest: faces that the shown one is drawn from.
        seeds: of all draws.
    """

    def __init__(
        self,
        retriever: FeedbackRetriever,
        gallery: Gallery,
        user: User,
        turns: int,
        margin: float,
        nearest: int,
        seeds: Seeds,
    ) -> None:
        super().__init__()
        self.retriever = retriever
        self._gallery, self._user, self._turns, self._margin = gallery, user, turns, margin
        self._display, self._seeds = SampledNearest(nearest, seeds.display), seeds

    def forward(self, target: Int[Tensor, " session"], epoch: int) -> Float[Tensor, ""]:
        """Mean over sessions of the loss summed over turns."""
        gallery = self._gallery
        sessions = target + epoch * len(gallery)
        opening = random_faces(self._seeds.opening, sessions, 0, len(gallery))[:, None]
        session = Session(self.retriever, gallery, sessions, 1, self._display, opening=opening)
        losses = [
            triplet_loss(turn, target, gallery, self._margin, self._seeds.negatives)
            for turn in play(session, self._user, target, self._turns)
            if turn.number > 0
        ]
        return torch.stack(losses).sum(0).mean()
