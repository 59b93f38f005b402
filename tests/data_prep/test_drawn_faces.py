"""What the drawn faces promise: the same pixels always, people apart, usual columns, whole or not there."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep import drawn_faces
from data_prep.attributes import attribute_matrix, face_features
from data_prep.drawn_faces import dataset
from data_prep.drawn_faces.population import draw_population

SMALL = {"count": 60, "size": 32, "processes": 1}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faces():
    return drawn_faces.load(**SMALL)


def png_files(split):
    return [image["bytes"] for image in split.with_format("arrow")[:]["image"].to_pylist()]


def test_drawing_again_gives_the_same_pixels(faces):
    again = drawn_faces.load(**SMALL)
    assert png_files(again["train"]) == png_files(faces["train"])
    assert png_files(again["test"]) == png_files(faces["test"])


def test_the_number_of_processes_does_not_change_the_pixels(faces):
    shared = drawn_faces.load(**SMALL | {"processes": 2})
    assert png_files(shared["train"]) == png_files(faces["train"])


def test_another_seed_draws_other_faces(faces):
    other = drawn_faces.load(**SMALL, seed=1)
    assert not set(png_files(other["train"])) & set(png_files(faces["train"]))


def test_no_person_is_in_both_splits(faces):
    assert not set(faces["train"]["identity"]) & set(faces["test"]["identity"])


@pytest.mark.parametrize("share", [0.001, 0.25, 0.5, 0.999])
def test_the_test_split_has_the_wanted_share_and_neither_split_is_empty(share):
    person, _ = draw_population(400, seed=0)
    in_test = np.isin(person, dataset.people_of_test(person, seed=0, test_share=share))
    assert 0 < in_test.sum() < 400
    assert abs(in_test.mean() - share) <= 12 / 400


def test_the_columns_are_those_of_every_face_data_set(faces):
    for split in faces.values():
        assert split.features == face_features()


def test_ids_are_unique_and_count_through_both_splits(faces):
    ids = sorted([*faces["train"]["id"], *faces["test"]["id"]])
    assert ids == [f"drawn-{number:06d}.png" for number in range(60)]


def test_the_attribute_columns_are_those_the_faces_were_drawn_with(faces):
    _, present = draw_population(60, seed=0)
    rows = [int(name[6:12]) for name in faces["test"]["id"]]
    assert np.array_equal(attribute_matrix(faces["test"]) > 0, present[rows])


def test_images_decode_to_colour_squares_of_the_wanted_size(faces):
    image = faces["train"][0]["image"]
    assert (image.size, image.mode) == ((32, 32), "RGB")


def test_the_description_says_that_the_faces_are_drawn(faces):
    info = faces["train"].info
    assert "not photographs" in info.description
    assert (info.license, str(info.version)) == ("Apache-2.0", drawn_faces.VERSION)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"count": 39}, "count is 39; draw at least 40"),
        ({"size": 31}, "size is 31; give a side from 32 to 256"),
        ({"size": 257}, "size is 257"),
        ({"difficulty": -0.1}, "difficulty is -0.1; give a finite number"),
        ({"difficulty": math.nan}, "difficulty is nan"),
        ({"difficulty": math.inf}, "difficulty is inf"),
        ({"test_share": 0.0}, "test_share is 0.0; give a share between 0 and 1"),
        ({"test_share": 1.0}, "test_share is 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused_with_a_remedy(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        drawn_faces.load(**SMALL | wrong)


def test_the_second_load_reads_the_cache_instead_of_drawing(tmp_path, faces, monkeypatch):
    drawn_faces.load(**SMALL, cache=tmp_path)
    monkeypatch.setattr(dataset, "draw_dataset", None)
    cached = drawn_faces.load(**SMALL, cache=tmp_path)
    assert png_files(cached["train"]) == png_files(faces["train"])
    assert cached["test"].features == face_features()


@pytest.mark.slow
def test_every_argument_that_changes_the_faces_is_in_the_name_of_the_cache(tmp_path):
    for change in ({}, {"count": 61}, {"size": 33}, {"seed": 1}, {"difficulty": 0.5}, {"test_share": 0.3}):
        drawn_faces.load(**SMALL | change, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 6
    assert all(drawn_faces.VERSION in folder.name for folder in tmp_path.iterdir())


def test_a_save_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        drawn_faces.load(**SMALL, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_that_another_process_finished_first_is_kept(tmp_path, faces):
    folder = tmp_path / "faces"
    dataset.save_whole(faces, folder)
    before = (folder / "dataset_dict.json").stat().st_mtime_ns
    dataset.save_whole(faces, folder)
    assert (folder / "dataset_dict.json").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_help_gives_examples_and_loads_nothing_heavy():
    code = (
        "import runpy, sys; sys.argv = ['drawn_faces', '--help']\n"
        "try: runpy.run_module('data_prep.drawn_faces', run_name='__main__')\n"
        "except SystemExit: print(sorted({'datasets', 'torch', 'PIL'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert "examples:\n  python -m data_prep.drawn_faces --output" in answer
    assert answer.endswith("[]\n")


@pytest.mark.slow
def test_the_command_writes_the_data_set_and_two_sheets(tmp_path):
    command = [
        sys.executable,
        "-m",
        "data_prep.drawn_faces",
        "--output",
        str(tmp_path / "out"),
        "--count",
        "40",
    ]
    subprocess.run([*command, "--size", "32"], cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"faces", "contact.png", "attributes.png"}
