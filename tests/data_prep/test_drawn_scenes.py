"""What the drawn scenes promise: the same pixels and words always, ten captions, families apart, whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep import drawn_scenes
from data_prep.drawn_scenes import dataset
from data_prep.drawn_scenes.captions import write_captions
from data_prep.drawn_scenes.dataset import scene_features, split_families
from data_prep.drawn_scenes.scene import FAMILY, plan_scene

SMALL = {"count": 40, "size": 64, "processes": 1}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scenes():
    return drawn_scenes.load(**SMALL)


@pytest.fixture(scope="module")
def rows(scenes):
    return [row for split in scenes.values() for row in split.remove_columns("image")]


def tables(splits):
    """Everything in the splits, with the pictures as PNG bytes."""
    return {name: split.with_format("arrow")[:].to_pylist() for name, split in splits.items()}


def by_id(splits):
    return {row["id"]: row for rows in tables(splits).values() for row in rows}


def test_drawing_again_gives_the_same_pixels_and_words(scenes):
    assert tables(drawn_scenes.load(**SMALL)) == tables(scenes)


def test_the_number_of_processes_does_not_change_pixels_and_words(scenes):
    assert tables(drawn_scenes.load(**SMALL | {"processes": 2})) == tables(scenes)


def test_another_seed_draws_and_says_something_else(scenes):
    other, same = by_id(drawn_scenes.load(**SMALL, seed=1)), by_id(scenes)
    assert not {row["image"]["bytes"] for row in other.values()} & {row["image"]["bytes"] for row in same.values()}
    assert all(other[name]["captions"] != row["captions"] for name, row in same.items())


def test_more_pictures_leave_the_first_ones_as_they_are(scenes):
    more = by_id(drawn_scenes.load(**SMALL | {"count": 45}))
    assert {name: more[name] for name in by_id(scenes)} == by_id(scenes)


def test_every_picture_has_ten_captions_no_two_alike_in_lower_case(rows):
    for row in rows:
        texts = [caption["text"] for caption in row["captions"]]
        assert len(texts) == len(set(texts)) == 10
        assert all(text == text.lower() == " ".join(text.split()) and text for text in texts)


def test_as_many_captions_as_wanted_are_written_also_for_the_poorest_scene():
    for number in range(40):
        texts = [caption.text for caption in write_captions(plan_scene(0, number, 64), 0, number, 30)]
        assert len(set(texts)) == len(texts) == 30


def test_region_ids_rise_and_belong_to_one_picture(rows):
    ids = [caption["region_id"] for row in sorted(rows, key=lambda row: row["id"]) for caption in row["captions"]]
    assert ids == sorted(set(ids))


def test_every_box_of_an_object_or_a_caption_lies_in_the_picture(rows):
    for row in rows:
        for x, y, width, height in [part["box"] for part in row["captions"] + row["objects"]]:
            assert min(x, y) >= 0 < min(width, height)
            assert max(x + width, y + height) <= 64


def test_a_caption_names_objects_that_are_there_and_its_box_is_around_as_many(rows):
    for row in rows:
        kinds = [thing["kind"] for thing in row["objects"]]
        for caption in row["captions"]:
            x, y, width, height = caption["box"]
            inside = [
                thing["kind"]
                for thing in row["objects"]
                if x <= thing["box"][0] and thing["box"][0] + thing["box"][2] <= x + width
                and y <= thing["box"][1] and thing["box"][1] + thing["box"][3] <= y + height
            ]  # fmt: skip
            named = [name for name in caption["names"] if name in kinds]
            assert all(inside.count(name) >= named.count(name) for name in named)
            assert len(caption["names"]) > 0


def test_pictures_have_six_to_twelve_objects_and_mostly_two_of_a_kind(rows):
    counts = [len(row["objects"]) for row in rows]
    assert (min(counts) >= 6, max(counts) <= 12) == (True, True)
    assert np.mean([len({thing["kind"] for thing in row["objects"]}) < len(row["objects"]) for row in rows]) >= 0.8


def test_no_family_is_in_two_splits(scenes):
    families = [set(split["family"]) for split in scenes.values()]
    assert sum(map(len, families)) == len(set.union(*families)) == 40 // FAMILY


@pytest.mark.parametrize(("count", "test", "validation"), [(40, 0.001, 0.001), (41, 0.5, 0.499), (400, 0.25, 0.1)])
def test_splits_have_the_wanted_shares_and_none_is_empty(count, test, validation):
    splits = split_families(count, 0, test, validation)
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(count))
    assert all(len(numbers) > 0 for numbers in splits.values())
    assert abs(len(splits["test"]) - test * count) <= FAMILY
    assert abs(len(splits["validation"]) - validation * count) <= FAMILY


def test_images_decode_to_colour_squares_of_the_wanted_size(scenes):
    image = scenes["train"][0]["image"]
    assert (image.size, image.mode) == ((64, 64), "RGB")


def test_the_columns_and_the_description_are_as_stated(scenes):
    for split in scenes.values():
        assert split.features == scene_features()
        assert "not photographs" in split.info.description
        assert (split.info.license, str(split.info.version)) == ("Apache-2.0", drawn_scenes.VERSION)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"count": 39}, "count is 39; draw at least 40"),
        ({"size": 63}, "size is 63; give a side from 64 to 256"),
        ({"size": 257}, "size is 257"),
        ({"seed": -1}, "seed is -1; give a whole number from 0"),
        ({"captions": 0}, "captions is 0; give 1 to 30"),
        ({"captions": 31}, "captions is 31"),
        ({"test_share": 0.0}, "test_share is 0.0; give a share between 0 and 1"),
        ({"validation_share": 1.0}, "validation_share is 1.0"),
        ({"test_share": 0.6, "validation_share": 0.4}, "leave nothing to train on"),
    ],
)
def test_arguments_out_of_range_are_refused_with_a_remedy(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        drawn_scenes.load(**SMALL | wrong)


def test_the_second_load_reads_the_cache_instead_of_drawing(tmp_path, scenes, monkeypatch):
    drawn_scenes.load(**SMALL, cache=tmp_path)
    monkeypatch.setattr(dataset, "draw_dataset", None)
    cached = drawn_scenes.load(**SMALL, cache=tmp_path)
    assert tables(cached) == tables(scenes)
    assert cached["validation"].features == scene_features()


def test_every_argument_that_changes_the_scenes_is_in_the_name_of_the_cache(tmp_path, scenes, monkeypatch):
    monkeypatch.setattr(dataset, "draw_dataset", lambda *_: scenes)
    changes = ({}, {"count": 61}, {"size": 65}, {"seed": 1}, {"captions": 11}, {"test_share": 0.3})
    for change in (*changes, {"validation_share": 0.2}):
        drawn_scenes.load(**SMALL | change, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 7
    assert all(drawn_scenes.VERSION in folder.name for folder in tmp_path.iterdir())


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        drawn_scenes.load(**SMALL, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_help_gives_examples_and_loads_nothing_heavy():
    code = (
        "import runpy, sys; sys.argv = ['drawn_scenes', '--help']\n"
        "try: runpy.run_module('data_prep.drawn_scenes', run_name='__main__')\n"
        "except SystemExit: print(sorted({'datasets', 'torch', 'PIL'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert "examples:\n  python -m data_prep.drawn_scenes --output" in answer
    assert answer.endswith("[]\n")


@pytest.mark.slow
def test_the_command_writes_the_data_set_and_a_sheet_and_keeps_what_is_there(tmp_path):
    command = [sys.executable, "-m", "data_prep.drawn_scenes", "--output", str(tmp_path / "out"), "--count", "40"]
    subprocess.run([*command, "--size", "64"], cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scenes", "contact.png"}
    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert "is already there; remove it or give another --output" in again.stderr
