"""Claims about training sessions: the loss is the paper's eq. (2), and it goes down."""

import pytest
import torch

from facefb.display import SampledNearest, other_faces, random_faces
from facefb.retriever import FeedbackRetriever
from facefb.rollout import Rollout, Seeds
from facefb.users import PROGRESSIVE, AttributeUser
from multiturn.gallery import Gallery
from multiturn.session import Session

FACES, FEATURES = 30, 5
GENERATOR = torch.Generator().manual_seed(2)
ATTRIBUTES = (torch.randint(0, 2, (FACES, 7), generator=GENERATOR) * 2 - 1).to(torch.int8)
VECTORS = ATTRIBUTES[:, :FEATURES] + 0.3 * torch.randn(FACES, FEATURES, generator=GENERATOR)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], VECTORS, "e", "s")
SEEDS = Seeds(3)


def rollout(margin: float = 2.0, turns: int = 5) -> Rollout:
    torch.manual_seed(0)
    net = FeedbackRetriever([f"a{i}" for i in range(7)], "e", FEATURES, 8)
    return Rollout(net, GALLERY, AttributeUser(ATTRIBUTES, PROGRESSIVE, SEEDS.user), turns, margin, 4, SEEDS)


def by_hand(module: Rollout, target: int, epoch: int, margin: float, turns: int) -> float:
    """Eq. (2) for one session: play it alone, and add up one hinge a turn."""
    number = torch.tensor([target + epoch * FACES])
    opening = random_faces(SEEDS.opening, number, 0, FACES)[:, None]
    live = Session(module.retriever, GALLERY, number, 1, SampledNearest(4, SEEDS.display), opening=opening)
    user, total = AttributeUser(ATTRIBUTES, PROGRESSIVE, SEEDS.user), 0.0
    for turn in range(1, turns + 1):
        now = live.tell(user.reply(live.show(), torch.tensor([target])))
        negative = int(other_faces(SEEDS.negatives, number, turn, torch.tensor([target]), FACES))
        query = now.state.query[0].detach().double()
        near = sum((a - b) ** 2 for a, b in zip(query.tolist(), GALLERY.vectors[target].tolist(), strict=True)) ** 0.5
        far = sum((a - b) ** 2 for a, b in zip(query.tolist(), GALLERY.vectors[negative].tolist(), strict=True)) ** 0.5
        assert negative != target
        total += max(0.0, near - far + margin)
    return total


@pytest.mark.parametrize("margin", [2.0, 0.1])
@pytest.mark.parametrize("turns", [1, 5])
def test_the_loss_is_the_hinge_summed_over_turns_and_averaged_over_sessions(margin, turns):
    module, targets = rollout(margin, turns), [0, 3, 29, 3]
    loss = module(torch.tensor(targets), 2)
    expected = sum(by_hand(module, target, 2, margin, turns) for target in targets) / len(targets)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_the_loss_is_the_mean_of_the_losses_of_batches_of_one():
    module = rollout()
    alone = [module(torch.tensor([target]), 0).item() for target in range(6)]
    assert module(torch.arange(6), 0).item() == pytest.approx(sum(alone) / 6, rel=1e-4)


def test_the_same_epoch_gives_the_same_loss_and_another_draws_anew():
    module, targets = rollout(), torch.arange(FACES)
    assert torch.equal(module(targets, 1), module(targets, 1))
    assert not torch.equal(module(targets, 1), module(targets, 2))


def test_every_weight_gets_a_gradient():
    module = rollout()
    module(torch.arange(FACES), 0).backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in module.parameters())


def test_a_gradient_that_hits_the_target_exactly_is_finite():
    module = rollout()
    with torch.no_grad():
        module.retriever.aim.weight.zero_()
        module.retriever.aim.bias.copy_(GALLERY.vectors[4])
    module(torch.tensor([4]), 0).backward()
    assert all(weight.grad is not None and bool(torch.isfinite(weight.grad).all()) for weight in module.parameters())


def test_training_lowers_the_loss():
    module, targets = rollout(), torch.arange(FACES)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    before = module(targets, 0).item()
    for epoch in range(15):
        optimizer.zero_grad()
        module(targets, epoch).backward()
        optimizer.step()
    assert module(targets, 0).item() < 0.85 * before


def test_no_seed_is_used_twice():
    used = [getattr(Seeds(base), use) for base in range(5) for use in ("opening", "negatives", "display", "user")]
    assert len(set(used)) == len(used)
