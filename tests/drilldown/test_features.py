"""Claims about the frozen regions of images: what they are bound to, and what is kept."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from drilldown.data import CaptionedImages, CaptionedParts, load_captions
from drilldown.features import (
    STANDARDISE,
    RegionFeatures,
    check_precomputed,
    precomputed_gallery,
    prepared_features,
    region_encoder,
)
from drilldown.scenes_network import LABELS, SceneNetwork
from drilldown.settings import CaptionSettings, RegionSettings
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.encoders.regions.grid import GridEncoder
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.settings import TrainingSettings
from multiturn.training import save_pretrained

CPU = torch.device("cpu")
REAL = os.environ.get("RETRIEVAL_REAL_DATA")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> CaptionedParts:
    return load_captions(CaptionSettings(count=40, size=64, captions=2), 2, tmp_path_factory.mktemp("drawn"))


def network(seed: int = 0) -> SceneNetwork:
    torch.manual_seed(seed)
    return SceneNetwork([*LABELS], [*LABELS.values()]).eval()


@pytest.fixture(scope="module")
def encoder() -> GridEncoder:
    return GridEncoder(network())


def features(encoder: GridEncoder, images: CaptionedParts, folder: Path) -> RegionFeatures:
    return RegionFeatures(encoder, images, folder / "galleries", 16, CPU)


def test_each_part_has_36_regions_an_image_with_their_boxes(images, encoder, tmp_path: Path):
    gallery = features(encoder, images, tmp_path).gallery("test")
    assert gallery.ids == images.test.ids
    assert gallery.vectors.shape == (len(images.test), 36, encoder.dim)
    assert gallery.boxes is not None and gallery.boxes[0, 0].tolist() == pytest.approx([0, 0, 1 / 6, 1 / 6])
    assert gallery.fingerprint == encoder.fingerprint


def test_standardised_regions_have_mean_0_and_deviation_1_on_the_training_images(images, encoder, tmp_path: Path):
    made = features(encoder, images, tmp_path)
    made.standardise(tmp_path / STANDARDISE)
    rows = made.gallery("train").vectors.flatten(0, 1).double()
    assert rows.mean(0).abs().max() < 1e-4
    spread = rows.std(0)
    assert ((spread - 1).abs() < 1e-3).logical_or(spread < 1e-6).all()
    assert made.gallery("train").fingerprint.startswith(f"{encoder.fingerprint}-standardised-")


def test_statistics_of_a_checkpoint_are_used_as_they_are(images, encoder, tmp_path: Path):
    first = features(encoder, images, tmp_path / "first")
    first.standardise(tmp_path / STANDARDISE)
    other = CaptionedParts(images.test, images.validation, images.test, images.source, {})
    again = features(encoder, other, tmp_path / "again")
    again.standardise(tmp_path / STANDARDISE)
    assert torch.equal(again.gallery("test").vectors, first.gallery("test").vectors)


def test_a_kept_gallery_is_read_and_not_made_again(images, encoder, tmp_path: Path):
    features(encoder, images, tmp_path).gallery("test")
    path = tmp_path / "galleries" / "test.safetensors"
    stamp = path.stat().st_mtime_ns
    again = features(encoder, images, tmp_path).gallery("test")
    assert path.stat().st_mtime_ns == stamp
    assert again.ids == images.test.ids


def test_a_gallery_of_another_encoder_is_made_again(images, encoder, tmp_path: Path):
    before = features(encoder, images, tmp_path).gallery("test")
    after = features(GridEncoder(network(1)), images, tmp_path).gallery("test")
    assert after.fingerprint != before.fingerprint
    assert not torch.equal(after.vectors, before.vectors)


def regions(count: int, seed: int = 0) -> Regions:
    vectors = torch.randn(count, 3, 5, generator=torch.Generator().manual_seed(seed))
    mask = torch.tensor([[True, True, False]]).expand(count, -1).contiguous()
    return Regions(vectors * mask[..., None], None, mask)


def precomputed(folder: Path, images: CaptionedImages, more: tuple[str, ...] = ()) -> Path:
    names = sorted({*images.ids, *more})
    gallery = Gallery.of(names, regions(len(names)), "detector", "somewhere")
    gallery.save(folder / "regions.safetensors")
    return folder / "regions.safetensors"


def test_one_precomputed_gallery_serves_all_parts(images, tmp_path: Path):
    every = (*images.train.ids, *images.validation.ids, *images.test.ids)
    path = precomputed(tmp_path, images.test, every)
    whole = Gallery.load(path)
    for part in ("train", "validation", "test"):
        made = precomputed_gallery(str(path), part, images.part(part).ids, "here")
        assert made.ids == images.part(part).ids
        assert torch.equal(made.vectors, whole.vectors[whole.positions(made.ids)])
        assert made.mask is not None and made.mask.sum(1).tolist() == [2] * len(made)


def test_a_precomputed_gallery_may_be_a_file_for_each_part(images, tmp_path: Path):
    precomputed(tmp_path, images.test).rename(tmp_path / "test-36.safetensors")
    assert len(precomputed_gallery(f"{tmp_path}/{{part}}-36.safetensors", "test", images.test.ids, "")) == len(
        images.test
    )


def test_padding_stays_zero_when_precomputed_regions_are_standardised(images, tmp_path: Path):
    path = precomputed(tmp_path, images.test, (*images.train.ids, *images.validation.ids))
    settings = RegionSettings("precomputed", path=str(path))
    made = prepared_features(images, settings, 0, tmp_path, CPU)
    assert not made.gallery("test").vectors[:, 2].any()
    seen = made.gallery("train").vectors[:, :2].flatten(0, 1)
    assert seen.mean(0).abs().max() < 1e-4


def test_an_image_without_regions_is_named(images, tmp_path: Path):
    path = precomputed(tmp_path, images.test)
    with pytest.raises(
        ValueError, match=rf"no regions of \d+ of the \d+ train images, the first '{images.train.ids[0]}'"
    ):
        precomputed_gallery(str(path), "train", images.train.ids, "")


def test_a_gallery_of_whole_images_is_refused(images, tmp_path: Path):
    Gallery.of(images.test.ids, torch.randn(len(images.test), 4), "f", "s").save(tmp_path / "flat.safetensors")
    with pytest.raises(ValueError, match="one vector an image; vg-drilldown needs regions"):
        precomputed_gallery(str(tmp_path / "flat.safetensors"), "test", images.test.ids, "")


def test_a_precomputed_file_that_is_not_there_is_named(images, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        precomputed_gallery(str(tmp_path / "nowhere.safetensors"), "test", images.test.ids, "")
    (tmp_path / "train.safetensors").touch()
    with pytest.raises(FileNotFoundError, match=r"no gallery at .*validation\.safetensors, which regions\.path names"):
        check_precomputed(str(tmp_path / "{part}.safetensors"))


def test_a_scene_network_of_another_run_can_be_used(images, tmp_path: Path):
    save_pretrained(network(), tmp_path / "old" / "encoder")
    settings = RegionSettings(checkpoint=str(tmp_path / "old"))
    made = region_encoder(images, settings, 0, tmp_path / "new", CPU, resume=False)
    assert made is not None and made.fingerprint == GridEncoder(network()).fingerprint
    shutil.rmtree(tmp_path / "old")  # The new run has kept it.
    again = region_encoder(images, settings, 0, tmp_path / "new", CPU, resume=True)
    assert again is not None and again.fingerprint == made.fingerprint


@pytest.mark.slow
def test_a_scene_network_is_trained_once_and_read_again_on_resume(tmp_path: Path):
    drawn = load_captions(CaptionSettings(count=40, size=64, captions=2), 2, tmp_path)
    settings = RegionSettings(training=TrainingSettings(1, batch_size=8))
    made = prepared_features(drawn, settings, 0, tmp_path, CPU)
    stamp = (tmp_path / "encoder" / "model.safetensors").stat().st_mtime_ns
    again = prepared_features(drawn, settings, 0, tmp_path, CPU, resume=True)
    assert (tmp_path / "encoder" / "model.safetensors").stat().st_mtime_ns == stamp
    assert again.gallery("train").fingerprint == made.gallery("train").fingerprint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "precomputed"}, "a path goes with kind precomputed"),
        ({"path": "x"}, "a path goes with kind precomputed"),
        ({"kind": "encoder", "encoder": EncoderSettings("squeezenet")}, "set regions.encoder.regions to grid"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_settings_of_regions_that_contradict_each_other_are_refused(options: dict, said: str):
    with pytest.raises(ValueError, match=said):
        RegionSettings(**options)


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no folder with real data")
def test_cells_of_squeezenet_stand_for_real_photographs(tmp_path: Path):
    whole = load_captions(CaptionSettings("flickr8k", f"{REAL}/flickr8k"), 5, tmp_path)
    few = CaptionedImages(whole.test.images.select(range(6)), whole.test.captions[:6])
    weights = f"{REAL}/weights/squeezenet1.1_notop_oihw.npz"
    settings = RegionSettings(
        "encoder", EncoderSettings("squeezenet", weights=weights, regions="grid", rows=6, columns=6)
    )
    made = prepared_features(CaptionedParts(few, few, few, "six photographs", {}), settings, 0, tmp_path, CPU)
    gallery = made.gallery("test")
    assert gallery.vectors.shape == (6, 36, 512)
    assert "standardised" in gallery.fingerprint
