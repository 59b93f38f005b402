"""Claims about training the space of faces and attribute queries: its losses, and what is drawn for them."""

import math
from pathlib import Path

import pytest
import torch

from facefb.attribute_losses import contradicts, distilled_loss, fitting_likelihood, softmax_loss, triplet_loss
from facefb.attribute_settings import AttributeSearchSettings, SpaceSettings
from facefb.attribute_space import AttributeSpace
from facefb.attribute_training import SpaceLoss, flip, leave_out
from multiturn.cli import Parser
from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.settings import TrainingSettings

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"
NAMES, FACES, FEATURES = ["Male", "Smiling", "Young", "Bald", "Wearing_Hat", "Eyeglasses"], 60, 7
GENERATOR = torch.Generator().manual_seed(3)
ATTRIBUTES = (torch.randint(0, 2, (FACES, len(NAMES)), generator=GENERATOR) * 2 - 1).to(torch.int8)
BATCH = torch.arange(32)
GALLERY = Gallery.of([f"{i:02d}" for i in range(FACES)], torch.randn(FACES, FEATURES, generator=GENERATOR), "enc", "s")


def test_the_triplet_loss_follows_a_loop():
    torch.manual_seed(1)
    faces, own, others = torch.randn(4, 5), torch.randn(4, 5), torch.randn(6, 5)
    negative = torch.rand(4, 6) < 0.5
    cosine = torch.nn.functional.cosine_similarity
    terms = [
        max(0.0, (1 - cosine(faces[i], own[i], 0)).item() - (1 - cosine(faces[i], others[j], 0)).item() + 0.5)
        for i in range(4)
        for j in range(6)
        if negative[i, j]
    ]
    assert triplet_loss(faces, own, others, negative, 0.5).item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)


def test_nothing_negative_costs_nothing():
    torch.manual_seed(1)
    ones = torch.randn(2, 3)
    assert triplet_loss(ones, ones, ones, torch.zeros(2, 2, dtype=torch.bool), 0.5).item() == 0


def test_the_softmax_loss_compares_each_face_that_fits_with_the_faces_that_do_not():
    cosines = torch.tensor([[0.4, 0.2, 0.3], [0.1, 0.5, 0.5]])
    negative = torch.tensor([[False, False, True], [True, False, True]])
    # Divided by .1: log(1 + e^(3-4)) and log(1 + e^(3-2)) of the first query, log(1 + e^(1-5) + e^(5-5)) of the other.
    by_hand = ((math.log1p(math.exp(-1)) + math.log1p(math.exp(1))) / 2 + math.log(2 + math.exp(-4))) / 2
    assert softmax_loss(cosines, negative, 0.1).item() == pytest.approx(by_hand, abs=1e-5)


def test_faces_that_fit_a_query_do_not_compete():
    cosines, negative = torch.tensor([[0.4, 0.2, 0.3]]), torch.tensor([[False, False, True]])
    raised = cosines + torch.tensor([[0.2, 0.0, 0.0]])
    others = torch.tensor([[True, False, True]])
    assert softmax_loss(raised, negative, 0.1) < softmax_loss(cosines, negative, 0.1)
    # A face that does fit costs less the higher it stands; one that does not, more.
    assert softmax_loss(raised, others, 0.1) > softmax_loss(cosines, others, 0.1)


def test_a_query_that_all_faces_fit_or_none_costs_nothing_and_teaches_nothing():
    cosines = torch.tensor([[0.4, -0.2], [0.1, 0.3], [0.2, 0.1]], requires_grad=True)
    negative = torch.tensor([[False, False], [True, True], [False, True]])
    loss = softmax_loss(cosines, negative, 0.05)
    loss.backward()
    assert loss.item() == pytest.approx(math.log1p(math.exp(-2)) / 3)
    assert cosines.grad is not None and cosines.grad[:2].abs().max() == 0 and cosines.grad[2].abs().min() > 0


