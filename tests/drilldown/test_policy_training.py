"""Claims about stage 2: its loss is that of a slow loop in float64, and its two parts train different weights."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from drilldown.drill_down import DrillDown
from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.models import new_model
from drilldown.policy_training import Sampled, policy_loss
from drilldown.rollout import Seeds
from multiturn.regions import Regions

SESSIONS, SLOTS, TURNS, WIDE, DIM = 5, 2, 5, 6, 7
GENERATOR = torch.Generator().manual_seed(7)
COUNTS = [2, 4, 1, 3, 2]
REGIONS = Regions.of([torch.randn(count, WIDE, generator=GENERATOR) for count in COUNTS], None)
SAID = [[f"w{(3 * i + j * j) % 9} w{j}" for j in range(TURNS)] for i in range(SESSIONS)]
NUMBERS = torch.arange(SESSIONS) + 20
IMITATE = LossSettings(turns=TURNS, stage=2, act="best")
REINFORCE = LossSettings(turns=TURNS, stage=2, learner="reinforce")


def model(score: Any = "code") -> DrillDown:
    torch.manual_seed(4)
    settings = ModelSettings(states=SLOTS, dim=DIM, embedding_dim=4, policy="learned", score=score)
    net = new_model(settings, [f"w{i}" for i in range(9)], "enc", WIDE)
    assert isinstance(net, DrillDown)
    return net


class ByHand:
    """Stage 2 for one session after the other in float64."""

    def __init__(self, net: DrillDown, settings: LossSettings) -> None:
        self.settings, self.formula = settings, net.formula
        with torch.no_grad():
            self.queries = net.encoded(SAID).double()
        parts: list[Any] = [copy.deepcopy(part).double() for part in (net.cell, net.learned, net.projection.map)]
        self.cell, self.policy, self.map = parts

    def likeness(self, states: list[torch.Tensor], picture: int) -> float:
        total = 0.0
        for state in states:
            regions = self.map(REGIONS.vectors[picture, : COUNTS[picture]].double())
            cosines = [float(state @ v / state.norm() / v.norm()) for v in regions]
            weights = [math.exp(self.formula.sharpness * cosine) for cosine in cosines]
            attended = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
            total += attended / (len(cosines) if self.formula.per_region else 1)
        return total / (SLOTS if self.formula.average == "all" else len(states))

    def logits(self, states: list[torch.Tensor], query: torch.Tensor) -> list[float]:
        return [float(self.policy.layers(torch.cat([state, query]))) for state in states]

    def written(self, states: list[torch.Tensor], slot: int, query: torch.Tensor) -> list[torch.Tensor]:
        old = states[slot] if slot < len(states) else torch.zeros(DIM, dtype=torch.float64)
        new = self.cell(query[None], old[None])[0]
        return [*states[:slot], new, *states[slot + 1 :]]

    def value(self, session: int, states: list[torch.Tensor], turn: int, slot: int) -> float:
        total, before = 0.0, self.likeness(states, session)
        for ahead in range(turn, TURNS):
            query = self.queries[ahead, session]
            if ahead > turn:
                logits = self.logits(states, query)
                slot = max(range(SLOTS), key=logits.__getitem__)
            states = self.written(states, slot, query)
            now = self.likeness(states, session)
            gain = now - before if self.settings.reward == "gain" else now
            total += self.settings.discount ** (ahead - turn) * gain
            before = now
        return total

    @torch.no_grad()
    def imitation(self) -> tuple[list[list[list[float]]], float]:
        """Tables of scores, turn by turn, and the policy's loss."""
        tables = [[[0.0] * SESSIONS for _ in range(SESSIONS)] for _ in range(TURNS)]
        total, choices = 0.0, 0
        for session in range(SESSIONS):
            states: list[torch.Tensor] = []
            for turn in range(TURNS):
                query, slot = self.queries[turn, session], turn
                if turn >= SLOTS:
                    logits = self.logits(states, query)
                    values = [self.value(session, states, turn, one) for one in range(SLOTS)]
                    label = max(range(SLOTS), key=values.__getitem__)
                    total -= logits[label] - math.log(sum(math.exp(one) for one in logits))
                    choices += 1
                    slot = max(range(SLOTS), key=logits.__getitem__)
                states = self.written(states, slot, query)
                for picture in range(SESSIONS):
                    tables[turn][session][picture] = self.likeness(states, picture)
        return tables, total / choices


