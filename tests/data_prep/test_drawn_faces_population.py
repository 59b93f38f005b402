"""Who is drawn: attributes as frequent and as joined as on CelebA, and no face that cannot be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from data_prep.attributes import ATTRIBUTES
from data_prep.drawn_faces import statistics
from data_prep.drawn_faces.population import (
    BEARDS,
    COLUMN,
    HAIR_COLOURS,
    HAIR_TYPES,
    celeba_statistics,
    draw_population,
    latent_factor,
    nearest_correlation,
)


@pytest.fixture(scope="module")
def population():
    return draw_population(20_000, seed=0)


@pytest.fixture(scope="module")
def has(population):
    return {name: population[1][:, column] for name, column in COLUMN.items()}


def test_every_attribute_is_within_four_points_as_frequent_as_on_celeba():
    for seed in range(3):
        _, present = draw_population(6_000, seed)
        assert np.abs(present.mean(axis=0) - celeba_statistics().marginals).max() < 0.04


def test_every_strong_correlation_has_the_sign_it_has_on_celeba(population):
    wanted = celeba_statistics().correlations
    found = np.corrcoef(population[1].T)
    strong = np.abs(wanted) > 0.5
    assert strong.sum() > 200
    assert np.array_equal(np.sign(found[strong]), np.sign(wanted[strong]))


@pytest.mark.parametrize(
    ("one", "other", "at_least"),
    [
        ("Heavy_Makeup", "Wearing_Lipstick", 0.7),
        ("Smiling", "High_Cheekbones", 0.55),
        ("Goatee", "Male", 0.2),
    ],
)
def test_pairs_known_to_go_together_do(has, one, other, at_least):
    assert np.corrcoef(has[one], has[other])[0, 1] > at_least


def test_a_person_keeps_the_sex_but_not_the_smile(population):
    person, present = population

    def changing(name):
        images, having = np.bincount(person), np.bincount(person, weights=present[:, COLUMN[name]])
        return ((having > 0) & (having < images))[images >= 4].mean()

    assert changing("Male") < 0.05
    assert changing("Smiling") > 0.6


def test_nobody_has_two_hair_colours_or_two_hair_types(has):
    for rivals in (HAIR_COLOURS, HAIR_TYPES):
        assert np.sum([has[name] for name in rivals], axis=0).max() == 1


def test_bald_heads_have_no_hair_to_speak_of(has):
    for name in ("Bangs", "Wearing_Hat", *HAIR_TYPES, "Black_Hair", "Blond_Hair", "Brown_Hair"):
        assert not (has["Bald"] & has[name]).any()


def test_a_hairline_that_recedes_is_seen(has):
    assert not (has["Receding_Hairline"] & (has["Bangs"] | has["Wearing_Hat"])).any()


def test_only_men_are_bald_bearded_or_wear_a_necktie(has):
    for name in ("Bald", "5_o_Clock_Shadow", "Wearing_Necktie", *BEARDS):
        assert not (has[name] & ~has["Male"]).any()
    assert has["No_Beard"][~has["Male"]].all()


def test_who_has_a_named_beard_is_not_called_beardless(has):
    assert not (has["No_Beard"] & np.any([has[name] for name in BEARDS], axis=0)).any()


def test_people_have_one_to_twelve_pictures_and_about_four(population):
    pictures = np.bincount(population[0])
    assert (pictures.min(), pictures.max()) == (1, 12)
    assert 3.5 < pictures.mean() < 4.5


def test_people_are_numbered_without_gaps():
    person, _ = draw_population(100, seed=4)
    assert np.array_equal(np.unique(person), np.arange(person.max() + 1))


def test_the_latent_correlations_are_a_correlation_matrix():
    matrix = latent_factor() @ latent_factor().T
    assert np.allclose(np.diag(matrix), 1)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_a_correlation_matrix_is_its_own_nearest():
    matrix = np.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.5], [-0.2, 0.5, 1.0]])
    assert np.allclose(nearest_correlation(matrix), matrix)


def test_tetrachoric_correlation_finds_the_correlation_that_made_the_signs():
    rng = np.random.default_rng(0)
    for wanted in (-0.9, -0.3, 0.0, 0.6, 0.95):
        first, noise = rng.standard_normal((2, 400_000))
        one, other = first > 0.8, wanted * first + np.sqrt(1 - wanted**2) * noise > -0.3
        shares = [np.array([value.mean()]) for value in (one, other, one & other)]
        assert statistics.tetrachoric(*shares)[0] == pytest.approx(wanted, abs=0.02)


def test_identity_shares_are_the_likeness_between_pictures_of_one_person():
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(8_000), 6)
    person = rng.standard_normal((8_000, 2))[identity]
    latent = np.sqrt([0.9, 0.2]) * person + np.sqrt([0.1, 0.8]) * rng.standard_normal(person.shape)
    assert statistics.summarise(latent > 0.5, identity)["identity_shares"] == pytest.approx([0.9, 0.2], abs=0.03)


def test_annotations_with_another_header_are_refused(tmp_path):
    (tmp_path / "list_attr_celeba.txt").write_text("1\nSmiling Male\n000001.jpg 1 -1\n")
    with pytest.raises(ValueError, match="give the official CelebA file"):
        statistics.read_annotations(tmp_path)


def test_the_packaged_figures_cover_40_attributes_and_name_their_source():
    stored = json.loads(statistics.STATISTICS_FILE.read_text())
    lengths = [len(stored[key]) for key in ("marginals", "identity_shares", "correlations")]
    assert lengths == [40, 40, len(ATTRIBUTES) * 39 // 2]
    assert "ICCV 2015" in stored["source"]


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="needs CelebA's annotation files")
def test_the_packaged_figures_are_those_of_the_real_annotations(tmp_path):
    annotations = Path(os.environ["RETRIEVAL_REAL_DATA"]) / "celeba" / "Anno"
    statistics.write(annotations, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(statistics.STATISTICS_FILE.read_text())
