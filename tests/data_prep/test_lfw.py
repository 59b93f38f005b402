"""Claims about loading LFW, whole or in part."""

import os
from pathlib import Path

import datasets
import pytest
from PIL import Image as Pillow

from data_prep.lfw import OFFICIAL, lfw_features, load, main

PEOPLE = {"Ann_Lee": 3, "Bo_de_la_Cruz": 1, "Cy_Ng": 2, "Di_O'Neil-Roy": 1}


def name_of(person: str, number: int) -> str:
    return f"{person}/{person}_{number:04d}.jpg"


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / "lfw"
    for person, count in PEOPLE.items():
        (root / person).mkdir(parents=True)
        for number in range(1, count + 1):
            Pillow.new("L", (8, 8), 10 * number).save(root / name_of(person, number))
    return root


def test_people_with_several_images_are_apart_from_those_with_one(root):
    lfw = load(root)
    assert lfw.splits["mated"]["person"][:] == ["Ann_Lee"] * 3 + ["Cy_Ng"] * 2
    assert lfw.splits["mated"]["mates"][:] == [2, 2, 2, 1, 1]
    assert lfw.splits["unmated"]["id"][:] == [name_of("Bo_de_la_Cruz", 1), name_of("Di_O'Neil-Roy", 1)]
    assert lfw.splits["unmated"]["mates"][:] == [0, 0]
    assert (lfw.left_out, lfw.source) == ({}, "LFW, 7 of 13,233 images, 4 of 5,749 people")


def test_identities_run_through_both_splits(root):
    lfw = load(root)
    assert lfw.splits["mated"]["identity"][:] == [0, 0, 0, 2, 2]
    assert lfw.splits["unmated"]["identity"][:] == [1, 3]
    assert lfw.splits["mated"].features == lfw_features()


def test_who_loses_a_bad_image_may_lose_the_mate(root):
    (root / name_of("Cy_Ng", 2)).write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 7 images cannot be decoded, first Cy_Ng/Cy_Ng_0002"):
        load(root)
    lfw = load(root, "skip")
    assert lfw.left_out == {"image cannot be decoded": 1}
    assert "Cy_Ng" in lfw.splits["unmated"]["person"][:]


def test_a_file_that_is_not_named_after_its_folder_is_left_out_and_counted(root):
    for name in ("Ann_Lee/Cy_Ng_0003.jpg", "Ann_Lee/photo.jpg", "Ann_Lee_0009.jpg"):
        Pillow.new("L", (8, 8)).save(root / name)
    assert load(root).left_out == {"file is not named after its person's folder": 3}


def test_a_folder_in_between_is_part_of_the_id(root):
    lfw = load(root.parent)
    assert lfw.splits["mated"]["id"][0] == "lfw/" + name_of("Ann_Lee", 1)
    assert lfw.splits["mated"]["person"][0] == "Ann_Lee"


def test_another_folder_of_images_is_refused(tmp_path):
    Pillow.new("L", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(
        FileNotFoundError, match=r"holds no image like Aaron_Eckhart/Aaron_Eckhart_0001\.jpg \(1 others"
    ):
        load(tmp_path)


def test_the_prepare_command_writes_both_splits(root, tmp_path):
    main(["prepare", "--root", str(root), "--output", str(tmp_path / "out")])
    saved = datasets.load_from_disk(tmp_path / "out")
    assert {name: len(part) for name, part in saved.items()} == {"mated": 5, "unmated": 2}


def test_the_verify_command_counts_people_and_exits_with_1_on_a_part(root, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--root", str(root)])
    assert end.value.code == 1
    told = capsys.readouterr().out.split("\n")
    assert [line.split()[-2] for line in told[1:5]] == ["7", "4", "2", "2"]


def test_the_published_counts_add_up():
    assert OFFICIAL["people with two or more images"] + OFFICIAL["people with one"] == OFFICIAL["people"]


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set")
def test_the_real_part_has_602_people_with_mates_and_800_without():
    lfw = load(Path(os.environ["RETRIEVAL_REAL_DATA"]) / "lfw")
    assert len(set(lfw.splits["mated"]["person"])) == 602
    assert len(lfw.splits["unmated"]) == 800
    assert lfw.left_out == {}
