"""Claims about the networks of faces: their weight files, and what they make of pixels."""

import base64
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

from multiturn.encoders.faces import FaceDetector, FaceEmbedder
from multiturn.encoders.faces.embedders import inception_resnet_v1, mobilefacenet
from multiturn.encoders.faces.inception_resnet import InceptionResnetV1
from multiturn.encoders.faces.mobilefacenet import MobileFaceNet
from multiturn.encoders.faces.mtcnn import MTCNN, _apart, _square, _windows
from multiturn.encoders.faces.mtcnn_networks import OutputNetwork, ProposalNetwork, RefinementNetwork
from multiturn.encoders.faces.onnx_embedder import OnnxEmbedder
from multiturn.encoders.faces.yunet import YuNet, faces_of_rows

# The mean of each channel of (face, 3, 16, 16), for any number of faces and for two at a time.
ANY = (
    "CAgSADpjChkKAXgSAXAiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAXASAXkiB0ZsYXR0ZW4SAWdaHAoBeBIXChUIARIRCgMSAW4KAggDCgIIEAoCCBBiFAoBeRIP"
    "Cg0IARIJCgMSAW4KAggDQgQKABAN"
)
PAIRS = (
    "CAgSADphChkKAXgSAXAiEUdsb2JhbEF2ZXJhZ2VQb29sCg8KAXASAXkiB0ZsYXR0ZW4SAWdaGwoBeBIWChQIARIQCgIIAgoCCAMKAggQCgIIEGITCgF5Eg4K"
    "DAgBEggKAggCCgIIA0IECgAQDQ=="
)
NETWORKS = {"pnet": ProposalNetwork, "rnet": RefinementNetwork, "onet": OutputNetwork}
with_onnx = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="needs the extra `faces`")
with_opencv = pytest.mark.skipif(importlib.util.find_spec("cv2") is None, reason="needs the extra `faces`")


