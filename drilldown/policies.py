"""Which state a query is written to once all are filled; while one is empty, every policy takes the next empty one."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drilldown.states import States
from multiturn.draws import uniform


@runtime_checkable
class Policy(Protocol):
    """Chooses among filled states; `slot_for` asks it when there is no empty one."""

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """The state for each session's query."""
        ...


def slot_for(policy: Policy, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
    """The state that a query is written to.

    Source:
        papers/drill-down.txt, eq. (2), in which an empty state is drawn where there is one; as the empty ones are
        alike, we take them in order.
    """
    if states.turn < states.vectors.shape[1]:
        return torch.full((len(query),), states.turn, device=query.device)
    return policy.choose(states, query)


@dataclass(frozen=True)
class Fixed:
    """Takes the states in turn.

    Source:
        papers/drill-down.txt, section 3.5, supervised pre-training: k = t mod M.
    """

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """See `Policy.choose`."""
        return torch.full((len(query),), states.turn % states.vectors.shape[1], device=query.device)


@dataclass(frozen=True)
class First:
    """Always takes the first state: the others keep what the first turns said."""

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """See `Policy.choose`."""
        return torch.zeros(len(query), dtype=torch.long, device=query.device)


@dataclass(frozen=True)
class Random:
    """Draws a state, by what was said in the session and the turn."""

    seed: int = 0

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """See `Policy.choose`."""
        slots = states.vectors.shape[1]
        return (uniform(self.seed, states.said, states.turn, 1)[:, 0] * slots).long()


class LearnedPolicy(nn.Module):
    """Three layers that give each pair of a state and a query a number; the largest is the favourite.

    Args:
        dim: of states and queries.
        relu: end in a ReLU, as the released code does: several states may then tie at 0, and get no gradient.
    Source:
        papers/drill-down.txt, eq. (3), f(x, q) = W3 d(W2 d(W1 [x; q] + b1) + b2) + b3.
    """

    def __init__(self, dim: int, relu: bool = False) -> None:
        super().__init__()
        layers = [nn.Linear(2 * dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1)]
        self.layers = nn.Sequential(*layers, *([nn.ReLU()] if relu else []))

    def forward(
        self, vectors: Float[Tensor, "session slot dim"], query: Float[Tensor, "session dim"]
    ) -> Float[Tensor, "session slot"]:
        """Logits of eq. (2)."""
        pairs = torch.cat([vectors, query[:, None].expand_as(vectors)], -1)
        return self.layers(pairs)[..., 0]

    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """The favourite; of equal ones the first."""
        return self(states.vectors, query).argmax(1)


def drawn(logits: Float[Tensor, "*batch slot"], draws: Float[Tensor, "*batch"]) -> Int[Tensor, "*batch"]:
    """Draw a state by the softmax of `logits`, with numbers in [0, 1)."""
    below = logits.softmax(-1).double().cumsum(-1)
    return (draws[..., None] >= below[..., :-1]).sum(-1)
