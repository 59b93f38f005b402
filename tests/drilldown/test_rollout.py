"""Claims about a training step: its loss is a slow loop's, its captions are fresh, and processes share gradients."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drilldown.losses import every_triplet, softmax_of_batch
from drilldown.model_settings import Kind, LossSettings, ModelSettings
from drilldown.models import new_model
from drilldown.rollout import Rollout, Seeds
from multiturn.gallery import Gallery
from multiturn.region_scoring import StateScores
from multiturn.regions import Regions
from multiturn.replies import TextReply

KINDS: list[Kind] = ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]
WORDS = [f"w{number}" for number in range(12)]
PICTURES, WIDE, TURNS = 14, 6, 5
GENERATOR = torch.Generator().manual_seed(2)
COUNTS = torch.randint(1, 5, (PICTURES,), generator=GENERATOR).tolist()
REGIONS = Regions.of([torch.randn(count, WIDE, generator=GENERATOR) for count in COUNTS], None)
GALLERY = Gallery.of([f"{i:02d}" for i in range(PICTURES)], REGIONS, "enc", "s")
CAPTIONS = [[f"w{(7 * i + 3 * j) % 12} w{j} of {i}" for j in range(5 + i % 3)] for i in range(PICTURES)]
LOSS = LossSettings(turns=TURNS)


def rollout(kind: Kind = "drill-down", loss: LossSettings = LOSS, shuffled: bool = True, **changes: Any) -> Rollout:
    torch.manual_seed(0)
    settings = replace(ModelSettings(kind, states=2, dim=7, embedding_dim=4, policy="learned"), **changes)
    return Rollout(new_model(settings, WORDS, "enc", WIDE), GALLERY, CAPTIONS, loss, Seeds(3), shuffled)


def hinge(tables: list[torch.Tensor], margin: float) -> float:
    """Mean over turns and sessions of both hinges, number by number."""
    total = 0.0
    for table in tables:
        s, size = table.tolist(), len(table)
        for i in range(size):
            total += max(max(0.0, margin + s[i][j] - s[i][i]) for j in range(size) if j != i)
            total += max(max(0.0, margin + s[j][i] - s[i][i]) for j in range(size) if j != i)
    return total / len(tables) / len(tables[0])


def retrieved(net: Any, targets: list[int], said: list[list[str]]) -> list[torch.Tensor]:
    """Exact scores after each turn, as retrieval finds them in a gallery of the batch's pictures."""
    chosen = REGIONS[torch.tensor(targets)]
    batch = Gallery.of([f"{i:02d}" for i in range(len(targets))], chosen, "enc", "s")
    pairs = torch.cartesian_prod(torch.arange(len(targets)), torch.arange(len(targets)))
    state, tables = net.start(len(targets), batch), []
    for turn in range(TURNS):
        texts = tuple(own[turn] for own in said)
        if net.kind == "r-rankfusion":  # It is trained on the scores that the ranks are made of.
            alone = StateScores.start(len(targets), 1, net.projection.region_vectors(batch), net.formula)
            scores: Any = alone.after(torch.zeros(len(targets)).long(), net.queries(texts))
        else:
            state = net.update(state, TextReply(texts), batch)
            scores = net.score(state, batch)
        tables.append(scores.exact(pairs[:, 0], pairs[:, 1]).view(len(targets), -1))
    return tables


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("score", ["code", "paper"])
def test_the_loss_of_stage_1_is_the_hinge_of_what_retrieval_scores(kind, score):
    module, targets = rollout(kind, shuffled=False, score=score, policy="fixed"), [3, 9, 0, 13]
    with torch.no_grad():
        tables = retrieved(module.retriever, targets, [CAPTIONS[target][:TURNS] for target in targets])
        loss = module(torch.tensor(targets), 0)
    assert float(loss) == pytest.approx(hinge(tables, 0.2), abs=1e-5)