@pytest.fixture(scope="module")
def cascade(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """State dicts of an untrained MTCNN that takes nothing for a face."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("mtcnn")
    for name, network in NETWORKS.items():
        torch.save(network().state_dict(), folder / f"{name}.pt")
    return {name: str(folder / f"{name}.pt") for name in NETWORKS}


def saved(network: nn.Module, path: Path) -> str:
    torch.save(network.state_dict(), path)
    return str(path)


def faces(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, 3, height, width), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def test_the_cascade_has_the_keys_and_shapes_of_the_published_state_dicts():
    shapes = {
        name: {key: tuple(value.shape) for key, value in network().state_dict().items()}
        for name, network in NETWORKS.items()
    }
    assert len(shapes["pnet"]) == 13 and shapes["pnet"]["conv4_2.weight"] == (4, 32, 1, 1)
    assert len(shapes["rnet"]) == 16 and shapes["rnet"]["dense4.weight"] == (128, 576)
    assert len(shapes["onet"]) == 21 and shapes["onet"]["dense6_3.weight"] == (10, 256)


def test_inception_has_as_many_weights_as_published_under_the_published_names():
    # timesler/facenet-pytorch without its classifier.
    assert sum(value.numel() for value in InceptionResnetV1().parameters()) == 23_482_624
    names = set(InceptionResnetV1().state_dict())
    assert {"repeat_2.9.branch1.2.conv.weight", "mixed_7a.branch2.2.bn.bias", "block8.conv2d.bias"} <= names


def test_a_picture_in_which_the_cascade_sees_nothing_has_no_face(cascade: dict[str, str]):
    detector = MTCNN(**cascade, thresholds=(0.99, 0.99, 0.99))
    assert isinstance(detector, FaceDetector)
    assert len(detector.find(Pillow.new("RGB", (60, 40)))) == 0
    assert len(detector.find(Pillow.new("RGB", (1, 1)))) == 0


def test_the_cascade_gives_boxes_landmarks_and_scores_of_one_number(cascade: dict[str, str]):
    found = MTCNN(**cascade, thresholds=(0.0, 0.0, 0.0)).find(Pillow.new("RGB", (24, 24), "gray"))
    assert len(found) > 0 and found.boxes.shape == (len(found), 4) and found.landmarks.shape == (len(found), 5, 2)
    assert bool(((found.scores >= 0) & (found.scores <= 1)).all())


def test_the_fingerprint_of_the_cascade_changes_with_weights_and_thresholds(cascade: dict[str, str], tmp_path: Path):
    torch.manual_seed(1)
    others = {**cascade, "onet": saved(OutputNetwork(), tmp_path / "onet.pt")}
    prints = {MTCNN(**cascade).fingerprint, MTCNN(**others).fingerprint, MTCNN(**cascade, least_face=40).fingerprint}
    assert len(prints) == 3 and MTCNN(**cascade).fingerprint in prints


def test_weights_of_another_network_of_the_cascade_are_refused_and_the_keys_named(cascade: dict[str, str]):
    with pytest.raises(ValueError, match=r"(?s)MTCNN's R-Net.*size mismatch for conv1\.weight"):
        MTCNN(cascade["pnet"], cascade["onet"], cascade["onet"])
    with pytest.raises(FileNotFoundError, match="download MTCNN's O-Net from facenet-pytorch's releases"):
        MTCNN(cascade["pnet"], cascade["rnet"], "nowhere.pt")


def test_windows_outside_the_picture_are_black_and_keep_their_size():
    pixels = torch.full((3, 20, 20), 255.0)
    boxes = torch.tensor([[1.0, 1.0, 20.0, 20.0], [-19.0, 1.0, 20.0, 40.0], [50.0, 50.0, 60.0, 60.0]])
    inside, half, outside = _windows(pixels, boxes, 24)
    assert inside.min() > 0.99 and outside.max() < -0.99 and 0.2 < float((half > 0).float().mean()) < 0.3


def test_a_window_becomes_a_square_around_its_centre():
    assert _square(torch.tensor([[10.0, 10.0, 30.0, 20.0]])).tolist() == [[10, 5, 30, 25]]


def test_of_a_face_within_a_face_the_surer_one_stays():
    boxes = torch.tensor([[0.0, 0.0, 100.0, 100.0], [40.0, 40.0, 60.0, 60.0], [200.0, 0.0, 220.0, 20.0]])
    assert _apart(boxes, torch.tensor([0.8, 0.9, 0.7]), 0.7).tolist() == [1, 2]


def test_the_embedding_of_a_face_is_that_of_its_mirror_image(tmp_path: Path):
    torch.manual_seed(0)
    weights = saved(MobileFaceNet(32, 32), tmp_path / "m.pt")
    embedder = mobilefacenet(weights, 32, 32)
    assert isinstance(embedder, FaceEmbedder) and embedder.dim == 128
    vectors = embedder.embed(faces(32, 32))
    assert torch.allclose(vectors, embedder.embed(faces(32, 32).flip(3)), atol=1e-5)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    plain = mobilefacenet(weights, 32, 32, mirror=False)
    assert plain.fingerprint != embedder.fingerprint and not torch.allclose(vectors, plain.embed(faces(32, 32)))


def test_mobilefacenet_for_another_size_of_input_is_refused_and_the_key_named(tmp_path: Path):
    weights = saved(MobileFaceNet(112, 112), tmp_path / "square.pt")
    with pytest.raises(ValueError, match=r"size mismatch for linear7\.conv\.weight"):
        mobilefacenet(weights)


def test_a_checkpoint_that_is_no_state_dict_or_no_file_is_named(tmp_path: Path):
    torch.save({"epoch": 3, "net_state_dict": [1]}, tmp_path / "list.pt")
    with pytest.raises(ValueError, match=r"list\.pt holds no state dict of MobileFaceNet"):
        mobilefacenet(str(tmp_path / "list.pt"))
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ValueError, match=r"torn\.pt do not fit MobileFaceNet, or are damaged"):
        mobilefacenet(str(tmp_path / "torn.pt"))
    with pytest.raises(FileNotFoundError, match="download a state dict of MobileFaceNet"):
        mobilefacenet(str(tmp_path / "none.pt"))


@pytest.mark.slow
def test_inception_leaves_its_classifier_out(tmp_path: Path):
    torch.manual_seed(0)
    state = InceptionResnetV1().state_dict() | {"logits.weight": torch.ones(2, 512), "logits.bias": torch.ones(2)}
    torch.save(state, tmp_path / "inception.pt")
    embedder = inception_resnet_v1(str(tmp_path / "inception.pt"), side=96)
    vectors = embedder.embed(faces(96, 96))
    assert vectors.shape == (3, 512) and torch.allclose(vectors.norm(dim=1), torch.ones(3))
    with pytest.raises(ValueError, match="InceptionResnetV1"):
        inception_resnet_v1(saved(MobileFaceNet(), tmp_path / "other.pt"))


def onnx_file(tmp_path: Path, content: str) -> str:
    (tmp_path / "mean.onnx").write_bytes(base64.b64decode(content))
    return str(tmp_path / "mean.onnx")


@with_onnx
@pytest.mark.parametrize("content", [ANY, PAIRS])
def test_an_onnx_network_embeds_as_many_faces_as_there_are(tmp_path: Path, content: str):
    embedder = OnnxEmbedder(onnx_file(tmp_path, content), mean=0.0, std=1.0)
    assert isinstance(embedder, FaceEmbedder) and embedder.dim == 3 and embedder.height == embedder.width == 16
    expected: Callable[..., torch.Tensor] = torch.nn.functional.normalize
    assert torch.allclose(embedder.embed(faces(16, 16)), expected(faces(16, 16).float().mean((2, 3)), dim=1), atol=1e-5)


@with_onnx
def test_the_order_of_channels_and_the_scaling_are_options_of_an_onnx_network(tmp_path: Path):
    path = onnx_file(tmp_path, ANY)
    blue = OnnxEmbedder(path, 0.0, 1.0, order="BGR")
    assert torch.allclose(
        blue.embed(faces(16, 16)).flip(1), OnnxEmbedder(path, 0.0, 1.0).embed(faces(16, 16)), atol=1e-6
    )
    prints = {
        blue.fingerprint,
        OnnxEmbedder(path, 0.0, 1.0).fingerprint,
        OnnxEmbedder(path, 0.0, 1.0, mirror=True).fingerprint,
    }
    assert len(prints) == 3


@with_onnx
def test_an_onnx_file_of_another_size_or_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="faces of height 16, not 32"):
        OnnxEmbedder(onnx_file(tmp_path, ANY), height=32)
    (tmp_path / "torn.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"cannot read .*torn\.onnx"):
        OnnxEmbedder(str(tmp_path / "torn.onnx"))


def test_without_onnxruntime_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'multiturn-retrieval\[faces\]'"):
        OnnxEmbedder(onnx_file(tmp_path, ANY))


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'multiturn-retrieval\[faces\]'"):
        YuNet("yunet.onnx")


@with_opencv
def test_a_missing_or_damaged_yunet_says_where_to_get_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"download face_detection_yunet_2023mar\.onnx from OpenCV's model zoo"):
        YuNet(str(tmp_path / "none.onnx"))
    (tmp_path / "torn.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="OpenCV cannot read"):
        YuNet(str(tmp_path / "torn.onnx"))


def test_rows_of_opencv_are_read_as_corners_and_landmarks_in_the_common_order():
    rows = np.array([[10, 20, 30, 40, *range(10), 0.9]], np.float32)
    found = faces_of_rows(rows)
    assert found.boxes.tolist() == [[10, 20, 40, 60]] and found.scores.tolist() == pytest.approx([0.9])
    assert found.landmarks[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert len(faces_of_rows(np.empty((0, 15), np.float32))) == 0
