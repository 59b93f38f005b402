"""Claims about the three parts of a face data set, on the real CelebA files where they are present."""

import os
from pathlib import Path

import pytest

from data_prep.faces import FaceSettings, load_faces

REAL = os.environ.get("RETRIEVAL_REAL_DATA")


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no folder with celeba/")
def test_a_part_of_celeba_is_split_as_in_the_paper_and_what_is_missing_is_counted(tmp_path: Path):
    faces = load_faces(FaceSettings(root=f"{REAL}/celeba"), tmp_path)
    assert (len(faces.train) + len(faces.validation), len(faces.test)) == (10_000, 4_000)
    assert len(faces.validation) == 500
    assert sum(faces.left_out.values()) == 202_599 - 14_000
    assert max(faces.train["id"]) <= "180000.jpg" < min(faces.test["id"])
    assert not set(faces.train["id"]) & set(faces.validation["id"])


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no folder with celeba/")
def test_the_split_within_one_crop_has_nobody_on_both_sides(tmp_path: Path):
    faces = load_faces(FaceSettings(root=f"{REAL}/celeba", split="train-crop"), tmp_path)
    assert len(faces.train) + len(faces.validation) + len(faces.test) == 10_000
    assert not set(faces.test["identity"]) & (set(faces.train["identity"]) | set(faces.validation["identity"]))
    assert "by person" in faces.source


def test_celeba_that_is_not_there_is_an_error_that_names_the_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_faces(FaceSettings(root=str(tmp_path / "nowhere")), tmp_path)
