"""Losses of Drill-down: those of a batch of scores, and the two that train a policy; who plays is elsewhere."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy


def hardest_triplet(table: Float[Tensor, "session picture"], margin: float) -> Float[Tensor, ""]:
    """Hinge against the hardest picture for each session and the hardest session for each picture.

    Args:
        table: scores; the target of a session is the picture of its own number.
        margin: alpha.
    Returns:
        the mean over sessions of the sum of both. The paper sums; a mean keeps the weight of the policy's loss
        beside it whatever the size of a batch.
    Raises:
        ValueError: fewer than two sessions, which have no negatives.
    Source:
        papers/drill-down.txt, eq. (4) and the line below it.
    Example:
        >>> hardest_triplet(torch.tensor([[0.9, 0.8], [0.3, 0.5]]), 0.2)   # .1 and 0 by rows, 0 and .5 by columns
        tensor(0.3000)
    """
    _check_negatives(table)
    own = table.diagonal()
    others = table.masked_fill(torch.eye(len(table), dtype=torch.bool, device=table.device), -torch.inf)
    pictures = (margin + others.amax(1) - own).clamp(min=0)
    sessions = (margin + others.amax(0) - own).clamp(min=0)
    return (pictures + sessions).mean()


def every_triplet(table: Float[Tensor, "session picture"], margin: float) -> Float[Tensor, ""]:
    """Hinge against every picture for each session and every session for each picture, the mean of all.

    An untrained model that learns from the hardest negatives alone may end up where all scores are equal and the loss
    is twice the margin; this loss leads away from there.

    Args:
        table: scores; the target of a session is the picture of its own number.
        margin: alpha.
    Returns:
        the mean over sessions and negatives of the sum of both directions.
    Raises:
        ValueError: fewer than two sessions, which have no negatives.
    Example:
        >>> every_triplet(torch.tensor([[0.9, 0.8], [0.3, 0.5]]), 0.2)
        tensor(0.3000)
    """
    _check_negatives(table)
    own, target = table.diagonal(), torch.eye(len(table), dtype=torch.bool, device=table.device)
    pictures = (margin + table - own[:, None]).clamp(min=0)
    sessions = (margin + table - own[None, :]).clamp(min=0)
    return (pictures + sessions).masked_fill(target, 0).sum() / (len(table) * (len(table) - 1))


def softmax_of_batch(table: Float[Tensor, "session picture"], temperature: float) -> Float[Tensor, ""]:
    """Cross-entropy of each session with its own picture among all, and of each picture with its own session.

    Every negative counts by its share of the softmax: most, and at a low temperature all, is due to the hardest.

    Args:
        table: scores; the target of a session is the picture of its own number.
        temperature: what scores are divided by first.
    Returns:
        the mean over sessions of the sum of both directions.
    Raises:
        ValueError: fewer than two sessions, which have no negatives.
    Source:
        InfoNCE of Oord et al., "Representation learning with contrastive predictive coding", 2018, in both
        directions. The paper has the triplet loss alone.
    Example:
        >>> softmax_of_batch(torch.zeros(2, 2), 0.1)   # log 2 in each direction
        tensor(1.3863)
    """
    _check_negatives(table)
    own = torch.arange(len(table), device=table.device)
    logits = table / temperature
    return cross_entropy(logits, own) + cross_entropy(logits.T, own)


def _check_negatives(table: Float[Tensor, "session picture"]) -> None:
    if len(table) < 2:
        raise ValueError("a batch of one has no negatives; raise training.batch_size to 2 at least")


def imitation_loss(
    logits: Float[Tensor, "turn session slot"], values: Float[Tensor, "turn session slot"]
) -> Float[Tensor, ""]:
    """Cross-entropy of the policy with the slot of the highest value; of equal ones the first.

    Args:
        logits: of the policy, at turns when all states were filled.
        values: of each slot by a look-ahead (`drilldown.look_ahead.values_of_slots`).
    Source:
        papers/drill-down.txt, eq. (5), as a mean over turns and sessions.
    """
    return cross_entropy(logits.flatten(0, 1), values.argmax(-1).flatten())


def reinforce_loss(
    logits: Float[Tensor, "turn session slot"],
    slots: Int[Tensor, "turn session"],
    rewards: Float[Tensor, "turn session"],
    discount: float,
) -> Float[Tensor, ""]:
    """Minus the log-probability of what was sampled, weighted by the reward to go less the batch's mean of it.

    Args:
        logits: of the policy, at turns when all states were filled.
        slots: sampled from them.
        rewards: of those turns.
        discount: of later rewards.
    Source:
        Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
        Machine Learning 8, 1992. The paper's method is `imitation_loss`; this one is ours.
    """
    to_go = rewards.flip(0).clone()
    for turn in range(1, len(to_go)):
        to_go[turn] += discount * to_go[turn - 1]
    advantage = to_go.flip(0) - to_go.flip(0).mean(1, keepdim=True)
    chosen = logits.log_softmax(-1).gather(-1, slots[..., None])[..., 0]
    return -(chosen * advantage.detach()).mean()


def rewards_of(
    similarity: Float[Tensor, "turn session"], before: Float[Tensor, " session"], reward: str
) -> Float[Tensor, "turn session"]:
    """Reward of each turn: the 'similarity' with the target after it, or the 'gain' over the turn before.

    Source:
        papers/drill-down.txt, section 3.5, takes s(X, I); the released code takes the gain.
    """
    if reward == "similarity":
        return similarity
    return similarity.diff(dim=0, prepend=before[None])
