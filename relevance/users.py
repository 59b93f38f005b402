"""The simulated user: shows an example image, then likes what is of its class and dislikes the rest."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, RelevanceReply
from multiturn.session import Turn


@dataclass(frozen=True)
class RelevanceUser:
    """Shows the example at turn 0, and judges every image of each later page.

    The target of a session is the position of the image that the example is a picture of.

    Attributes:
        labels: class of each candidate of the gallery.
        examples: vectors of the examples, under the ids of the gallery's candidates; those that nobody looks for may be
            anything.
        gallery: that is searched.
        wrong: share of judgements that are the wrong way round.
        seed: of these; a session's depend on its number and the turn alone.
    Raises:
        ValueError: examples of another encoder or of other images, labels that do not fit, or `wrong` outside 0..1.
    """

    labels: Int[Tensor, " candidate"]
    examples: Gallery
    gallery: Gallery
    wrong: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.examples.fingerprint != self.gallery.fingerprint:
            raise ValueError(
                f"the examples were encoded by {self.examples.fingerprint}, the gallery by "
                f"{self.gallery.fingerprint}; encode both with one encoder"
            )
        if self.examples.ids != self.gallery.ids or len(self.labels) != len(self.gallery):
            raise ValueError(
                f"{len(self.examples)} examples and {len(self.labels)} labels do not belong to the {len(self.gallery)} "
                "images of the gallery; make one of each for each image"
            )
        if not 0 <= self.wrong <= 1:
            raise ValueError(f"wrong is a share between 0 and 1, not {self.wrong}")

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> ImageReply | RelevanceReply:
        """See `multiturn.session.User.reply`."""
        if turn.number == 0:
            names = tuple(self.gallery.ids[place] for place in target.tolist())
            return ImageReply(names, self.examples.vectors[target])
        same = self.labels[turn.shown] == self.labels[target][:, None]
        if self.wrong:
            same = same ^ (uniform(self.seed, turn.sessions, turn.number, same.shape[1]) < self.wrong)
        return RelevanceReply(turn.shown, torch.where(same, 1, -1).to(torch.int8))
