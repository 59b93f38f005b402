"""Claims about the regions that a detector finds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from multiturn.encoders.regions import RegionEncoder
from multiturn.encoders.regions.detector import DetectorEncoder

NAME = "fasterrcnn_mobilenet_v3_large_320_fpn"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    from torchvision.models import detection

    torch.manual_seed(0)
    network = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=3)
    path = tmp_path_factory.mktemp("weights") / "detector.pth"
    torch.save(network.state_dict(), path)
    return str(path)


def encoder(weights: str, least_score: float) -> DetectorEncoder:
    return DetectorEncoder(weights, NAME, regions=5, least_score=least_score, short_side=64, classes=3)


def pictures() -> list[Pillow.Image]:
    rng = np.random.default_rng(0)
    sizes = ((40, 30), (30, 40), (64, 64), (1, 1))
    return [Pillow.fromarray(rng.integers(0, 255, (high, wide, 3), dtype=np.uint8)) for wide, high in sizes]


@pytest.mark.slow
def test_detected_regions_do_not_depend_on_the_batch_or_the_order(weights: str):
    detector, items = encoder(weights, 0.2), pictures()
    assert isinstance(detector, RegionEncoder)
    together, reverse = detector.encode(items), detector.encode(items[::-1], batch_size=1)
    assert together.vectors.shape == (4, 5, detector.dim) and together.mask.all()
    assert torch.equal(together.vectors, reverse.vectors.flip(0))


@pytest.mark.slow
def test_a_picture_in_which_nothing_is_found_has_itself_as_its_only_region(weights: str):
    regions = encoder(weights, 0.999).encode(pictures())
    assert regions.mask.sum(1).tolist() == [1, 1, 1, 1] and regions.boxes is not None
    assert regions.boxes[:, 0].tolist() == [[0, 0, 1, 1]] * 4
    assert not regions.vectors[~regions.mask].any() and torch.isfinite(regions.vectors).all()


@pytest.mark.slow
def test_weights_for_other_classes_are_refused_and_the_mismatch_is_named(weights: str):
    with pytest.raises(ValueError, match=r"size mismatch for roi_heads\.box_predictor\.cls_score\.weight"):
        DetectorEncoder(weights, NAME, classes=91)


def test_unknown_detectors_and_missing_files_say_what_to_do(tmp_path: Path):
    with pytest.raises(ValueError, match=r"choose one of .*fasterrcnn_resnet50_fpn"):
        DetectorEncoder(None, "yolo")
    with pytest.raises(FileNotFoundError, match="download the state dict of fasterrcnn_resnet50_fpn"):
        DetectorEncoder(str(tmp_path / "none.pth"))
