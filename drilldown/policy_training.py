"""Stage 2: a batch is played by the policy that is trained, and the policy's loss computed beside the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drilldown.drill_down import DrillDown, Step
from drilldown.look_ahead import values_of_slots
from drilldown.losses import imitation_loss, reinforce_loss, rewards_of
from drilldown.model_settings import LossSettings
from drilldown.policies import LearnedPolicy, Policy, drawn
from drilldown.similarity import Pictures
from drilldown.states import States
from multiturn.draws import uniform
from multiturn.regions import Regions


@runtime_checkable
class DrawSeeds(Protocol):
    """Seeds of a policy's draws."""

    @property
    def act(self) -> int:
        """Of the states that queries go to."""
        ...

    @property
    def look_ahead(self) -> int:
        """Of those in a look-ahead."""
        ...


@dataclass(frozen=True)
class Sampled:
    """Draws a state by a learned policy's probabilities.

    Args:
        policy: gives them.
        sessions: numbers of the sessions, which seed the draws with the turn.
        seed: of the draws.
    Source:
        papers/drill-down.txt, eq. (2).
    """

    policy: LearnedPolicy
    sessions: Int[Tensor, " session"]
    seed: int

    @torch.no_grad()
    def choose(self, states: States, query: Float[Tensor, "session dim"]) -> Int[Tensor, " session"]:
        """See `drilldown.policies.Policy.choose`."""
        draws = uniform(self.seed, self.sessions, states.turn, 1)[:, 0]
        return drawn(self.policy(states.vectors, query), draws)


def policy_loss(
    model: DrillDown,
    said: Sequence[Sequence[str]],
    regions: Regions,
    settings: LossSettings,
    sessions: Int[Tensor, " session"],
    seeds: DrawSeeds,
) -> tuple[list[Float[Tensor, "session picture"]], Float[Tensor, ""]]:
    """Play a batch with the model's learned policy.

    Args:
        model: with more turns to play than states.
        said: what each session says, turn after turn.
        regions: of the sessions' targets, in their order.
        settings: of the loss.
        sessions: numbers of the sessions, which seed the draws.
        seeds: of the draws.
    Returns:
        the scores after each turn, whose loss trains all but the policy; and the policy's loss, which trains
        the policy alone.
    Source:
        papers/drill-down.txt, section 3.5, joint optimisation.
    """
    pictures, queries = model.projection.pictures(regions), model.encoded(said)
    policy: Policy = Sampled(model.learned, sessions, seeds.act) if settings.act == "sample" else model.learned
    steps = list(model.walk(said, queries, pictures, policy))
    chosen = steps[model.slots :]  # the turns at which all states were filled
    fixed = Pictures(pictures.regions.detach(), pictures.mask)
    logits = torch.stack([model.learned(step.before.vectors.detach(), step.query.detach()) for step in chosen])
    if settings.learner == "reinforce":
        similarity = torch.stack([step.table.scores.diagonal() for step in steps]).detach()
        first = model.slots
        rewards = rewards_of(similarity[first:], similarity[first - 1], settings.reward)
        loss = reinforce_loss(logits, torch.stack([step.slot for step in chosen]), rewards, settings.discount)
    else:
        values = [_values(model, step, queries.detach(), fixed, settings, sessions, seeds) for step in chosen]
        loss = imitation_loss(logits, torch.stack(values))
    return [step.table.scores for step in steps], loss


def _values(
    model: DrillDown,
    step: Step,
    queries: Float[Tensor, "turn session dim"],
    pictures: Pictures,
    settings: LossSettings,
    sessions: Int[Tensor, " session"],
    seeds: DrawSeeds,
) -> Float[Tensor, "session slot"]:
    """What each slot was worth at a step."""
    turn = step.before.turn

    def choose(ahead: int, vectors: Tensor, query: Tensor) -> Tensor:
        logits = model.learned(vectors, query)
        if settings.act == "best":
            return logits.argmax(-1)
        # Each trajectory of a session has draws of its own.
        draws = uniform(seeds.look_ahead, sessions, turn * len(queries) + ahead, model.slots)
        return drawn(logits, draws.flatten())

    return values_of_slots(
        step.before.vectors.detach(),
        queries[turn:],
        pictures,
        model.formula,
        model.cell,
        choose,
        settings.reward,
        settings.discount,
    )