def test_the_softmax_loss_teaches_the_log_odds_that_a_face_fits():
    torch.manual_seed(1)
    chances, scores = torch.tensor([0.9, 0.5, 0.1]), torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([scores], 0.05)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
        faces = torch.randint(0, 3, (256, 64))
        negative = torch.rand(256, 64) > chances[faces]
        optimizer.zero_grad()
        softmax_loss(scores[faces], negative, 1.0).backward()
        optimizer.step()
    assert (scores - scores.mean()).tolist() == pytest.approx((chances / (1 - chances)).log().tolist(), abs=0.1)


def test_a_perfect_pupil_ranks_as_the_classifiers_log_odds_and_learns_nothing_more():
    torch.manual_seed(1)
    logits, wanted = torch.randn(20, len(NAMES)), leave_out(ATTRIBUTES, uniform(1, torch.arange(FACES), 0, 7), 3)
    fits = fitting_likelihood(wanted, logits)
    cosines = (0.05 * (fits - torch.log1p(-fits.exp()))).requires_grad_()
    best = distilled_loss(cosines, wanted, logits, 0.05)
    best.backward()
    assert cosines.grad is not None and cosines.grad.abs().max() < 1e-5
    assert distilled_loss(cosines + 0.01 * torch.randn(FACES, 20), wanted, logits, 0.05) > best


def test_the_likelihood_of_a_fit_is_the_product_over_what_is_wanted():
    wanted = torch.tensor([[1, -1, 0], [0, 0, 0]], dtype=torch.int8)
    fits = fitting_likelihood(wanted, torch.tensor([[0.3, -0.2, 5.0]])).exp()[:, 0].tolist()
    assert fits == pytest.approx([1 / (1 + math.exp(-0.3)) / (1 + math.exp(-0.2)), 1])


def test_the_towers_learn_as_if_the_likelihoods_were_not_there():
    torch.manual_seed(0)
    plain = AttributeSpace(NAMES, "enc", FEATURES, 5, 8)
    torch.manual_seed(0)
    beside = AttributeSpace(NAMES, "enc", FEATURES, 5 + 2 * len(NAMES), 8, 0.1)
    losses = [
        SpaceLoss(one, GALLERY, ATTRIBUTES, SpaceSettings(loss="softmax"), 0)(BATCH, 0) for one in (plain, beside)
    ]
    losses[1].backward()
    assert torch.equal(*losses)
    assert beside.classify is not None and beside.classify.weight.grad is None
    assert all(one.grad is not None for one in beside.parameters() if one.requires_grad)


def test_the_share_of_the_teacher_lies_between_the_two_losses():
    torch.manual_seed(0)
    network = AttributeSpace(NAMES, "enc", FEATURES, 5, 8)
    layer = torch.nn.Linear(FEATURES, len(NAMES)).requires_grad_(False)

    def loss(share: float, taught: bool = True) -> float:
        settings = SpaceSettings(loss="softmax", teacher=share)
        made = SpaceLoss(network, GALLERY, ATTRIBUTES, settings, 0, None, layer.forward if taught else None)
        assert len(list(made.parameters())) == len(list(network.parameters()))
        return made(BATCH, 0).item()

    assert loss(0.25) == pytest.approx(0.75 * loss(0.0) + 0.25 * loss(1.0), rel=1e-5)
    # Features of no classifier have nobody to learn from.
    assert loss(0.25, taught=False) == loss(0.0) != pytest.approx(loss(1.0), rel=1e-3)


