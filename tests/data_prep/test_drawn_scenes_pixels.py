"""What a drawn scene shows: every object in its box and nowhere else, in its colour, with its pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data_prep.drawn_scenes.picture import draw_scene
from data_prep.drawn_scenes.relations import Box, gap, place, relations
from data_prep.drawn_scenes.scene import Thing, plan_scene
from data_prep.drawn_scenes.shapes import SHAPES
from data_prep.drawn_scenes.words import COLOURS, EXTENTS, INKS, KINDS, PATTERNS, SETTINGS

MEADOW = replace(plan_scene(0, 0, 96), place="meadow", backdrop="clear", light="none", edges=(40, 96), things=())
BALL = Box(30, 50, 30, 30)


def drawn(*things):
    return draw_scene(replace(MEADOW, things=things)).astype(float)


def thing(kind="ball", colour="red", pattern="plain", box=BALL):
    return Thing(kind, colour, "large", pattern, box, "" if KINDS[kind].flies else "grass")


def test_every_kind_has_a_shape():
    assert set(SHAPES) == set(KINDS)
    assert set(INKS) == set(COLOURS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_fills_its_box_and_paints_nothing_around_it_but_a_shadow(kind):
    width, height = round(30 * min(1, KINDS[kind].aspect)), round(30 * min(1, 1 / KINDS[kind].aspect))
    x, y = 30, 44
    change = np.abs(drawn(thing(kind, "red", box=Box(x, y, width, height))) - drawn()).max(axis=2)
    rows, columns = np.nonzero(change > 12)
    assert columns.min() <= x + 1
    assert rows.min() <= y + 1
    assert columns.max() >= x + width - 2
    assert rows.max() >= y + height - 2
    assert change[:y].max() == 0
    assert change[:, :x].max() == 0
    if KINDS[kind].flies:
        assert change[:, x + width :].max() == change[y + height :].max() == 0
    assert (change[y : y + height, x : x + width] > 12).mean() > 0.3


@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_object_is_nearer_to_its_own_colour_than_to_any_other(colour):
    middle = drawn(thing("ball", colour))[58:72, 38:52].mean(axis=(0, 1)) / 255
    distance = {name: np.abs(middle - ink).sum() for name, ink in INKS.items()}
    assert min(distance, key=distance.__getitem__) == colour


@pytest.mark.parametrize("pattern", ["striped", "dotted", "checked"])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("side", [13, 30])
def test_patterns_are_seen_in_every_colour_on_small_and_large_objects(pattern, colour, side):
    box = Box(30, 50, side, side)
    change = np.abs(drawn(thing("box", colour, pattern, box)) - drawn(thing("box", colour, "plain", box))).max(axis=2)
    assert 0.08 < (change > 60).sum() / side**2 < 0.7


def test_no_two_patterns_look_alike():
    looks = [drawn(thing("box", "red", pattern)) for pattern in PATTERNS]
    for first in range(len(looks)):
        for second in range(first):
            assert np.abs(looks[first] - looks[second]).max(axis=2)[50:80, 30:60].mean() > 20


def test_objects_keep_apart_stand_on_their_ground_and_leave_the_sun_free():
    for number in range(150):
        scene = plan_scene(2, number, 96)
        boxes = [one.box for one in scene.things] + ([scene.light_box()] if scene.light != "none" else [])
        assert all(gap(a, b) >= 1 for place, a in enumerate(boxes) for b in boxes[:place])
        for one in scene.things:
            assert (one.surface == "") == KINDS[one.kind].flies
            if one.surface:
                band, bottom = scene.band(one.surface), one.box.y + one.box.height
                assert band.y < bottom <= band.y + band.height


def test_sizes_differ_by_a_gap_whatever_the_kind():
    for number in range(60):
        for one in plan_scene(1, number, 128).things:
            low, high = EXTENTS[one.size]
            assert low * 128 - 1 <= max(one.box.width, one.box.height) <= high * 128 + 1


@pytest.mark.parametrize("side", [64, 96, 256])
def test_every_setting_is_drawn_at_every_size(side):
    seen = set()
    for number in range(80):
        scene = plan_scene(0, number, side)
        if scene.place not in seen:
            seen.add(scene.place)
            picture = draw_scene(scene)
            assert (picture.shape, picture.dtype) == ((side, side, 3), np.uint8)
            assert picture.std() > 10
    assert seen == set(SETTINGS)


def test_left_is_not_right_and_diagonals_are_neither():
    here, there = Box(10, 40, 12, 12), Box(60, 42, 12, 12)
    assert (relations(here, there, 96), relations(there, here, 96)) == (["left"], ["right"])
    assert relations(Box(10, 10, 12, 12), Box(60, 60, 12, 12), 96) == []


def test_between_the_thirds_there_is_no_word_for_the_place():
    assert place(Box(32, 32, 10, 10), 96) == ("", "")
