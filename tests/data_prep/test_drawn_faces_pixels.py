"""What a drawn face shows: every attribute, where it belongs; nuisances vanish at difficulty 0."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.attributes import ATTRIBUTES
from data_prep.drawn_faces.appearance import OBJECTS, draw_levels, draw_person, draw_shot
from data_prep.drawn_faces.canvas import Canvas
from data_prep.drawn_faces.face import draw_face
from data_prep.drawn_faces.population import COLUMN
from data_prep.drawn_faces.sheets import pair

BOTTOM = slice(44, 64)  # rows


def drawn_pair(attribute, number=0, difficulty=0.0, size=64):
    return [draw_face(present, 3, number, size, 0, difficulty).astype(float) for present in pair(attribute)]


def without_and_with(attribute, **options):
    without, present = drawn_pair(attribute, **options)
    return np.abs(present - without).mean(axis=2)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_every_attribute_changes_the_pixels(attribute, difficulty):
    """At least 20 of the 4,096 pixels change by 10 of 255 steps, on average over six pictures."""
    most = [np.sort(without_and_with(attribute, number=n, difficulty=difficulty), axis=None)[-20] for n in range(6)]
    assert np.mean(most) > 10


def test_a_hat_hides_the_top_of_the_hair():
    dark, light = pair("Blond_Hair")
    dark[COLUMN["Wearing_Hat"]] = light[COLUMN["Wearing_Hat"]] = True
    hatted = np.abs(draw_face(light, 3, 0, 64, 0, 0.0).astype(float) - draw_face(dark, 3, 0, 64, 0, 0.0))
    crown = (slice(4, 10), slice(26, 38))
    assert without_and_with("Blond_Hair")[crown].mean() > 20
    assert hatted.mean(axis=2)[crown].mean() < 2


def test_a_bald_head_shines():
    hairy, bald = drawn_pair("Bald")
    assert bald[10:16, 28:40].max() > hairy[10:16, 28:40].max() + 40


def test_a_blurry_picture_has_weaker_edges():
    sharp, blurry = drawn_pair("Blurry")
    assert np.abs(np.diff(blurry, axis=0)).max() < np.abs(np.diff(sharp, axis=0)).max() / 2


def test_lipstick_reddens_the_mouth_only():
    bare, painted = drawn_pair("Wearing_Lipstick")
    redder = (painted[..., 0] - painted[..., 1]) - (bare[..., 0] - bare[..., 1])
    assert redder.max() > 40
    assert redder[:36].max() < 3


@pytest.mark.parametrize("attribute", ["Wearing_Necktie", "Wearing_Necklace", "Double_Chin"])
def test_what_is_worn_or_hangs_below_the_face_changes_nothing_above_it(attribute):
    change = without_and_with(attribute)
    assert change[:40].max() == 0
    assert change[40:].max() > 20


@pytest.mark.parametrize("attribute", ["Bangs", "Receding_Hairline", "Wearing_Hat"])
def test_what_is_on_top_changes_nothing_at_the_mouth(attribute):
    assert without_and_with(attribute)[BOTTOM].max() < 3


def test_two_pictures_of_one_person_are_more_alike_than_two_of_two_people():
    present = pair("Young")[1]

    def look(person, number):
        return draw_face(present, person, number, 64, 0, 0.3)[12:52, 14:50].astype(float)

    same = [np.abs(look(p, 2 * p) - look(p, 2 * p + 1)).mean() for p in range(12)]
    other = [np.abs(look(p, 2 * p) - look(p + 1, 2 * p + 1)).mean() for p in range(12)]
    assert np.mean(same) < 0.8 * np.mean(other)


def test_at_difficulty_zero_the_face_is_frontal_clean_and_still():
    shot = draw_shot(np.random.default_rng(0), 0.0)
    assert (shot.shift, shot.angle, shot.scale, shot.turn, shot.gain) == ((0, 0), 0, 1, 0, 1)
    assert (shot.noise, shot.clutter, shot.occlusion, shot.softness, shot.cast) == (0, 0, 0, 0, (1, 1, 1))


def test_at_difficulty_zero_cues_are_fully_there_or_not_at_all():
    present = np.random.default_rng(1).random(len(ATTRIBUTES)) < 0.5
    levels = draw_levels(present, np.random.default_rng(0), 0.0)
    assert list(levels.values()) == present.astype(float).tolist()


@pytest.mark.parametrize("difficulty", [0.5, 1.0, 3.0])
def test_a_present_cue_is_always_stronger_than_if_it_were_absent(difficulty):
    everything = np.ones(len(ATTRIBUTES), dtype=bool)
    for seed in range(50):
        present = draw_levels(everything, np.random.default_rng(seed), difficulty)
        absent = draw_levels(~everything, np.random.default_rng(seed), difficulty)
        assert all(present[name] - absent[name] > 0.249 for name in ATTRIBUTES)
        assert all(absent[name] == 0 for name in OBJECTS)


@pytest.mark.parametrize("difficulty", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("size", [32, 96, 256])
def test_any_size_and_difficulty_draws_a_picture_that_is_not_flat(size, difficulty):
    everything = np.ones(len(ATTRIBUTES), dtype=bool)
    for present in (everything, ~everything):
        face = draw_face(present, 0, 0, size, 0, difficulty)
        assert (face.shape, face.dtype) == ((size, size, 3), np.uint8)
        assert face.std() > 5


def test_a_face_is_the_same_picture_at_another_size():
    present = pair("Smiling")[1]
    small, large = draw_face(present, 3, 0, 64, 0, 0.0), draw_face(present, 3, 0, 128, 0, 0.0)
    halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).mean() < 3


def test_windows_hide_nothing_however_the_head_turns():
    canvas = Canvas.blank(64, (0.1, -0.1), 0.3, 1.1).turned(1.2)
    whole = canvas.cover(canvas.ellipse(0.3, -0.1, 0.2, 0.1))
    window = canvas.window(0.1, -0.2, 0.5, 0.0)
    assert window.cover(window.ellipse(0.3, -0.1, 0.2, 0.1)).sum() == pytest.approx(whole.sum(), rel=0.01)


def test_one_person_keeps_all_looks():
    assert draw_person(np.random.default_rng(5)) == draw_person(np.random.default_rng(5))
