"""Claims about encoders of regions: cells of maps and patches, and where they are."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from multiturn.contracts import check_encoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.encoders.regions.grid import GridEncoder, MapEncoder, cell_boxes
from multiturn.encoders.regions.torchvision_maps import TorchvisionMaps
from multiturn.encoders.squeezenet import SqueezeNetEncoder
from multiturn.encoders.timm_backbone import TimmEncoder

REAL = Path(os.environ.get("RETRIEVAL_REAL_DATA", "none"))


class Flat:
    """A region encoder as an encoder of one long vector, so that the contract of encoders can be asked of it."""

    def __init__(self, encoder: RegionEncoder, items: Any) -> None:
        self._encoder, self.fingerprint = encoder, encoder.fingerprint
        self.dim = encoder.encode(items).vectors.shape[1] * (encoder.dim + 5)

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> torch.Tensor:
        regions = self._encoder.encode(items, batch_size)
        assert regions.boxes is not None
        return torch.cat([regions.vectors, regions.boxes, regions.mask[..., None]], 2).flatten(1)


def pictures(sizes: tuple[tuple[int, int], ...] = ((40, 30), (30, 40), (64, 64))) -> list[Pillow.Image]:
    rng = np.random.default_rng(0)
    return [Pillow.fromarray(rng.integers(0, 255, (high, wide, 3), dtype=np.uint8)) for wide, high in sizes]


def timm_network(tmp_path: Path, name: str, side: int) -> TimmEncoder:
    torch.manual_seed(0)
    torch.save(timm.create_model(name).state_dict(), tmp_path / "weights.pth")
    return TimmEncoder(name, str(tmp_path / "weights.pth"), side, side)


class Left(MapEncoder):
    """A map of 2 x 3 cells, whose only channel is the mean brightness of the cell."""

    fingerprint = "brightness"

    def prepare(self, image: Pillow.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image.resize((3, 2), Pillow.Resampling.BOX))).permute(2, 0, 1).float()

    def feature_map(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean(1, keepdim=True)


@pytest.mark.parametrize(("name", "side"), [("test_resnet", 64), ("test_vit", 160)])
def test_cells_and_patches_keep_the_contract_of_encoders(tmp_path: Path, name: str, side: int):
    encoder = GridEncoder(timm_network(tmp_path, name, side), 2, 2)
    check_encoder(Flat(encoder, pictures()), pictures())


def test_every_patch_of_a_vit_is_a_region_and_its_first_token_is_none(tmp_path: Path):
    encoder = GridEncoder(timm_network(tmp_path, "test_vit", 160))
    regions = encoder.encode(pictures())
    assert regions.vectors.shape == (3, 100, 64) and encoder.dim == 64


def test_the_box_of_a_cell_is_where_the_cell_looks():
    wide = Pillow.new("RGB", (30, 20))
    wide.paste("white", (20, 0, 30, 10))
    regions = GridEncoder(Left()).encode([wide])
    assert regions.boxes is not None
    bright = int(regions.vectors[0, :, 0].argmax())
    assert torch.allclose(regions.boxes[0, bright], torch.tensor([2 / 3, 0, 1, 0.5]))


def test_cells_cover_the_whole_picture_and_each_is_as_large():
    boxes = cell_boxes(6, 6, 3, 2)
    sides = boxes[:, 2:] - boxes[:, :2]
    assert torch.allclose(sides, torch.tensor([1 / 2, 1 / 3]).expand(6, 2))
    assert float(sides.prod(1).sum()) == pytest.approx(1)


def test_fewer_cells_average_those_of_the_map():
    whole = GridEncoder(Left()).encode(pictures())
    one = GridEncoder(Left(), 1, 1).encode(pictures())
    assert torch.allclose(one.vectors[:, 0], whole.vectors.mean(1), atol=1e-3)
    assert one.boxes is not None and torch.equal(one.boxes[0, 0], torch.tensor([0.0, 0, 1, 1]))


def test_more_cells_than_the_map_has_are_refused():
    with pytest.raises(ValueError, match="3 x 3 cells are wanted of a map of 2 x 3"):
        GridEncoder(Left(), 3, 3)


def test_the_fingerprint_names_the_network_and_the_grid():
    assert GridEncoder(Left(), 1, 1).fingerprint != GridEncoder(Left()).fingerprint
    assert "brightness" in GridEncoder(Left()).fingerprint


def test_workers_change_no_region(tmp_path: Path):
    network = timm_network(tmp_path, "test_resnet", 64)
    alone, helped = (GridEncoder(network, workers=workers).encode(pictures(), 2) for workers in (0, 1))
    assert torch.equal(alone.vectors, helped.vectors)


def test_an_empty_list_has_no_regions():
    assert GridEncoder(Left()).encode([]).vectors.shape == (0, 6, 1)


def test_a_picture_of_one_pixel_is_encoded_as_any_other():
    assert torch.isfinite(GridEncoder(Left()).encode(pictures(((1, 1),))).vectors).all()


def test_a_corrupt_image_is_named():
    whole = io.BytesIO()
    pictures()[0].save(whole, "png")
    rows = {"id": ["a", "torn"], "image": [{"bytes": whole.getvalue()}, {"bytes": whole.getvalue()[:60]}]}
    items = Dataset.from_dict(rows).cast_column("image", Image())
    with pytest.raises(ValueError, match="image 'torn' cannot be decoded"):
        GridEncoder(Left()).encode(items)


def test_what_is_no_picture_is_named():
    with pytest.raises(ValueError, match="image '1' cannot be decoded"):
        GridEncoder(Left()).encode([*pictures()[:1], "a word"])
    with pytest.raises(ValueError, match="no `image`"):
        GridEncoder(Left()).encode(Dataset.from_dict({"text": ["a"]}))


def test_a_picture_that_is_not_there_is_named(tmp_path: Path):
    rows = {"id": ["gone", "void"], "image": [str(tmp_path / "gone.png"), None]}
    items = Dataset.from_dict(rows, features=Features({"id": Value("string"), "image": Image()}))
    with pytest.raises(ValueError, match=r"image 'gone' is missing: no file at .*gone\.png"):
        GridEncoder(Left()).encode(items)
    with pytest.raises(ValueError, match="image 'void' is missing: its row has neither"):
        GridEncoder(Left()).encode(items.select([1]))


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> str:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(squeezenet1_1(weights=None).state_dict(), path)
    return str(path)


def test_a_network_of_torchvision_lends_its_last_map(squeezenet: str):
    encoder = GridEncoder(TorchvisionMaps("squeezenet1_1", squeezenet, 64, 64))
    assert encoder.dim == 512 and (encoder.rows, encoder.columns) == (3, 3)
    check_encoder(Flat(encoder, pictures()), pictures())


@pytest.mark.slow
def test_a_vit_of_torchvision_lends_its_patches(tmp_path: Path):
    from torchvision.models import vit_b_32

    torch.manual_seed(0)
    torch.save(vit_b_32(weights=None).state_dict(), tmp_path / "vit.pth")
    encoder = GridEncoder(TorchvisionMaps("vit_b_32", str(tmp_path / "vit.pth")))
    assert encoder.encode(pictures()).vectors.shape == (3, 49, 768)
    with pytest.raises(ValueError, match="224 x 224 pixels alone"):
        TorchvisionMaps("vit_b_32", str(tmp_path / "vit.pth"), 160, 160)


def test_weights_of_another_network_are_refused_and_the_mismatch_is_named(squeezenet: str, tmp_path: Path):
    with pytest.raises(ValueError, match=r"size mismatch for features\.0\.weight"):
        TorchvisionMaps("squeezenet1_0", squeezenet)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="holds no state dict"):
        TorchvisionMaps("squeezenet1_1", str(tmp_path / "list.pth"))


def test_a_missing_weight_file_says_what_to_download_and_where_to_put_it():
    with pytest.raises(FileNotFoundError, match=r"no weights at nowhere\.pth; download the state dict of resnet18"):
        TorchvisionMaps("resnet18", "nowhere.pth")


def test_unknown_names_suggest_known_ones(squeezenet: str):
    with pytest.raises(ValueError, match=r"similar names: .*resnet18"):
        TorchvisionMaps("resnet1", None)
    with pytest.raises(ValueError, match="no layer 'layer9'"):
        TorchvisionMaps("squeezenet1_1", squeezenet, layer="layer9")


@pytest.mark.skipif(not (REAL / "weights").is_dir(), reason="RETRIEVAL_REAL_DATA names no folder with weights/")
def test_the_cells_of_real_weights_average_to_the_pooled_vector():
    network = SqueezeNetEncoder(str(REAL / "weights" / "squeezenet1.1_notop_oihw.npz"))
    bird = next((REAL / "cub").rglob("*.jpg"))
    items = Dataset.from_dict({"image": [str(bird)] * 2}).cast_column("image", Image())
    regions = GridEncoder(network).encode(items)
    assert regions.vectors.shape == (2, 13 * 13, 512)
    assert torch.allclose(regions.vectors.mean(1), network.encode(items), atol=1e-3)
