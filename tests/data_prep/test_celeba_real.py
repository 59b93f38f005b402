"""Claims about the real CelebA files; RETRIEVAL_REAL_DATA names the folder that holds celeba/."""

import os
from pathlib import Path

import datasets
import pytest

from data_prep.celeba import OFFICIAL, load, measure, read_annotations
from data_prep.celeba.__main__ import main
from data_prep.celeba.release import PAPER_PEOPLE_ON_BOTH_SIDES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set"),
]


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(os.environ["RETRIEVAL_REAL_DATA"]) / "celeba"


def test_the_official_annotations_have_the_counts_of_the_paper(root):
    assert measure(read_annotations(root)) == OFFICIAL


def test_ten_fewer_people_than_the_paper_says_are_on_both_sides_of_its_split():
    assert PAPER_PEOPLE_ON_BOTH_SIDES - OFFICIAL.people_on_both_sides == 10


def test_the_first_face_has_its_published_labels(root):
    face = load(root, check_images=False).splits["train"][0]
    assert (face["id"], face["identity"]) == ("000001.jpg", 2880)
    assert (face["Smiling"], face["Male"], face["Young"]) == (True, False, True)


def test_nobody_is_in_two_parts_of_the_official_split(root):
    found = read_annotations(root)
    people = [set(found.identities[found.partition == part].tolist()) for part in range(3)]
    assert sum(map(len, people)) == len(set().union(*people))


def test_the_paper_split_and_what_is_left_out_add_up_to_the_release(root):
    faces = load(root)
    present = sum(len(part) for part in faces.splits.values())
    assert present + faces.left_out.get("image file is missing", 0) == OFFICIAL.images


def test_the_verify_command_finds_every_count(root, capsys):
    main(["verify", "--root", str(root)])
    told = capsys.readouterr().out
    assert "MISMATCH" not in told
    assert "852" in told
    assert "842" in told


def test_the_prepare_command_writes_the_splits(root, tmp_path, capsys):
    main(["prepare", "--root", str(root), "--split", "paper", "--output", str(tmp_path / "saved")])
    assert set(datasets.load_from_disk(tmp_path / "saved")) == {"train", "test"}
    assert "left out" in capsys.readouterr().out
