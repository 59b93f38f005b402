"""Claims about SqueezeNet, on random weights and, where they are, on the real ones and real birds."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image

from multiturn.contracts import check_encoder
from multiturn.encoders.squeezenet import SqueezeNetEncoder, _key_of
from tests.multiturn.encoders.tiny import pictures

REAL = os.environ.get("RETRIEVAL_REAL_DATA")
real = pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no real data")


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(seed)
    return {_key_of(key): value.numpy() for key, value in squeezenet1_1(weights=None).features.state_dict().items()}


@pytest.fixture
def weights(tmp_path: Path) -> str:
    np.savez(tmp_path / "w.npz", **arrays())  # type: ignore[arg-type]
    return str(tmp_path / "w.npz")


def test_it_keeps_the_contract_of_encoders(weights: str):
    check_encoder(SqueezeNetEncoder(weights, 64, 48), pictures())


def test_the_fingerprint_changes_with_weights_size_normalisation_and_precision(weights: str, tmp_path: Path):
    np.savez(tmp_path / "other.npz", **arrays(1))  # type: ignore[arg-type]
    prints = {SqueezeNetEncoder(weights, 64, 64).fingerprint for _ in range(2)}
    prints.add(SqueezeNetEncoder(str(tmp_path / "other.npz"), 64, 64).fingerprint)
    prints.add(SqueezeNetEncoder(weights, 64, 48).fingerprint)
    prints.add(SqueezeNetEncoder(weights, 64, 64, normalise=True).fingerprint)
    prints.add(SqueezeNetEncoder(weights, 64, 64, dtype="bfloat16").fingerprint)
    assert len(prints) == 5


def test_the_mean_of_the_map_is_the_vector(weights: str):
    encoder = SqueezeNetEncoder(weights, 64, 48)
    inputs = torch.stack([encoder.prepare(image) for image in pictures()["image"]])
    cells = encoder.feature_map(inputs)
    assert cells.shape == (5, 512, 3, 2)
    assert torch.allclose(cells.mean((2, 3)), encoder.encode(pictures()), atol=1e-6)


def test_a_file_that_is_not_there_says_what_to_download(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*download SqueezeNet 1\.1.*put the file there"):
        SqueezeNetEncoder(str(tmp_path / "w.npz"))


def test_arrays_of_another_network_are_named(tmp_path: Path):
    wrong = arrays() | {"fire3.squeeze1x1.w": np.zeros((5, 128, 1, 1)), "fire10.w": np.zeros(3)}
    del wrong["conv1.b"]
    np.savez(tmp_path / "w.npz", **wrong)  # type: ignore[arg-type]
    match = (
        r"conv1\.b is missing; fire3\.squeeze1x1\.w is \(5, 128, 1, 1\), not \(16, 128, 1, 1\); fire10\.w is unknown"
    )
    with pytest.raises(ValueError, match=match):
        SqueezeNetEncoder(str(tmp_path / "w.npz"))


def test_a_file_that_is_no_npz_or_holds_objects_is_refused(tmp_path: Path):
    (tmp_path / "w.npz").write_bytes(b"no zip file at all")
    with pytest.raises(ValueError, match="is not an npz file"):
        SqueezeNetEncoder(str(tmp_path / "w.npz"))
    np.savez(tmp_path / "w.npz", **{"conv1.w": np.array([object()])})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="is not an npz file"):
        SqueezeNetEncoder(str(tmp_path / "w.npz"))


def birds(classes: int) -> tuple[Dataset, torch.Tensor]:
    folders = sorted((Path(REAL or "") / "cub" / "images").iterdir())[:classes]
    files = [(str(file), label) for label, folder in enumerate(folders) for file in sorted(folder.iterdir())]
    images = Dataset.from_dict({"image": [file for file, _ in files]}, features=Features({"image": Image()}))
    return images, torch.tensor([label for _, label in files])


def nearest_is_right(vectors: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of vectors whose nearest other one by cosine is of the same class."""
    similar = (vectors @ vectors.T).fill_diagonal_(-2)
    return float((labels[similar.argmax(1)] == labels).float().mean())


def real_encoder() -> SqueezeNetEncoder:
    weights = str(Path(REAL or "") / "weights" / "squeezenet1.1_notop_oihw.npz")
    return SqueezeNetEncoder(weights, 192, 192, normalise=True)


@real
@pytest.mark.slow
def test_the_nearest_bird_of_ten_kinds_is_of_its_kind_as_often_as_it_was_when_the_whole_set_came_out_right():
    images, labels = birds(10)
    vectors = real_encoder().encode(images)
    assert vectors.shape == (220, 512) and torch.isfinite(vectors).all()
    # The run over all 100 kinds that gave 58.9 %.
    assert nearest_is_right(vectors, labels) == pytest.approx(0.823, abs=0.02)


@real
@pytest.mark.slow
def test_the_nearest_bird_is_of_its_kind_as_often_as_documented_for_these_weights():
    images, labels = birds(100)
    vectors = real_encoder().encode(images)
    assert nearest_is_right(vectors, labels) == pytest.approx(0.589, abs=0.01)
