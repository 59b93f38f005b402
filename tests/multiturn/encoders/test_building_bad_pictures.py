"""Claims about pictures that cannot be read while a gallery is built: named, left out, or kept as they were."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset, Features, Image, Value

from multiturn.gallery_files import GalleryFile
from tests.multiturn.encoders.test_building_growth import make
from tests.multiturn.encoders.tiny import pictures


class Means:
    """The mean colour of pictures, read as encoders read them."""

    dim, fingerprint = 3, "means"

    def encode(self, items, batch_size=64, show_progress=False):
        from multiturn.encoders.opened import opened

        colours = [image.resize((1, 1)).getpixel((0, 0)) for _, image in opened(items)]
        return torch.tensor(colours, dtype=torch.float32)


@pytest.fixture
def photos(tmp_path: Path) -> Dataset:
    """Ten files, of which the fourth is cut short and the eighth is empty."""
    paths = [str(tmp_path / f"{number}.png") for number in range(10)]
    for path, image in zip(paths, pictures(10)["image"], strict=True):
        image.save(path)
    Path(paths[3]).write_bytes(Path(paths[3]).read_bytes()[:300])
    Path(paths[7]).write_bytes(b"")
    ids = [f"{number}.png" for number in range(10)]
    return Dataset.from_dict({"id": ids, "image": paths}, Features({"id": Value("string"), "image": Image()}))


def test_a_bad_picture_is_named(tmp_path: Path, photos: Dataset):
    with pytest.raises(ValueError, match=r"picture '3\.png' cannot be decoded.*on_bad_image skip"):
        make(tmp_path / "g", photos["id"][:], photos, Means())
    assert not (tmp_path / "g").exists()


def test_bad_pictures_are_left_out_and_listed_where_that_is_wanted(tmp_path: Path, photos: Dataset):
    built = make(tmp_path / "g", photos["id"][:], photos, Means(), on_bad_image="skip")
    assert built.left_out == {"3.png": "picture cannot be decoded", "7.png": "picture cannot be decoded"}
    assert GalleryFile(tmp_path / "g").ids == [f"{number}.png" for number in (0, 1, 2, 4, 5, 6, 8, 9)]
    # Whoever does not want that any more is told.
    with pytest.raises(ValueError, match=r"'3\.png' cannot be decoded"):
        make(tmp_path / "g", photos["id"][:], photos, Means())


def test_a_picture_that_was_bad_and_is_mended_is_taken_in(tmp_path: Path, photos: Dataset):
    make(tmp_path / "g", photos["id"][:], photos, Means(), on_bad_image="skip")
    pictures(1)[0]["image"].save(tmp_path / "3.png")
    built = make(tmp_path / "g", photos["id"][:], photos, Means(), on_bad_image="skip")
    assert built.new == 1 and [*built.left_out] == ["7.png"]


def test_a_shard_of_nothing_but_bad_pictures_is_no_trouble(tmp_path: Path, photos: Dataset):
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"no picture")
    built = make(tmp_path / "g", photos["id"][:], photos, Means(), on_bad_image="skip")
    assert len(built.left_out) == 5 and built.candidates == 5


def links(folder: Path, away: Path, count: int = 10) -> Dataset:
    """Pictures of which the last three are links to another disk."""
    folder.mkdir()
    away.mkdir()
    for number, image in enumerate(pictures(count)["image"]):
        path = folder / f"{number}.png"
        image.save(away / path.name if number >= count - 3 else path)
        if number >= count - 3:
            path.symlink_to(away / path.name)
    ids = [f"{number}.png" for number in range(count)]
    columns = {"id": ids, "image": [str(folder / name) for name in ids]}
    return Dataset.from_dict(columns, Features({"id": Value("string"), "image": Image()}))


def test_pictures_that_cannot_be_read_for_a_moment_keep_their_vectors(tmp_path: Path):
    images = links(tmp_path / "photos", tmp_path / "disk")
    make(tmp_path / "g", images["id"][:], images, Means(), on_bad_image="skip")
    before = (tmp_path / "g").read_bytes()
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    built = make(tmp_path / "g", images["id"][:], images, Means(), on_bad_image="skip")
    assert str(built) == "10 kept, 0 new, 3 that cannot be read now keep their vectors"
    assert (tmp_path / "g").read_bytes() == before
    with pytest.raises(ValueError, match=r"picture '7\.png' cannot be decoded"):
        make(tmp_path / "g", images["id"][:], images, Means())
    built = make(tmp_path / "g", images["id"][:], images, Means(), on_bad_image="skip", drop_removed=True)
    assert built.candidates == 7 and len(built.left_out) == 3


class Counts(Means):
    """Counts the pictures that were given to be encoded."""

    def __init__(self) -> None:
        self.given = 0

    def encode(self, items, batch_size=64, show_progress=False):
        self.given += len(items)
        return super().encode(items, batch_size)


def test_a_bad_picture_that_is_skipped_does_not_make_its_shard_be_encoded_twice(tmp_path: Path, photos: Dataset):
    encoder = Counts()
    make(tmp_path / "g", photos["id"][:], photos, encoder, on_bad_image="skip")
    assert encoder.given == 8


def test_pictures_left_out_before_stay_listed_where_others_are_added(tmp_path: Path, photos: Dataset):
    make(tmp_path / "g", photos["id"][:], photos, Means(), on_bad_image="skip")
    pictures(1)[0]["image"].save(tmp_path / "new.png")
    columns = {"id": ["new.png"], "image": [str(tmp_path / "new.png")]}
    more = Dataset.from_dict(columns, photos.features)
    built = make(tmp_path / "g", ["new.png"], more, Means(), append=True)
    assert built.candidates == 9 and sorted(built.left_out) == ["3.png", "7.png"]