@pytest.mark.parametrize("score", ["code", "paper"])
@pytest.mark.parametrize("changes", [{}, {"reward": "similarity"}, {"discount": 0.5}])
def test_scores_labels_and_loss_agree_with_a_slow_loop_in_float64(score, changes):
    net, settings = model(score), replace(IMITATE, **changes)
    tables, loss = policy_loss(net, SAID, REGIONS, settings, NUMBERS, Seeds(0))
    expected, expected_loss = ByHand(net, settings).imitation()
    torch.testing.assert_close(torch.stack(tables).detach(), torch.tensor(expected), atol=2e-6, rtol=0)
    assert float(loss.detach()) == pytest.approx(expected_loss, abs=1e-5)


def test_reinforce_rewards_the_slots_that_were_drawn():
    net = model()
    _, loss = policy_loss(net, SAID, REGIONS, REINFORCE, NUMBERS, Seeds(0))
    hand, policy = ByHand(net, REINFORCE), Sampled(net.learned, NUMBERS, Seeds(0).act)
    steps = list(net.walk(SAID, net.encoded(SAID), net.projection.pictures(REGIONS), policy))
    logs, to_go = [], []
    with torch.no_grad():
        for session in range(SESSIONS):
            states: list[torch.Tensor] = []
            chosen, rewards = [], []
            for turn in range(TURNS):
                slot, query = int(steps[turn].slot[session]), hand.queries[turn, session]
                before = hand.likeness(states, session) if turn >= SLOTS else math.nan
                if turn >= SLOTS:
                    logits = hand.logits(states, query)
                    chosen.append(logits[slot] - math.log(sum(math.exp(one) for one in logits)))
                states = hand.written(states, slot, query)
                if turn >= SLOTS:
                    rewards.append(hand.likeness(states, session) - before)
            logs.append(chosen)
            to_go.append([sum(rewards[turn:]) for turn in range(len(rewards))])
    total = 0.0
    for turn in range(TURNS - SLOTS):
        mean = sum(row[turn] for row in to_go) / SESSIONS
        total -= sum(logs[s][turn] * (to_go[s][turn] - mean) for s in range(SESSIONS))
    assert float(loss.detach()) == pytest.approx(total / SESSIONS / (TURNS - SLOTS), abs=1e-5)


@pytest.mark.parametrize("settings", [IMITATE, replace(IMITATE, act="sample"), REINFORCE])
def test_the_policys_loss_trains_the_policy_alone_and_the_scores_train_the_rest(settings):
    net = model()
    tables, loss = policy_loss(net, SAID, REGIONS, settings, NUMBERS, Seeds(0))
    of_policy = set(map(id, net.learned.parameters()))
    parameters = list(net.parameters())
    for value, theirs in ((loss, True), (torch.stack(tables).square().sum(), False)):
        gradients = torch.autograd.grad(value, parameters, allow_unused=True, retain_graph=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            moved = gradient is not None and bool(gradient.any())
            assert not moved if (id(parameter) in of_policy) != theirs else True
        assert any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def test_what_is_drawn_depends_on_the_session_and_not_on_the_batch():
    net, settings = model(), replace(IMITATE, act="sample")
    whole, _ = policy_loss(net, SAID, REGIONS, settings, NUMBERS, Seeds(0))
    rows = torch.tensor([3, 1])
    part, _ = policy_loss(net, [SAID[3], SAID[1]], REGIONS[rows], settings, NUMBERS[rows], Seeds(0))
    expected = torch.stack(whole)[:, rows][..., rows]
    torch.testing.assert_close(torch.stack(part), expected)


def test_other_draws_take_other_slots():
    net, settings = model(), replace(IMITATE, act="sample")
    tables = [policy_loss(net, SAID, REGIONS, settings, NUMBERS, Seeds(base))[0] for base in (0, 1)]
    assert not torch.equal(torch.stack(tables[0]), torch.stack(tables[1]))


@pytest.mark.parametrize("settings", [IMITATE, replace(IMITATE, act="sample")])
def test_imitation_learns_the_labels(settings):
    net, losses = model(), []
    optimizer = torch.optim.Adam(net.learned.parameters(), lr=0.05)
    for _ in range(30):
        _, loss = policy_loss(net, SAID, REGIONS, settings, NUMBERS, Seeds(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_reinforce_raises_the_reward():
    net, likeness = model(), []
    optimizer = torch.optim.Adam(net.learned.parameters(), lr=0.05)
    for step in range(60):
        tables, loss = policy_loss(net, SAID, REGIONS, REINFORCE, NUMBERS + 100 * step, Seeds(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        likeness.append(float(tables[-1].diagonal().mean().detach()))
    assert sum(likeness[-15:]) > sum(likeness[:15])