def test_equal_or_agreeing_queries_are_no_negatives():
    attributes = torch.tensor([[1, -1, 1]], dtype=torch.int8)
    wanted = torch.tensor([[1, -1, 1], [0, -1, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.int8)
    assert contradicts(wanted, attributes).tolist() == [[False, False, True, False]]


def test_flipped_queries_differ_in_one_to_three_wanted_attributes():
    wanted = leave_out(ATTRIBUTES, uniform(1, torch.arange(FACES), 0, len(NAMES) + 1), 40)
    flipped = flip(wanted, uniform(2, torch.arange(FACES), 0, len(NAMES) + 1))
    changed = (flipped != wanted).sum(1)
    said = wanted.ne(0).sum(1)
    assert bool(((changed >= 1) & (changed <= said.clamp(max=3))).all()) and bool((flipped.eq(0) == wanted.eq(0)).all())
    assert set(said.tolist()) == set(range(1, len(NAMES) + 1))


@pytest.mark.parametrize("most", [1, 3])
def test_a_partial_query_tells_the_truth_of_one_to_so_many_attributes(most):
    draws = uniform(1, torch.arange(600), 0, len(NAMES) + 1)
    attributes = ATTRIBUTES.repeat(10, 1)
    wanted = leave_out(attributes, draws, most)
    numbers = wanted.ne(0).sum(1).bincount()
    assert len(numbers) == most + 1 and numbers[0] == 0 and int(numbers[1:].min()) > 150
    assert bool(((wanted == 0) | (wanted == attributes)).all())


@pytest.mark.parametrize("kind", ["triplet", "softmax"])
def test_a_step_lowers_the_loss_and_only_trains_the_towers(kind):
    torch.manual_seed(0)
    network = AttributeSpace(NAMES, "enc", FEATURES, 5, 8)
    loss = SpaceLoss(network, GALLERY, ATTRIBUTES, SpaceSettings(loss=kind, hard_negatives=4, temperature=0.1), 0)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-2)
    before = loss(BATCH, 0)
    for _ in range(30):
        optimizer.zero_grad()
        loss(BATCH, 0).backward()
        optimizer.step()
    assert loss(BATCH, 0).item() < 0.5 * before.item()


@pytest.mark.parametrize("kind", ["triplet", "softmax"])
def test_the_draws_of_a_face_depend_on_its_position_and_the_epoch_alone(kind):
    torch.manual_seed(0)
    settings = SpaceSettings(loss=kind, hard_negatives=32)
    loss = SpaceLoss(AttributeSpace(NAMES, "enc", FEATURES, 5, 8), GALLERY, ATTRIBUTES, settings, 0)
    first, turned, later = (loss(batch, e).item() for batch, e in ((BATCH, 3), (BATCH.flip(0), 3), (BATCH, 4)))
    assert first == pytest.approx(turned, rel=1e-5) and first != pytest.approx(later, rel=1e-2)


@pytest.mark.parametrize("kind", ["triplet", "softmax"])
def test_more_queries_of_each_face_differ_and_the_first_of_them_stays(kind):
    torch.manual_seed(0)
    network = AttributeSpace(NAMES, "enc", FEATURES, 5, 8)
    asked: list[torch.Tensor] = []
    network.attribute_tower.register_forward_pre_hook(lambda module, inputs: asked.append(inputs[0]))
    losses = []
    for count in (1, 3):
        settings = SpaceSettings(loss=kind, hard_negatives=0, queries=count)
        losses.append(SpaceLoss(network, GALLERY, ATTRIBUTES, settings, 0)(BATCH, 0).item())
    one, first, *others = [asked[0], *asked[1].split(len(BATCH))]
    assert len(others) == 2 and torch.equal(one, first) and not any(torch.equal(one, other) for other in others)
    # Each tells the truth of the face that stands at its place.
    truth = torch.cat([ATTRIBUTES[BATCH] > 0, ATTRIBUTES[BATCH] < 0], 1)
    assert all(bool((other.bool() <= truth).all()) for other in others)
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.5)


def test_the_preset_of_the_paper_trains_as_the_source_does():
    parser, arguments = Parser(), ["--task", "celeba-attributes"]
    parser.add_task([*arguments, "--config", str(CONFIGS / "celeba-attributes" / "paper.yaml")], CONFIGS)
    settings, _, _ = parser.parse_task([*arguments, "--config", str(CONFIGS / "celeba-attributes" / "paper.yaml")])
    assert isinstance(settings, AttributeSearchSettings)
    triplets = SpaceSettings(loss="triplet", margin=0.5, hard_negatives=4, hard_weight=0.5, partial=False)
    assert {**vars(settings.space), "most_told": 40} == vars(triplets)
    assert settings.training == TrainingSettings(epochs=10, batch_size=128, weight_decay=0.0, decay=False)
