"""What each state would be worth for the query at hand: one trajectory a state, played against the known target.

It looks at the target, so it teaches a policy in training or bounds it from above; no retriever can use it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drilldown.similarity import Pictures, own_similarities
from drilldown.states import States
from multiturn.region_scoring import RegionFormula

Cell = Callable[[Tensor, Tensor], Tensor]
Choice = Callable[[int, Tensor, Tensor], Tensor]


@torch.no_grad()
def values_of_slots(
    vectors: Float[Tensor, "session slot dim"],
    queries: Float[Tensor, "turn session dim"],
    pictures: Pictures,
    formula: RegionFormula,
    cell: Cell,
    choose: Choice,
    reward: Literal["gain", "similarity"],
    discount: float,
) -> Float[Tensor, "session slot"]:
    """Discounted sum of rewards if the first query goes to each of the states, and the others where `choose` says.

    Args:
        vectors: all of them filled.
        queries: the one at hand, and those to come.
        pictures: the sessions' targets, in their order.
        formula: of the similarity.
        cell: makes a new vector of a query and the old one.
        choose: the slot for each query to come, given its place in `queries`, the vectors of each trajectory
            (session by session, first slot by first slot) and its query.
        reward: of a turn; see `drilldown.losses.rewards_of`.
        discount: gamma.
    Source:
        papers/drill-down.txt, section 3.5: Q(X^t, k) = sum_t' gamma^(t'-t) s(X^(t'+1), I), from one look-ahead
        trajectory. The released code sums gains; undiscounted, that is the last similarity less the present one.
    """
    sessions, slots, dim = vectors.shape
    rows = torch.arange(sessions * slots, device=vectors.device)
    places = torch.arange(slots, device=vectors.device)
    own = own_similarities(vectors, pictures, formula).repeat_interleave(slots, 0)
    paths = vectors.repeat_interleave(slots, 0)
    before, slot = own.mean(1), places.repeat(sessions)
    total = torch.zeros_like(before)
    for step, query in enumerate(queries):
        asked = query.repeat_interleave(slots, 0)
        if step:
            slot = choose(step, paths, asked)
        new = cell(asked, paths[rows, slot])
        written = places == slot[:, None]
        paths = torch.where(written[..., None], new[:, None], paths)
        likeness = own_similarities(new.view(sessions, slots, dim), pictures, formula).flatten()
        own = torch.where(written, likeness[:, None], own)
        now = own.mean(1)
        total += discount**step * (now if reward == "similarity" else now - before)
        before = now
    return total.view(sessions, slots)


@dataclass(frozen=True)
class Greedy:
    """The policy of an oracle: tries each state, and takes the one that brings the session nearest to its target.

    Args:
        pictures: the sessions' targets, in their order.
        formula: of the similarity.
        cell: makes a new vector of a query and the old one.
    """

    pictures: Pictures
    formula: RegionFormula
    cell: Cell

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """See `drilldown.policies.Policy.choose`."""

        def nothing_to_come(step: int, vectors: Tensor, query: Tensor) -> Tensor:
            raise AssertionError("one query has none to come")

        values = values_of_slots(
            states.vectors, query[None], self.pictures, self.formula, self.cell, nothing_to_come, "similarity", 1.0
        )
        return values.argmax(1)
