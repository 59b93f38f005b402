"""Claims about which face is shown: in training by chance as in the paper's eq. (1), never outside the K nearest."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from facefb.display import SampledNearest, distance, other_faces, random_faces
from multiturn.gallery import Gallery
from multiturn.scoring import VectorScores
from multiturn.session import Display, Session

SESSIONS = torch.arange(20_000)


def choose(display: SampledNearest, distances: list[float], turn: int = 1, page_size: int = 1) -> torch.Tensor:
    scores = -torch.tensor(distances, dtype=torch.float64).square().expand(len(SESSIONS), -1)
    return display.choose(turn, SESSIONS, torch.zeros_like(scores, dtype=torch.long), scores, page_size)


def test_the_shown_face_is_drawn_from_the_softmax_of_distances():
    distances = [0.0, 0.3, 0.5, 1.0, 2.5]
    counts = np.bincount(choose(SampledNearest(5, seed=1), distances)[:, 0].numpy(), minlength=5)
    weights = np.exp(-np.array(distances))
    assert chisquare(counts, weights / weights.sum() * len(SESSIONS)).pvalue > 1e-3


def test_a_page_is_drawn_without_replacement_and_its_first_place_from_the_softmax():
    distances = [0.0, 0.3, 0.5, 1.0]
    pages = choose(SampledNearest(4, seed=2), distances, page_size=3)
    assert all(len(set(page)) == 3 for page in pages[:500].tolist())
    weights = np.exp(-np.array(distances))
    counts = np.bincount(pages[:, 0].numpy(), minlength=4)
    assert chisquare(counts, weights / weights.sum() * len(SESSIONS)).pvalue > 1e-3


def test_another_turn_or_seed_draws_anew():
    first = choose(SampledNearest(2, seed=0), [1.0, 1.0])
    for other in (choose(SampledNearest(2, seed=0), [1.0, 1.0], turn=2), choose(SampledNearest(2, 1), [1.0, 1.0])):
        assert 0.48 < (first == other).double().mean() < 0.52


def test_distances_of_any_size_are_drawn_from():
    assert bool((choose(SampledNearest(3), [0.0, 1e3, 1e8]) == 0).all())
    assert len(choose(SampledNearest(3), [1e8, 1e8, 1e8]).unique()) == 3


class Still:
    """Stands at the origin."""

    def start(self, sessions, gallery):
        return torch.zeros(sessions, 1)

    def update(self, state, reply, gallery):
        return state

    def score(self, state, gallery):
        return VectorScores(state, gallery.vectors, gallery.norms)


def test_only_the_nearest_faces_are_ever_shown():
    gallery = Gallery.of([f"{i:02d}" for i in range(40)], torch.arange(40.0)[:, None] / 100, "f", "s")
    shown = Session(Still(), gallery, SESSIONS[:2000], display=SampledNearest(7)).show().shown
    assert set(shown.flatten().tolist()) == set(range(7))


def test_a_gallery_smaller_than_the_nearest_is_drawn_from_whole():
    gallery = Gallery.of(["a", "b", "c"], torch.tensor([[0.0], [0.1], [0.2]]), "f", "s")
    shown = Session(Still(), gallery, SESSIONS[:200], page_size=2, display=SampledNearest(10)).show().shown
    assert set(shown.flatten().tolist()) == {0, 1, 2}


def test_it_is_a_display_that_wants_at_least_a_page():
    assert isinstance(SampledNearest(), Display)
    assert SampledNearest(10).width(3) == 10
    assert SampledNearest(10).width(30) == 30


def test_no_nearest_face_at_all_is_refused():
    with pytest.raises(ValueError, match="nearest must be at least 1"):
        SampledNearest(0)


def test_opening_faces_are_uniform_over_the_gallery():
    faces = random_faces(0, SESSIONS, 0, 13)
    assert chisquare(np.bincount(faces.numpy(), minlength=13)).pvalue > 1e-3


def test_negatives_are_uniform_over_all_but_the_target():
    targets = SESSIONS % 13
    faces = other_faces(5, SESSIONS, 2, targets, 13)
    assert bool((faces != targets).all())
    assert chisquare(np.bincount(((faces - targets) % 13).numpy(), minlength=13)[1:]).pvalue > 1e-3


def test_the_distance_is_the_l2_norm_with_no_gradient_at_zero():
    one = torch.tensor([[3.0, 4.0], [1.0, 1.0]], requires_grad=True)
    found = distance(one, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert found.tolist() == pytest.approx([5, 0], abs=1e-5)
    found.sum().backward()
    assert one.grad is not None
    assert one.grad.tolist() == [pytest.approx([0.6, 0.8]), [0, 0]]
