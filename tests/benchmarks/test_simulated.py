import pytest
import torch

from benchmarks.simulated import REAL_DATA, load_attributes, simulated_features, simulated_gallery

FACES = load_attributes(200, simulate=True)


def test_drawn_attributes_are_all_plus_or_minus_one():
    assert FACES.attributes.shape == (200, 40)
    assert FACES.attributes.unique().tolist() == [-1, 1]


def test_drawn_attributes_say_that_they_are_not_celeba():
    assert "not CelebA" in FACES.source


def test_without_the_real_data_the_error_names_the_variable_and_the_way_out(monkeypatch):
    monkeypatch.delenv(REAL_DATA, raising=False)
    with pytest.raises(ValueError, match=rf"{REAL_DATA}.*--simulate_attributes"):
        load_attributes(10, simulate=False)


def test_features_depend_on_the_seed_and_the_draw_alone():
    one, again, other, drawn = (
        simulated_features(FACES.attributes, 16, 0.5, seed, draw) for seed, draw in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, drawn)


def test_without_noise_equal_attributes_have_equal_features():
    twice = FACES.attributes[:5].repeat(2, 1)
    features = simulated_features(twice, 16, 0.0, seed=0)
    torch.testing.assert_close(features[:5], features[5:])


def test_two_draws_of_a_face_differ_by_noise_alone():
    one, two = (simulated_features(FACES.attributes, 256, 0.5, seed=0, draw=draw) for draw in (0, 1))
    assert (one - two).std().item() == pytest.approx(0.5 * 2**0.5, rel=0.02)


def test_the_gallery_is_labelled_as_simulated():
    gallery = simulated_gallery(FACES, 16, 0.5, seed=0)
    assert gallery.source.startswith("simulated features")
    assert gallery.fingerprint.startswith("simulated")
