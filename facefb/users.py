"""The simulated witness: compares a shown face with the target's attributes and discloses more each turn."""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Int8
from torch import Tensor

from multiturn.draws import uniform
from multiturn.replies import AttributeReply
from multiturn.session import Turn


@dataclass(frozen=True)
class Disclosure:
    """How much of the comparison the user says in each turn.

    Attributes:
        masked: share of the attributes that stays unsaid in turn 1, 2, ...; the last holds for all later turns.
        nested: once an attribute was said it is said in every later turn too; otherwise the unsaid ones are drawn
            anew each turn.
        candidate: whether the user also says which attributes the shown face has.
    Raises:
        ValueError: no share given, or one outside 0..1; nested shares that grow.
    Source:
        papers/facial-progressive-feedback.txt, section 3.2: p = .5, .3, .2, .1, .0. Whether the paper redraws or
        nests is not said; redrawn is our default.
    """

    masked: tuple[float, ...] = (0.5, 0.3, 0.2, 0.1, 0.0)
    nested: bool = False
    candidate: bool = True

    def __post_init__(self) -> None:
        if not self.masked:
            raise ValueError("masked needs a share for at least one turn, such as [0.0] for full disclosure")
        for share in self.masked:
            if not 0 <= share <= 1:
                raise ValueError(f"masked holds shares between 0 and 1, not {share}")
        if self.nested and sorted(self.masked, reverse=True) != list(self.masked):
            raise ValueError(f"nested disclosure needs shares that never grow, not {list(self.masked)}")

    def share(self, turn: int) -> float:
        """Masked share in turn `turn`, counted from 1."""
        return self.masked[min(turn, len(self.masked)) - 1]


PROGRESSIVE = Disclosure()
FULL = Disclosure(masked=(0.0,))
FULL_WITHOUT_CANDIDATE = Disclosure(masked=(0.0,), candidate=False)
SILENT = Disclosure(masked=(1.0,), candidate=False)


class AttributeUser:
    """Answers about the first shown face, from known attributes of all faces of the gallery.

    Args:
        attributes: of each candidate, -1 or +1.
        disclosure: how much is said in which turn.
        seed: of what stays unsaid; a session's draws depend on its number and the turn alone.
    Source:
        papers/facial-progressive-feedback.txt, sections 3.1.1 and 3.2: o_t = a_t * q, then a share of it set to 0.
    """

    def __init__(self, attributes: Int8[Tensor, "candidate attribute"], disclosure: Disclosure, seed: int = 0) -> None:
        self.attributes, self.disclosure, self._seed = attributes, disclosure, seed

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> AttributeReply:
        """See `multiturn.session.User.reply`."""
        # The paper shows one image a turn; of a larger page the user talks about the first.
        about = turn.shown[:, 0]
        candidate, wanted = self.attributes[about], self.attributes[target]
        relevance = candidate * wanted
        width = relevance.shape[1]
        unsaid = round(self.disclosure.share(turn.number + 1) * width)
        if unsaid:
            order = uniform(self._seed, turn.sessions, 0 if self.disclosure.nested else turn.number + 1, width)
            relevance = relevance.scatter(1, order.argsort(dim=1)[:, :unsaid], 0)
        if not self.disclosure.candidate:
            candidate = torch.zeros_like(candidate)
        return AttributeReply(about, candidate, relevance)


def matching_attributes(
    attributes: Int8[Tensor, "candidate attribute"],
    shown: Int[Tensor, " session"],
    target: Int[Tensor, " session"],
) -> Int[Tensor, " session"]:
    """Count the attributes in which the shown face equals the target (figure 6 of the paper)."""
    return (attributes[shown] == attributes[target]).sum(1)