@pytest.mark.parametrize(("negatives", "loss"), [("all", every_triplet), ("softmax", softmax_of_batch)])
@pytest.mark.parametrize("stage", [1, 2])
def test_other_losses_of_a_batch_take_the_place_of_the_hardest_triplet_in_both_stages(negatives, loss, stage):
    settings, targets = replace(LOSS, act="best", policy_weight=0.0, stage=stage), [3, 9, 0, 13]
    settings = replace(settings, negatives=negatives, temperature=0.2)
    module = rollout(loss=settings, shuffled=False, policy="learned" if stage == 2 else "fixed")
    with torch.no_grad():
        tables = retrieved(module.retriever, targets, [CAPTIONS[target][:TURNS] for target in targets])
        expected = sum(float(loss(table.float(), 0.2)) for table in tables) / TURNS
        assert float(module(torch.tensor(targets), 0)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("policy", ["random", "first"])
def test_another_policy_trains_with_its_own_choices(policy):
    module, targets = rollout(shuffled=False, policy=policy), [3, 9, 0, 13]
    with torch.no_grad():
        tables = retrieved(module.retriever, targets, [CAPTIONS[target][:TURNS] for target in targets])
        loss = module(torch.tensor(targets), 0)
    assert float(loss) == pytest.approx(hinge(tables, 0.2), abs=1e-5)


def test_stage_1_of_a_learned_policy_plays_the_fixed_one():
    targets = torch.arange(6)
    assert torch.equal(rollout(policy="learned")(targets, 0), rollout(policy="fixed")(targets, 0))


def captions_of(module: Rollout, targets: list[int], epoch: int) -> list[list[str]]:
    place = torch.tensor(targets)
    return module._said(place, place + epoch * PICTURES)


def test_a_session_says_different_captions_of_its_own_picture():
    for target, said in zip(range(PICTURES), captions_of(rollout(), list(range(PICTURES)), 0), strict=True):
        assert len(said) == TURNS == len(set(said)) and set(said) <= set(CAPTIONS[target])


def test_the_order_of_captions_is_fresh_in_each_epoch_and_does_not_depend_on_the_batch():
    module = rollout()
    first, second = captions_of(module, [4, 8], 0), captions_of(module, [4, 8], 1)
    assert first[0] != second[0] or first[1] != second[1]
    assert captions_of(module, [8], 0) == first[1:]
    assert captions_of(module, [8, 1, 4], 0)[::2] == [first[1], first[0]]


def test_every_caption_comes_first_sooner_or_later():
    module = rollout()
    assert {captions_of(module, [5], epoch)[0][0] for epoch in range(60)} == set(CAPTIONS[5])


def test_for_validation_the_first_captions_are_said_in_their_order():
    assert captions_of(rollout(shuffled=False), [2], 7) == [CAPTIONS[2][:TURNS]]


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_that_wants_a_gradient_gets_one(kind):
    module = rollout(kind)
    module(torch.arange(8), 0).backward()
    for name, weight in module.named_parameters():
        if name.startswith("retriever.learned."):
            assert not weight.requires_grad and weight.grad is None
        else:
            assert weight.grad is not None and bool(torch.isfinite(weight.grad).all()), name
            assert bool(weight.grad.any()), name


@pytest.mark.parametrize("kind", KINDS)
def test_training_lowers_the_loss(kind):
    module, targets = rollout(kind), torch.arange(8)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    before = float(module(targets, 0).detach())
    for epoch in range(10):
        optimizer.zero_grad()
        module(targets, epoch).backward()
        optimizer.step()
    assert float(module(targets, 0).detach()) < 0.7 * before


def test_pictures_of_one_region_and_captions_without_known_words_have_a_loss():
    one = Gallery.of(GALLERY.ids, Regions(REGIONS.vectors[:, :1], None, REGIONS.mask[:, :1]), "enc", "s")
    captions = [["", "zebra", "okapi", "!", "quagga"]] * PICTURES
    module = Rollout(rollout().retriever, one, captions, LOSS, Seeds(0))
    assert math.isfinite(float(module(torch.arange(4), 0).detach()))


def test_hre_is_trained_on_galleries_of_one_vector_a_picture():
    plain = Gallery(GALLERY.ids, REGIONS.vectors[:, 0], "enc", "s")
    module = Rollout(rollout("hre").retriever, plain, CAPTIONS, LOSS, Seeds(0))
    assert math.isfinite(float(module(torch.arange(4), 0).detach()))


@pytest.mark.parametrize("states", [1, TURNS, TURNS + 3])
def test_stage_1_takes_any_number_of_states(states):
    module = rollout(states=states)
    module(torch.arange(5), 0).backward()


def test_a_picture_with_fewer_captions_than_turns_is_named():
    with pytest.raises(ValueError, match="picture '00' has 5 captions for 6 turns; lower the number of turns"):
        rollout(loss=LossSettings(turns=6))


def test_captions_of_another_number_of_pictures_are_refused():
    with pytest.raises(ValueError, match="13 pictures have captions, and the gallery holds 14"):
        Rollout(rollout().retriever, GALLERY, CAPTIONS[1:], LOSS, Seeds(0))


def test_a_gallery_of_another_encoder_is_refused_before_training():
    other = Gallery.of(GALLERY.ids, REGIONS, "other", "s")
    with pytest.raises(ValueError, match="'other'"):
        Rollout(rollout().retriever, other, CAPTIONS, LOSS, Seeds(0))


def test_a_gallery_without_regions_is_refused_before_training():
    plain = Gallery(GALLERY.ids, REGIONS.vectors[:, 0], "enc", "s")
    with pytest.raises(ValueError, match="looks at regions"):
        Rollout(rollout().retriever, plain, CAPTIONS, LOSS, Seeds(0))


@pytest.mark.parametrize("states", [1, TURNS, TURNS + 1])
def test_stage_2_without_a_state_to_choose_is_refused(states):
    with pytest.raises(ValueError, match=f"with {states} states and {TURNS} turns there is no state to choose"):
        rollout(loss=replace(LOSS, stage=2), states=states)


def test_stage_2_of_a_baseline_is_refused():
    with pytest.raises(ValueError, match="stage 2 trains the policy of drill-down; RHRE has none"):
        rollout("r-hre", replace(LOSS, stage=2))


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="a batch of one has no negatives"):
        rollout()(torch.tensor([3]), 0)


