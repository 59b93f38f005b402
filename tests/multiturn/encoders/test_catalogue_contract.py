"""Claims about every kind of the catalogue, made by name on tiny models with random weights."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor

from multiturn.contracts import check_encoder
from multiturn.encoders import Encoder
from multiturn.encoders.catalogue import KINDS, EncoderSettings, make_encoder
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.encoders.faces.inception_resnet import InceptionResnetV1
from multiturn.encoders.faces.mobilefacenet import MobileFaceNet
from multiturn.regions import Regions
from tests.multiturn.encoders.cases import CASES, faces, mtcnn_folder, spoil
from tests.multiturn.encoders.test_faces_networks import ANY, onnx_file
from tests.multiturn.encoders.test_regions import Flat
from tests.multiturn.encoders.tiny import TEXTS, pictures

SLOW = {"faster_rcnn"}
every_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in KINDS]
)
GRIDS = [kind for kind, (_, takes) in KINDS.items() if "regions" in takes]
with_onnx = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs the extra `faces`")


def items_of(settings: EncoderSettings) -> Any:
    return pictures() if settings.items == "image" else TEXTS


def as_encoder(made: Any, items: Any) -> Encoder:
    """An encoder of regions as one of long vectors."""
    return Flat(made, items) if isinstance(made.encode(items), Regions) else made


def vectors(settings: EncoderSettings) -> Tensor:
    found: Any = make_encoder(settings).encode(items_of(settings))
    return found.vectors if isinstance(found, Regions) else found


@every_kind
def test_every_kind_can_be_made_by_name_and_keeps_the_contract(kind: str, tmp_path: Path):
    settings = CASES[kind].make(tmp_path, 0)
    items = items_of(settings)
    check_encoder(as_encoder(make_encoder(settings), items), items)


@every_kind
def test_the_fingerprint_is_that_of_equal_settings_and_changes_with_the_weights(kind: str, tmp_path: Path):
    make = CASES[kind].make
    first = make_encoder(make(tmp_path, 0)).fingerprint
    assert make_encoder(make(tmp_path, 0)).fingerprint == first
    assert make_encoder(make(tmp_path, 1)).fingerprint != first


@every_kind
def test_the_fingerprint_and_the_vectors_change_with_the_preprocessing(kind: str, tmp_path: Path):
    before = CASES[kind].make(tmp_path, 0)
    first, found = make_encoder(before).fingerprint, vectors(before)
    after = CASES[kind].prepared(tmp_path)
    assert make_encoder(after).fingerprint != first
    other = vectors(after)
    assert other.shape != found.shape or not torch.equal(other, found)


@pytest.mark.parametrize("kind", [kind for kind, (_, takes) in KINDS.items() if "normalise" in takes])
@pytest.mark.slow
def test_normalised_vectors_have_length_1_and_their_own_fingerprint(kind: str, tmp_path: Path):
    plain = CASES[kind].make(tmp_path, 0)
    unit = replace(plain, normalise=True)
    assert make_encoder(unit).fingerprint == f"{make_encoder(plain).fingerprint}-unit"
    lengths = vectors(unit).norm(dim=-1)
    assert torch.allclose(lengths[lengths > 0], torch.tensor(1.0), atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind, (_, takes) in KINDS.items() if "dtype" in takes])
def test_the_precision_has_its_own_fingerprint(kind: str, tmp_path: Path):
    settings = CASES[kind].make(tmp_path, 0)
    other = make_encoder(replace(settings, dtype="bfloat16"))
    assert other.fingerprint == f"{make_encoder(settings).fingerprint}-bfloat16"


@every_kind
def test_weights_of_another_shape_are_refused_and_the_mismatch_is_named(kind: str, tmp_path: Path):
    case = CASES[kind]
    settings = case.make(tmp_path, 0)
    spoil(tmp_path / case.weights, case.key)
    with pytest.raises(ValueError, match=f"(?s){case.key}.*{case.mismatch}"):
        make_encoder(settings)


@every_kind
def test_a_damaged_weight_file_is_refused(kind: str, tmp_path: Path):
    settings = CASES[kind].make(tmp_path, 0)
    file = tmp_path / CASES[kind].weights
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"damaged|is not an npz file"):
        make_encoder(settings)


@pytest.mark.parametrize("kind", GRIDS)
def test_the_cells_of_every_kind_of_image_keep_the_contract(kind: str, tmp_path: Path):
    settings = replace(CASES[kind].make(tmp_path, 0), regions="grid", rows=1, columns=2)
    encoder = make_encoder(settings)
    regions = encoder.encode(pictures())
    assert isinstance(regions, Regions) and regions.boxes is not None
    assert regions.vectors.shape == (5, 2, encoder.dim)
    assert regions.boxes[:, 0, 0].eq(0).all() and regions.boxes[:, 1, 2].eq(1).all()
    check_encoder(as_encoder(encoder, pictures()), pictures())


@pytest.mark.parametrize("kind", GRIDS)
def test_a_grid_has_all_cells_of_the_map_if_it_does_not_say_how_many(kind: str, tmp_path: Path):
    settings = replace(CASES[kind].make(tmp_path, 0), regions="grid")
    whole = make_encoder(settings).encode(pictures())
    one = make_encoder(replace(settings, rows=1, columns=1)).encode(pictures())
    assert isinstance(whole, Regions) and isinstance(one, Regions)
    assert torch.allclose(whole.vectors.mean(1), one.vectors[:, 0], atol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in CASES if KINDS[kind][0] == "image"])
@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1)])
@pytest.mark.slow
def test_a_picture_of_a_pixel_or_a_line_is_encoded_or_refused_by_name(kind: str, size: tuple[int, int], tmp_path: Path):
    from PIL import Image

    items = Dataset.from_dict({"id": ["thin"], "image": [Image.new("RGB", size, "red")]})
    settings = CASES[kind].make(tmp_path, 0)
    if kind == "faces":
        with pytest.raises(ValueError, match=r"image 'thin', .* does not contain the crop"):
            make_encoder(settings).encode(items)
    else:
        found: Any = make_encoder(settings).encode(items)
        assert torch.isfinite(found.vectors if isinstance(found, Regions) else found).all()


def test_every_kind_has_a_case():
    assert set(CASES) == set(KINDS)


@pytest.fixture
def cascade(tmp_path: Path) -> str:
    return mtcnn_folder(tmp_path / "mtcnn")


def face_settings(tmp_path: Path, **options: Any) -> EncoderSettings:
    return replace(faces(tmp_path), crop=None, **options)


def test_faces_that_mtcnn_finds_are_embedded_and_the_others_listed(cascade: str, tmp_path: Path):
    encoder = make_encoder(face_settings(tmp_path, detector="mtcnn", detector_weights=cascade, least_face=30))
    assert isinstance(encoder, FaceEncoder)
    encoding = encoder.encode_faces(pictures())
    assert len(encoding.ids) + len(encoding.without_face) == 5 and encoding.vectors.shape[1] == encoder.dim == 128


def test_the_rule_the_cut_and_the_smallest_face_are_in_the_fingerprint(cascade: str, tmp_path: Path):
    found: dict[str, Any] = dict(detector="mtcnn", detector_weights=cascade)
    changes: list[dict[str, Any]] = [{}, dict(choose="largest"), dict(align="box"), dict(least_face=30)]
    changes += [dict(align="box", margin=4), dict(mirror=False)]
    prints = {make_encoder(face_settings(tmp_path, **found, **change)).fingerprint for change in changes}
    assert len(prints) == len(changes)


def test_a_folder_without_a_network_of_the_cascade_says_what_to_download(cascade: str, tmp_path: Path):
    settings = face_settings(tmp_path, detector="mtcnn", detector_weights=cascade)
    (Path(cascade) / "mtcnn_rnet.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no weights at .*rnet\.pt; download MTCNN's rnet\.pt from facenet-py"):
        make_encoder(settings)


def test_two_networks_of_one_name_are_refused(cascade: str, tmp_path: Path):
    settings = face_settings(tmp_path, detector="mtcnn", detector_weights=cascade)
    (Path(cascade) / "pnet.pt").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"holds mtcnn_pnet\.pt and pnet\.pt; leave one"):
        make_encoder(settings)


def test_the_cascade_names_the_shape_that_does_not_fit(cascade: str, tmp_path: Path):
    settings = face_settings(tmp_path, detector="mtcnn", detector_weights=cascade)
    spoil(Path(cascade) / "mtcnn_onet.pt", "dense5.bias")
    with pytest.raises(ValueError, match=r"(?s)MTCNN's O-Net.*dense5\.bias.*\[5\]"):
        make_encoder(settings)


@pytest.mark.slow
def test_inception_is_chosen_by_name_and_its_shapes_are_checked(tmp_path: Path):
    torch.manual_seed(0)
    torch.save(InceptionResnetV1().state_dict(), tmp_path / "inception.pt")
    weights: dict[str, Any] = dict(embedder="inception_resnet_v1", weights=str(tmp_path / "inception.pt"))
    settings = EncoderSettings("faces", **weights, detector="none", height=96)
    check_encoder(make_encoder(settings), pictures())
    with pytest.raises(ValueError, match="square faces, not 96 x 80"):
        make_encoder(replace(settings, width=80))
    spoil(tmp_path / "inception.pt", "last_bn.bias")
    with pytest.raises(ValueError, match=r"(?s)last_bn\.bias.*\[5\]"):
        make_encoder(settings)


@with_onnx
def test_any_onnx_network_is_chosen_by_name_and_another_size_is_named(tmp_path: Path):
    weights: dict[str, Any] = dict(embedder="onnx", weights=onnx_file(tmp_path, ANY), detector="none")
    settings = EncoderSettings("faces", **weights)
    check_encoder(make_encoder(settings), pictures())
    changes: list[dict[str, Any]] = [{}, dict(pixel_mean=0.0), dict(pixel_std=1.0), dict(channels="BGR")]
    assert len({make_encoder(replace(settings, **change)).fingerprint for change in changes}) == 4
    with pytest.raises(ValueError, match="takes faces of height 16, not 32"):
        make_encoder(replace(settings, height=32))


def test_a_face_network_for_another_size_of_input_is_named(tmp_path: Path):
    torch.save(MobileFaceNet(48, 32).state_dict(), tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"size mismatch for linear7\.conv\.weight"):
        make_encoder(face_settings(tmp_path, weights=str(tmp_path / "other.pth")))


def test_a_configuration_of_another_network_is_refused(tmp_path: Path):
    settings = CASES["words"].make(tmp_path, 0)
    with pytest.raises(ValueError, match=r"config\.json lacks labels and is not that of a SEResNet"):
        make_encoder(replace(settings, kind="se_resnet"))
