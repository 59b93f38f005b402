"""Claims about loading CUB-200-2011, whole or in part."""

import inspect
import os
from pathlib import Path

import datasets
import pytest
from PIL import Image as Pillow

from data_prep.cub import OFFICIAL, cub_features, load, main

NUMBERED = ["001.Albatross", "100.Brown_Pelican", "101.White_Pelican", "200.Yellowthroat"]


def make(root: Path, folders: list[str]) -> Path:
    for folder in folders:
        (root / "images" / folder).mkdir(parents=True)
        for number in (1, 2):
            Pillow.new("RGB", (20, 10), (20 * number, 0, 0)).save(root / "images" / folder / f"bird_{number}.jpg")
    return root


@pytest.fixture
def root(tmp_path) -> Path:
    return make(tmp_path / "CUB_200_2011", NUMBERED)


@pytest.fixture
def with_tables(root) -> Path:
    """The official text files, with images numbered from 1."""
    names = [f"{folder}/bird_{number}.jpg" for folder in NUMBERED for number in (1, 2)]
    (root / "images.txt").write_text("".join(f"{place} {name}\n" for place, name in enumerate(names, start=1)))
    boxes = (f"{place} {place}.5 2.0 3.0 4.0\n" for place in range(1, len(names) + 1))
    (root / "bounding_boxes.txt").write_text("".join(boxes))
    return root


def test_the_first_hundred_classes_train_and_the_others_test(root):
    cub = load(root)
    assert cub.splits["train"]["label"][:] == [0, 0, 99, 99]
    assert cub.splits["test"]["label"][:] == [100, 100, 199, 199]
    assert cub.splits["test"]["species"][0] == "White_Pelican"
    assert cub.splits["test"].features == cub_features()
    expected = "CUB-200-2011, official classes (1-100 train, 101-200 test), 8 of 11,788 images, 4 of 200 classes"
    assert cub.source == expected


def test_folders_without_numbers_are_halved_by_name_and_the_source_says_so(tmp_path):
    cub = load(make(tmp_path, ["Crow", "Auk", "Duck"]))
    assert cub.splits["train"]["species"][:] == ["Auk", "Auk", "Crow", "Crow"]
    assert cub.splits["test"]["label"][:] == [2, 2]
    assert "halves of the classes there (first half trains), 6 of 11,788 images, 3 of 200 classes" in cub.source


def test_a_part_with_numbers_on_one_side_only_is_halved(tmp_path):
    cub = load(make(tmp_path, NUMBERED[:2]))
    assert (cub.splits["train"]["label"][:], cub.splits["test"]["label"][:]) == ([0, 0], [99, 99])
    assert "halves" in cub.source


def test_no_species_is_on_both_sides(root):
    for split in ("official", "halves"):
        cub = load(root, split)
        assert not set(cub.splits["train"]["species"]) & set(cub.splits["test"]["species"])


def test_the_official_split_without_numbers_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"have no numbers, first 'Auk'; use split='halves'"):
        load(make(tmp_path, ["Auk", "Crow"]), "official")
    with pytest.raises(ValueError, match="split is 'random'; choose one of auto, official, halves"):
        inspect.unwrap(load)(tmp_path, "random")


def test_some_folders_with_numbers_and_some_without_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"1 class folders have no number, first \['Auk'\]"):
        load(make(tmp_path, ["001.Crow", "Auk"]))


def test_without_text_files_there_is_no_image_number_and_no_box(root):
    row = load(root).splits["train"][0]
    assert (row["image_id"], row["box"]) == (-1, [])


def test_the_text_files_give_image_numbers_and_boxes(with_tables):
    row = load(with_tables).splits["test"][0]
    assert (row["id"], row["image_id"]) == ("101.White_Pelican/bird_1.jpg", 5)
    assert row["box"] == [5.5, 2.0, 3.0, 4.0]


def test_what_the_list_and_the_folders_do_not_share_is_left_out_and_counted(with_tables):
    images = with_tables / "images"
    (images / "001.Albatross/bird_1.jpg").rename(images / "001.Albatross/new.jpg")
    Pillow.new("RGB", (8, 8)).save(images / "stray.jpg")
    assert load(with_tables).left_out == {
        "image lies in no class folder": 1,
        "image file is missing": 1,
        "image is not in images.txt": 1,
    }


BAD = {
    "a path": ("images.txt", "1 001.Albatross", "1 ../../001.Albatross", r"images\.txt line 1: image id .* leads out"),
    "two of one number": ("images.txt", "2 001", "1 001", r"images\.txt names image 1 twice"),
    "two of one name": ("images.txt", "bird_2", "bird_1", r"images\.txt line 2: image .* is named twice"),
    "a missing field": ("images.txt", "1 001", "001", r"images\.txt line 1 is .* instead of 2 fields"),
    "no number": ("images.txt", "1 001", "one 001", r"images\.txt line 1: image number is 'one' instead of"),
    "a short box": ("bounding_boxes.txt", " 3.0 4.0\n", "\n", r"bounding_boxes\.txt line 1 is .* instead of 5 fields"),
    "a word for a box": (
        "bounding_boxes.txt",
        "3.0",
        "wide",
        r"bounding_boxes\.txt line 1 is .* instead of five numbers",
    ),
    "no box": ("bounding_boxes.txt", "1 1.5", "99 1.5", r"bounding_boxes\.txt lacks 1 images of images\.txt"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_text_file_is_refused_with_its_line(with_tables, case):
    name, old, new, message = BAD[case]
    text = (with_tables / name).read_text()
    assert old in text
    (with_tables / name).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        load(with_tables)


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no folder images; unpack"):
        load(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no class folders"):
        load(tmp_path)


def test_a_bad_image_is_an_error_unless_skipped(root):
    (root / "images/001.Albatross/bird_1.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match="1 of 8 images cannot be decoded"):
        load(root)
    assert load(root, on_bad_image="skip").left_out == {"image cannot be decoded": 1}


def test_the_prepare_command_writes_both_splits(root, tmp_path):
    main(["prepare", "--root", str(root), "--output", str(tmp_path / "out")])
    assert {name: len(part) for name, part in datasets.load_from_disk(tmp_path / "out").items()} == {
        "train": 4,
        "test": 4,
    }


def test_the_verify_command_exits_with_1_on_a_part(root, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--root", str(root)])
    assert end.value.code == 1
    assert "MISMATCH" in capsys.readouterr().out


def test_the_published_counts_add_up():
    assert OFFICIAL["images of classes 1-100"] + OFFICIAL["images of classes 101-200"] == OFFICIAL["images"]


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set")
def test_the_real_part_is_halved_into_fifty_and_fifty_classes():
    cub = load(Path(os.environ["RETRIEVAL_REAL_DATA"]) / "cub")
    assert {name: len(part) for name, part in cub.splits.items()} == {"train": 1_100, "test": 1_100}
    assert cub.left_out == {}
