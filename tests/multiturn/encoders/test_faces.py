"""Claims about encoding faces: which face, where it is cut, what becomes of pictures without one."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Image
from PIL import Image as Pillow

from multiturn.contracts import check_encoder
from multiturn.encoders.faces import FaceDetector, FaceEmbedder, FoundFaces
from multiturn.encoders.faces.alignment import aligned, boxed, central, largest, similarity, template
from multiturn.encoders.faces.encoder import FaceEncoder


class Shrunk(FaceEmbedder):
    """The face itself, at 4 x 4 pixels, as its embedding."""

    height, width, dim, fingerprint = 28, 24, 48, "shrunk"

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(faces.float(), 4).flatten(1)


class Marks(FaceDetector):
    """Finds a face of 20 x 20 pixels at each red pixel."""

    fingerprint = "marks"

    def find(self, image: Pillow.Image) -> FoundFaces:
        pixels = torch.from_numpy(np.array(image)).int()
        places = ((pixels[..., 0] == 255) & (pixels[..., 1] == 0)).nonzero().flip(1).float()
        boxes = torch.cat([places - 10, places + 10], 1)
        landmarks = (template(28, 24).float() - torch.tensor([12, 14])) * 0.7 + places[:, None]
        return FoundFaces(boxes, landmarks, torch.ones(len(places)))


def picture(*marks: tuple[int, int], size: tuple[int, int] = (100, 80), seed: int = 0) -> Pillow.Image:
    image = Pillow.fromarray(np.random.default_rng(seed).integers(1, 250, (size[1], size[0], 3), dtype=np.uint8))
    for place in marks:
        image.putpixel(place, (255, 0, 0))
    return image


def found(*boxes: tuple[float, ...], scores: tuple[float, ...] = ()) -> FoundFaces:
    count = len(boxes)
    return FoundFaces(torch.tensor(boxes), torch.zeros(count, 5, 2), torch.tensor(scores or (1.0,) * count))


def test_the_most_central_face_is_taken_and_not_the_largest():
    faces = found((0.0, 0.0, 60.0, 60.0), (45.0, 45.0, 55.0, 55.0))
    assert central(faces, 100, 100) == 1 and largest(faces, 100, 100) == 0


def test_of_two_faces_alike_the_surer_one_is_taken():
    faces = found((0.0, 0.0, 10.0, 10.0), (90.0, 90.0, 100.0, 100.0), scores=(0.8, 0.9))
    assert central(faces, 100, 100) == largest(faces, 100, 100) == 1


def test_the_choice_is_an_option_of_the_encoder_and_part_of_its_fingerprint():
    items = [picture((45, 40), (80, 40))]
    one = FaceEncoder(Shrunk(), Marks())
    box = one.encode_faces(items).boxes[0]
    assert torch.allclose(box, torch.tensor([0.35, 30 / 80, 0.55, 50 / 80])) and one.encode_faces(items).faces == (2,)
    assert FaceEncoder(Shrunk(), Marks(), choose="largest").fingerprint != one.fingerprint


def test_a_picture_without_a_face_is_listed_and_has_no_vector():
    rows = {"id": ["a", "empty", "b"], "image": [picture((50, 40)), picture(), picture((20, 20), seed=1)]}
    items = Dataset.from_dict(rows, features=None).cast_column("image", Image())
    encoding = FaceEncoder(Shrunk(), Marks()).encode_faces(items)
    assert encoding.ids == ("a", "b") and encoding.without_face == ("empty",) and len(encoding.vectors) == 2


def test_a_vector_for_every_picture_is_refused_where_one_has_no_face():
    with pytest.raises(ValueError, match="no face was found in 1 of 2 pictures, first 1"):
        FaceEncoder(Shrunk(), Marks()).encode([picture((50, 40)), picture()])


def test_nothing_but_pictures_without_faces_gives_no_vectors():
    encoding = FaceEncoder(Shrunk(), Marks()).encode_faces([picture()])
    assert encoding.vectors.shape == (0, 48) and encoding.boxes.shape == (0, 4)


def test_a_picture_of_one_pixel_holds_no_face():
    for detector in (None, Marks()):
        assert FaceEncoder(Shrunk(), detector).encode_faces([picture(size=(1, 1))]).without_face == ("0",)


def test_a_corrupt_image_is_named():
    whole = io.BytesIO()
    picture().save(whole, "png")
    rows = {"id": ["a", "torn"], "image": [{"bytes": whole.getvalue()}, {"bytes": whole.getvalue()[:500]}]}
    items = Dataset.from_dict(rows).cast_column("image", Image())
    with pytest.raises(ValueError, match="image 'torn' cannot be decoded"):
        FaceEncoder(Shrunk()).encode(items)


@pytest.mark.parametrize("detector", [None, Marks()])
@pytest.mark.parametrize("align", ["landmarks", "box"])
def test_the_face_encoder_keeps_the_contract_of_encoders(detector: FaceDetector | None, align: str):
    items = [picture((30 + 10 * seed, 40), seed=seed) for seed in range(4)]
    check_encoder(FaceEncoder(Shrunk(), detector, align), items)  # type: ignore[arg-type]


def test_a_fixed_crop_is_what_it_cuts_out():
    items = [picture(seed=seed) for seed in range(2)]
    cut = FaceEncoder(Shrunk(), crop=(10, 20, 50, 60)).encode(items)
    already = FaceEncoder(Shrunk()).encode([item.crop((10, 20, 50, 60)) for item in items])
    assert torch.equal(cut, already)


def test_a_crop_that_leaves_the_picture_is_refused_and_the_picture_named():
    with pytest.raises(ValueError, match="image '0', 100 x 80 pixels, does not contain the crop"):
        FaceEncoder(Shrunk(), crop=(10, 20, 50, 90)).encode([picture()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": (10, 10, 10, 20)}, "crop is left, top"),
        ({"crop": (0, 0, 9, 9), "detector": Marks()}, "needs no detector"),
        ({"choose": "first"}, "central.*largest"),
        ({"margin": 24}, "margin"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str):
    with pytest.raises(Exception, match=message):
        FaceEncoder(Shrunk(), **options)  # type: ignore[arg-type]


def test_a_similarity_is_found_again_whatever_the_turn_scale_and_shift():
    a, b = 0.7 * np.exp(0.4j), 3 - 5j
    points = torch.tensor([[1.0, 2.0], [4.0, -1.0], [0.0, 7.0]])
    moved = a * (points.numpy() @ np.array([1, 1j])) + b
    found_a, found_b = similarity(points, torch.tensor(np.stack([moved.real, moved.imag], 1)))
    assert abs(found_a - a) < 1e-6 and abs(found_b - b) < 1e-5


def test_landmarks_in_one_place_are_refused():
    with pytest.raises(ValueError, match="no rotation and scale"):
        similarity(torch.ones(5, 2), template(112, 96))


@pytest.mark.parametrize(("scale", "turn"), [(1.0, 0.0), (0.8, 0.5), (4.0, -0.3)])
def test_alignment_brings_the_landmarks_to_their_places(scale: float, turn: float):
    places = template(112, 96).numpy() @ np.array([1, 1j])
    spots = (places - (48 + 56j)) * scale * np.exp(1j * turn) + (300 + 300j)
    image = Pillow.new("RGB", (600, 600))
    side = round(3 * scale)
    for spot in spots:
        corner = (round(spot.real - side / 2), round(spot.imag - side / 2))
        image.paste("white", (*corner, corner[0] + side, corner[1] + side))
    face = aligned(image, torch.tensor(np.stack([spots.real, spots.imag], 1)), 112, 96).float().sum(0)
    for place in template(112, 96):
        x, y = place.round().int().tolist()
        around = face[y - 6 : y + 7, x - 6 : x + 7]
        rows, columns = torch.meshgrid(torch.arange(y - 6, y + 7), torch.arange(x - 6, x + 7), indexing="ij")
        centre = torch.stack([(around * (columns + 0.5)).sum(), (around * (rows + 0.5)).sum()]) / around.sum()
        assert torch.allclose(centre.double(), place, atol=1)


def test_the_places_of_landmarks_in_96_columns_are_those_in_112_less_8():
    assert torch.allclose(template(112, 112) - template(112, 96), torch.tensor([8.0, 0.0], dtype=torch.float64))


def test_a_box_is_cut_where_it_is_and_ends_at_the_border():
    image = picture()
    inside = boxed(image, torch.tensor([10.0, 20.0, 34.0, 48.0]), 0, 28, 24)
    assert torch.equal(inside, torch.from_numpy(np.array(image.crop((10, 20, 34, 48)))).permute(2, 0, 1))
    assert boxed(image, torch.tensor([-5.0, -5.0, 200.0, 30.0]), 4, 28, 24).shape == (3, 28, 24)


def test_a_face_outside_the_picture_is_none():
    class Outside(Marks):
        def find(self, image: Pillow.Image) -> FoundFaces:
            landmarks = template(28, 24).float()[None] - 100
            return FoundFaces(torch.tensor([[-90.0, -90.0, -70.0, -70.0]]), landmarks, torch.ones(1))

    assert FaceEncoder(Shrunk(), Outside()).encode_faces([picture()]).without_face == ("0",)


def test_faces_of_the_contract_are_what_the_detectors_promise():
    assert isinstance(Marks(), FaceDetector) and isinstance(Shrunk(), FaceEmbedder)
    assert not isinstance(Path(), FaceDetector)
