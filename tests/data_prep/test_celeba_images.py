"""Claims about finding the image files that cannot be decoded."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow
from PIL import ImageFile

from data_prep.celeba import check_images


@pytest.fixture
def faces(tmp_path: Path) -> Dataset:
    """Five small pictures of noise, three JPEG and two PNG, referred to by path."""
    paths = [tmp_path / f"{number}.{'jpg' if number < 3 else 'png'}" for number in range(5)]
    for seed, path in enumerate(paths):
        Pillow.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8)).save(path)
    columns = {"id": [path.name for path in paths], "image": [str(path) for path in paths]}
    return Dataset.from_dict(columns, features=Features(id=Value("string"), image=Image()))


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_good_images_are_all_kept(faces):
    kept, bad = check_images(faces)
    assert kept["id"][:] == faces["id"][:]
    assert bad == []


@pytest.mark.parametrize("name", ["1.jpg", "4.png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.95])
def test_an_image_cut_short_anywhere_is_named(faces, tmp_path, name, share):
    cut(tmp_path / name, share)
    with pytest.raises(ValueError, match=f"1 of 5 images cannot be decoded, first {name} .*on_bad_image='skip'"):
        check_images(faces)


def test_a_file_that_is_no_image_is_named(faces, tmp_path):
    (tmp_path / "0.jpg").write_text("404 not found")
    with pytest.raises(ValueError, match=r"first 0.jpg \(UnidentifiedImageError"):
        check_images(faces)


def test_skipping_drops_the_bad_images_and_keeps_the_order(faces, tmp_path):
    cut(tmp_path / "1.jpg", 0.5)
    cut(tmp_path / "3.png", 0.5)
    kept, bad = check_images(faces, on_bad_image="skip")
    assert kept["id"][:] == ["0.jpg", "2.jpg", "4.png"]
    assert bad == ["1.jpg", "3.png"]


def test_at_most_five_files_are_listed_and_all_are_counted(tmp_path):
    paths = [tmp_path / f"{number}.jpg" for number in range(7)]
    for path in paths:
        path.write_bytes(b"")
    columns = {"id": [path.name for path in paths], "image": [str(path) for path in paths]}
    faces = Dataset.from_dict(columns, features=Features(id=Value("string"), image=Image()))
    with pytest.raises(ValueError, match="7 of 7 images cannot be decoded") as error:
        check_images(faces)
    assert "4.jpg" in str(error.value)
    assert "5.jpg" not in str(error.value)


def test_a_process_that_tolerates_cut_images_still_finds_them(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    cut(tmp_path / "1.jpg", 0.5)
    assert check_images(faces, on_bad_image="skip")[1] == ["1.jpg"]
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_images_held_as_bytes_are_decoded_too(faces, tmp_path):
    pictures = [{"bytes": (tmp_path / name).read_bytes(), "path": None} for name in faces["id"]]
    pictures[2]["bytes"] = pictures[2]["bytes"][:200]
    embedded = Dataset.from_dict({"id": faces["id"][:], "image": pictures}, features=faces.features)
    assert check_images(embedded, on_bad_image="skip")[1] == ["2.jpg"]


def test_an_unknown_choice_is_refused(faces):
    with pytest.raises(ValueError, match="on_bad_image is 'ignore'; choose error or skip"):
        # Under test the annotation refuses it first; a user's program has no such check.
        inspect.unwrap(check_images)(faces, on_bad_image="ignore")
