"""Claims about choosing a data set by its name."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from data_prep.sources import DataSettings, read_source
from tests.multiturn.encoders.tiny import pictures


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Two pictures of each of two species."""
    for folder in ("001.Black_footed_Albatross", "102.Western_Meadowlark"):
        (tmp_path / "cub" / "images" / folder).mkdir(parents=True)
        for number in range(2):
            Pillow.new("RGB", (8, 8), (number * 90, 0, 0)).save(tmp_path / "cub" / "images" / folder / f"{number}.jpg")
    return tmp_path / "cub"


def test_a_loader_gives_pictures_with_labels_licence_and_citation(birds: Path):
    source = read_source(DataSettings("cub", birds))
    assert source.items.kind == "image" and len(source.items) == 4
    assert source.label == "species" and source.labels["001.Black_footed_Albatross/0.jpg"] == "Black_footed_Albatross"
    assert "Non-commercial" in source.licence and "wah2011caltech" in source.citation


def test_a_split_is_taken_by_name_and_a_wrong_one_answered_with_the_right_ones(birds: Path):
    source = read_source(DataSettings("cub", birds, split="test"))
    assert {name.split("/")[0] for name in source.items.ids} == {"102.Western_Meadowlark"}
    assert source.items.source.endswith("test split")
    with pytest.raises(ValueError, match="has the splits train, test, not 'dev'"):
        read_source(DataSettings("cub", birds, split="dev"))


@pytest.mark.parametrize(("name", "label"), [("drawn_faces", "identity"), ("drawn_scenes", "family")])
def test_drawn_data_needs_no_root_and_is_labelled(name: str, label: str, tmp_path: Path):
    source = read_source(DataSettings(name, tmp_path, count=40, size=64))  # type: ignore[arg-type]
    assert len(source.items) == 40 and source.label == label and len(source.labels) == 40
    assert "not photographs" in source.items.source and source.licence == "Apache-2.0"


def test_captions_are_numbered_by_their_picture_and_take_its_label(tmp_path: Path):
    source = read_source(DataSettings("drawn_scenes", tmp_path, "test", "captions", count=40, size=64))
    assert source.items.kind == "text" and len(source.items) == 10 * len({one.split("#")[0] for one in source.labels})
    first = source.items.ids[0]
    assert first.endswith("#0") and isinstance(source.items.values[0], str) and source.labels[first].isdigit()


def test_a_column_that_holds_no_text_is_refused(birds: Path):
    with pytest.raises(ValueError, match=r"label of '001.*' holds 0, which is not text"):
        read_source(DataSettings("cub", birds, column="label"))
    with pytest.raises(ValueError, match="no column 'captions' among id, image"):
        read_source(DataSettings("cub", birds, column="captions"))


def test_any_folder_and_any_file_of_texts_are_items(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    for row in pictures(2):
        row["image"].save(tmp_path / "photos" / row["id"])  # type: ignore[index,call-overload]
    assert read_source(DataSettings(root=tmp_path / "photos")).items.ids == ["p0.png", "p1.png"]
    (tmp_path / "t.jsonl").write_text('{"id": "x", "phrase": "a dog"}\n{"id": "y", "phrase": "a cat"}\n')
    assert read_source(DataSettings(root=tmp_path / "t.jsonl", column="phrase")).items.values == ["a dog", "a cat"]


def test_a_data_set_on_disk_can_be_labelled_by_a_column(tmp_path: Path):
    rows = pictures(3).add_column("who", ["a", "b", "a"])  # type: ignore[call-arg]
    rows.save_to_disk(tmp_path / "set")
    source = read_source(DataSettings(root=tmp_path / "set", label="who"))
    assert source.labels == {"p0.png": "a", "p1.png": "b", "p2.png": "a"}
    with pytest.raises(ValueError, match="no column 'whom'"):
        read_source(DataSettings(root=tmp_path / "set", label="whom"))


@pytest.mark.parametrize("bad", ["../secret.png", "/etc/x.png", "a\\b.png"])
def test_a_path_in_an_image_id_is_refused(bad: str, tmp_path: Path):
    image = Pillow.new("RGB", (8, 8))
    features = Features({"id": Value("string"), "image": Image()})
    Dataset.from_dict({"id": ["x.png", bad], "image": [image, image]}, features=features).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match="leads out of the image folder"):
        read_source(DataSettings(root=tmp_path / "set"))


def test_two_images_of_one_id_are_refused(tmp_path: Path):
    image = Pillow.new("RGB", (8, 8))
    features = Features({"id": Value("string"), "image": Image()})
    Dataset.from_dict({"id": ["x", "x"], "image": [image, image]}, features=features).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match=r"two items of .* have the id 'x'"):
        read_source(DataSettings(root=tmp_path / "set"))


def test_a_line_with_a_missing_field_is_named(tmp_path: Path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "a"}) + "\n" + json.dumps({"caption": "b"}))
    with pytest.raises(ValueError, match=r"line 2: no 'text' in it"):
        read_source(DataSettings(root=tmp_path / "t.jsonl"))


def test_empty_data_is_said_to_be_empty(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="holds no item"):
        read_source(DataSettings(root=tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "cub"}, "cub needs a root"),
        ({"name": "lfw", "root": Path("x"), "count": 3}, "lfw takes no count"),
        ({"name": "photos", "root": Path("x"), "hub_id": "a/b"}, "photos takes no hub_id"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        DataSettings(**options)


def odd_folder(tmp_path: Path) -> Path:
    """Two pictures, one of them with a line break in its name, a pipe and a text."""
    (tmp_path / "odd").mkdir()
    for name in ("a.png", "two\nlines.png"):
        Pillow.new("RGB", (8, 8)).save(tmp_path / "odd" / name)
    (tmp_path / "odd" / "notes.txt").write_text("no image")
    os.mkfifo(tmp_path / "odd" / "pipe.jpg")
    return tmp_path / "odd"


@pytest.mark.parametrize("name", ["items", "photos"])
def test_both_ways_to_read_a_folder_find_the_same_pictures_and_count_the_same_others(name: Any, tmp_path: Path):
    settings = DataSettings(name, odd_folder(tmp_path))
    with pytest.raises(ValueError, match=r"'two\\nlines\.png' in .* holds a line break.*rename it"):
        read_source(settings)
    source = read_source(settings, "skip")
    assert source.items.ids == ["a.png"]
    assert source.left_out == {"file is no image": 2, "file name cannot be an id": 1}


@pytest.mark.parametrize("name", ["Screenshot at 3.45\u202fPM.png", "family \U0001f468\u200d\U0001f469.png"])
def test_names_with_wide_spaces_and_joiners_are_ids(name: str, tmp_path: Path):
    Pillow.new("RGB", (8, 8)).save(tmp_path / name)
    assert read_source(DataSettings("photos", tmp_path)).items.ids == [name]


def test_a_name_without_a_loader_is_never_read_as_drawn_pictures(tmp_path: Path):
    settings = DataSettings("drawn_scenes", tmp_path, count=4, size=64)
    object.__setattr__(settings, "name", "a data set whose loader was forgotten")
    with pytest.raises(AssertionError, match="loader was forgotten"):
        read_source(settings)
