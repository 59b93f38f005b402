"""Claims about photos as queries and the galleries they are searched in: faces, bad files, other encoders."""

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from data_prep import encode
from data_prep.manifests import MANIFEST
from facefb.reverse_people import People, build_gallery, same_candidates
from facefb.reverse_query import open_gallery, pictures_of, read_examples
from multiturn.encoders.faces import FoundFaces
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.gallery import Gallery
from multiturn.gallery_files import NAME, Table, writing
from tests.multiturn.encoders.cases import faces
from tests.multiturn.encoders.tiny import pictures


class Brightness:
    """Embeds a face as its mean colour."""

    height, width, dim, fingerprint = 16, 16, 3, "brightness"

    def embed(self, faces: UInt8[Tensor, "face 3 height width"]) -> Tensor:
        return torch.nn.functional.normalize(faces.float().mean((2, 3)) + 1, dim=1)


class White:
    """Finds a face in the left and in the right half of a picture wherever the half's middle is white."""

    fingerprint = "white"

    def find(self, image: Image.Image) -> FoundFaces:
        half, boxes = image.width // 2, []
        for left in (0, half):
            if image.getpixel((left + half // 2, image.height // 2)) == (255, 255, 255):
                boxes.append([left + 2.0, 2.0, left + half - 2.0, image.height - 2.0])
        found = torch.tensor(boxes).reshape(-1, 4)
        landmarks = found[:, None, :2] + torch.tensor([[2.0, 2], [8, 2], [5, 5], [3, 8], [7, 8]])
        return FoundFaces(found, landmarks, torch.ones(len(found)))


ENCODER = FaceEncoder(Brightness(), White(), "box")


def photo(folder: Path, name: str, *, left: bool = False, right: bool = False) -> Path:
    image = Image.new("RGB", (40, 20), "black")
    for wanted, corner in ((left, 0), (right, 20)):
        if wanted:
            image.paste("white", (corner, 0, corner + 20, 20))
    image.save(folder / name)
    return folder / name


def test_a_photo_without_a_face_is_refused_by_name(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no face was found in .*dark\.png; give another photo"):
        read_examples(ENCODER, [photo(tmp_path, "dark.png")])


def test_of_several_faces_it_is_said_which_one_was_taken(tmp_path: Path):
    one, two = read_examples(
        ENCODER, [photo(tmp_path, "one.png", left=True), photo(tmp_path, "two.png", left=True, right=True)]
    )
    assert one.note == ""
    assert "two.png shows 2 faces; the one from (2, 2) to (18, 18) was taken" in two.note


def test_a_photo_that_cannot_be_read_is_refused_by_name(tmp_path: Path):
    (tmp_path / "torn.png").write_bytes(photo(tmp_path, "whole.png", left=True).read_bytes()[:40])
    with pytest.raises(ValueError, match=r"torn\.png cannot be decoded"):
        read_examples(ENCODER, [tmp_path / "torn.png"])
    with pytest.raises(FileNotFoundError, match=r"no photo at .*none\.png"):
        read_examples(ENCODER, [tmp_path / "none.png"])


def people(folder: Path, dark: int) -> People:
    paths = [photo(folder, f"{place}.png", left=place >= dark) for place in range(4)]
    images = pictures(4).remove_columns("image").cast_column("id", pictures(1).features["id"])
    images = Dataset.from_dict({"id": images["id"], "image": list(map(str, paths))}, pictures(1).features)
    return People(images, dict.fromkeys(images["id"], "somebody"), "four photos")


def test_pictures_without_a_face_are_left_out_and_counted(tmp_path: Path):
    gallery, left_out = build_gallery(ENCODER, people(tmp_path, dark=1), tmp_path / "g.safetensors", 2)
    assert gallery.ids == ("p1.png", "p2.png", "p3.png")
    assert left_out == {"no face was found": 1}


def test_a_gallery_with_fewer_than_two_faces_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least two candidates, and 0 are left of 4"):
        build_gallery(ENCODER, people(tmp_path, dark=4), tmp_path / "g.safetensors", 2)


def test_a_gallery_that_was_made_before_is_used_again(tmp_path: Path):
    known = people(tmp_path, dark=0)
    old, _ = build_gallery(ENCODER, known, tmp_path / "old.safetensors", 2)
    stamp = (tmp_path / "old.safetensors").stat().st_mtime_ns
    new, _ = build_gallery(ENCODER, known, tmp_path / "new" / "g.safetensors", 2, tmp_path / "old.safetensors")
    assert torch.equal(old.vectors, new.vectors)
    assert (tmp_path / "old.safetensors").stat().st_mtime_ns == stamp


def test_galleries_keep_the_candidates_that_all_of_them_have():
    one = Gallery.of(["a", "b", "c"], torch.eye(3), "one", "s")
    other = Gallery.of(["b", "c", "d"], torch.eye(3) * 2, "other", "s")
    kept = same_candidates({"one": one, "other": other})
    assert kept["one"].ids == kept["other"].ids == ("b", "c")
    assert torch.equal(kept["one"].vectors, torch.eye(3)[1:])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A gallery of five pictures, as data_prep.encode makes it."""
    (tmp_path / "photos").mkdir()
    for row in pictures(5):
        row["image"].save(tmp_path / "photos" / row["id"])  # pyright: ignore
    settings = faces(tmp_path)
    chosen = ["--encoder.kind", "faces", "--encoder.detector", "none", "--encoder.crop", "[0,0,40,40]"]
    chosen += ["--encoder.embedder", "mobilefacenet", "--encoder.weights", str(settings.weights)]
    where = ["--data.root", str(tmp_path / "photos"), "--output", str(tmp_path / "g")]
    encode.main([*where, *chosen, "--encoder.height", "32", "--encoder.width", "32"])
    return tmp_path / "g"


def test_a_picture_of_the_gallery_finds_itself_with_score_1(made: Path, tmp_path: Path):
    searched = open_gallery(made)
    turn = searched.by(read_examples(searched.encoder, [tmp_path / "photos" / "p3.png"]), 20)
    assert turn.shown.shape == (1, 5)
    assert searched.gallery.ids[int(turn.shown[0, 0])] == "p3.png"
    assert float(turn.scores[0, 0]) == pytest.approx(0, abs=1e-6)


def test_several_photos_are_one_query(made: Path, tmp_path: Path):
    searched = open_gallery(made)
    turn = searched.by(read_examples(searched.encoder, [tmp_path / "photos" / f"p{i}.png" for i in (1, 3)]), 2)
    assert sorted(searched.gallery.ids[int(place)] for place in turn.shown[0]) == ["p1.png", "p3.png"]


def test_the_pictures_of_a_result_are_found_by_the_manifest(made: Path, tmp_path: Path):
    data = open_gallery(made).data
    photo = str(tmp_path / "photos" / "p0.png")
    images = pictures_of(data, ["p4.png", "p1.png"], [photo])
    assert images is not None and images["id"] == ["p4.png", "p1.png", photo]
    assert images[0]["image"].size == (40, 52)
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert pictures_of(data, ["p4.png"], []) is None


def test_a_gallery_made_by_another_encoder_is_refused(made: Path, tmp_path: Path):
    faces(tmp_path, seed=1)  # other weights in the same file
    with pytest.raises(ValueError, match=r"was made by encoder .* encode the gallery again"):
        open_gallery(made)


def test_an_empty_gallery_is_refused(made: Path):
    old = Gallery.load(made)
    (made / NAME).unlink()
    with writing(made / NAME, [], old.fingerprint, old.source, {"vectors": Table(torch.float32, (3,))}):
        pass
    with pytest.raises(ValueError, match="a gallery needs at least two candidates, not 0"):
        open_gallery(made)


def test_a_gallery_without_or_with_a_strange_manifest_is_refused(made: Path):
    about = json.loads((made / MANIFEST).read_text())
    for change, said in (
        ({"regions": 36}, "holds regions"),
        ({"encoder": {"kind": "words", "name": "x"}}, "holds texts"),
        ({"encoder": {"kind": "timm", "flavour": "x"}}, "unknown settings of the encoder: flavour"),
    ):
        (made / MANIFEST).write_text(json.dumps(about | change))
        with pytest.raises(ValueError, match=said):
            open_gallery(made)
    (made / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"has no manifest\.json"):
        open_gallery(made)


def test_the_file_of_a_gallery_stands_for_its_folder(made: Path):
    assert open_gallery(made / NAME).encoder.fingerprint == open_gallery(made).encoder.fingerprint


def test_weights_that_have_moved_are_named_and_must_be_the_same(made: Path, tmp_path: Path):
    old = Path(json.loads((made / MANIFEST).read_text())["encoder"]["weights"])
    new = str(old.rename(tmp_path / "elsewhere.pt"))
    with pytest.raises(
        FileNotFoundError, match=r"no weights at .*give --encoder\.weights, --encoder\.detector_weights"
    ):
        open_gallery(made)
    assert open_gallery(made, moved={"weights": new}).encoder.dim == Gallery.load(made).vectors.shape[1]
    other = faces(tmp_path, seed=1).weights
    with pytest.raises(ValueError, match="was made by encoder"):
        open_gallery(made, moved={"weights": str(other)})


def test_only_what_the_encoder_takes_can_have_moved(made: Path):
    with pytest.raises(ValueError, match="kind faces takes no name"):
        open_gallery(made, moved={"name": "elsewhere"})