def test_no_seed_is_used_twice():
    used = [getattr(Seeds(base), use) for base in range(5) for use in ("captions", "act", "look_ahead", "policy")]
    assert len(set(used)) == len(used)


# Gradients of half a batch in each of two processes, or of each half in one.
PROGRAM = """
import sys, torch
from accelerate import Accelerator
from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.models import new_model
from drilldown.rollout import Rollout, Seeds
from multiturn.gallery import Gallery
from multiturn.processes import launched
from multiturn.regions import Regions

launched()
accelerator = Accelerator()
generator = torch.Generator().manual_seed(1)
regions = Regions.of([torch.randn(1 + i % 3, 6, generator=generator) for i in range(12)], None)
gallery = Gallery.of([f"{i:02d}" for i in range(12)], regions, "enc", "s")
captions = [[f"w{(i * j) % 5} w{j}" for j in range(5)] for i in range(12)]
cases = [("drill-down", LossSettings(5)), ("drill-down", LossSettings(5, stage=2))]
cases += [("drill-down", LossSettings(5, stage=2, learner="reinforce"))]
cases += [(kind, LossSettings(5)) for kind in ("hre", "r-hre", "r-re", "r-rankfusion")]
found = []
for kind, loss in cases:
    torch.manual_seed(0)
    model = new_model(ModelSettings(kind, 2, 7, 4, "learned"), [f"w{i}" for i in range(5)], "enc", 6)
    rollout = Rollout(model, gallery, captions, loss, Seeds(0))
    wrapped = accelerator.prepare(rollout)
    if accelerator.num_processes == 2:
        halves = [torch.arange(12).chunk(2)[accelerator.process_index]]
    else:
        halves = torch.arange(12).chunk(2)
    for half in halves:
        accelerator.backward(wrapped(half, 3) / len(halves))
    found.append({name: one.grad for name, one in rollout.named_parameters() if one.grad is not None})
if accelerator.is_main_process:
    torch.save(found, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_have_the_mean_of_the_gradients_that_one_finds_for_their_batches(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    here = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    subprocess.check_call([*launch, str(program), str(two)], env=os.environ | here, timeout=240)
    subprocess.check_call([sys.executable, str(program), str(one)], env=os.environ | here, timeout=240)
    alone, together = torch.load(one), torch.load(two)
    assert len(alone) == len(together) == 7
    for expected, found in zip(alone, together, strict=True):
        assert expected.keys() == found.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)
            assert bool(gradient.any()), name
