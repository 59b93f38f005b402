"""Claims about the encoders of images, on tiny models with random weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from multiturn.contracts import check_encoder
from multiturn.encoders.open_clip_towers import OpenClipImages
from multiturn.encoders.timm_backbone import TimmEncoder
from multiturn.encoders.towers import ImageTower
from multiturn.encoders.transformers_towers import TransformersImages
from tests.multiturn.encoders.tiny import open_clip_folder, pictures, timm_weights, transformers_folder

Maker = Callable[..., ImageTower]


def make_timm(folder: Path, seed: int = 0, **options) -> ImageTower:
    return TimmEncoder("test_resnet", timm_weights(folder, seed=seed), 32, 48, **options)


def make_timm_vit(folder: Path, seed: int = 0, **options) -> ImageTower:
    return TimmEncoder("test_vit", timm_weights(folder, "test_vit", seed), 160, 160, **options)


def make_open_clip(folder: Path, seed: int = 0, mean: float = 0.5, **options) -> ImageTower:
    return OpenClipImages(open_clip_folder(folder / f"model{seed}{mean}" / "tiny", seed, mean), **options)


def make_transformer(kind: str) -> Maker:
    def make(folder: Path, seed: int = 0, mean: float = 0.5, **options) -> ImageTower:
        return TransformersImages(transformers_folder(folder / f"{seed}{mean}" / kind, kind, seed, mean), **options)

    return make


MAKERS: dict[str, Maker] = {
    "timm": make_timm,
    "timm vit": make_timm_vit,
    "open_clip": make_open_clip,
    "clip": make_transformer("clip"),
    "siglip": make_transformer("siglip"),
    "dinov2": make_transformer("dinov2"),
}
PREPARED = [name for name in MAKERS if "timm" not in name]
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@every
def test_it_keeps_the_contract_of_encoders(make: Maker, tmp_path: Path):
    check_encoder(make(tmp_path), pictures())


@every
def test_the_fingerprint_changes_with_weights_normalisation_and_precision_and_with_nothing_else(make, tmp_path):
    first = make(tmp_path).fingerprint
    assert make(tmp_path, workers=1).fingerprint == first
    others = [make(tmp_path, seed=1), make(tmp_path, normalise=True), make(tmp_path, dtype="bfloat16")]
    assert len({first, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize("name", PREPARED)
def test_the_fingerprint_changes_with_the_preprocessing(name: str, tmp_path: Path):
    one, other = (MAKERS[name](tmp_path, mean=mean) for mean in (0.5, 0.4))
    assert one.fingerprint != other.fingerprint
    assert not torch.allclose(one.encode(pictures()), other.encode(pictures()))


def test_the_fingerprint_changes_with_the_input_size(tmp_path: Path):
    weights = timm_weights(tmp_path)
    one, other = (TimmEncoder("test_resnet", weights, height, 48) for height in (32, 40))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2"])
def test_the_fingerprint_changes_with_the_pooling(kind: str, tmp_path: Path):
    folder = transformers_folder(tmp_path / kind, kind)
    one, other = TransformersImages(folder), TransformersImages(folder, "mean")
    assert one.fingerprint != other.fingerprint
    check_encoder(other, pictures())


@every
def test_workers_change_no_vector(make: Maker, tmp_path: Path):
    assert torch.equal(make(tmp_path, workers=2).encode(pictures(), 2), make(tmp_path).encode(pictures(), 2))


@every
def test_normalised_vectors_have_length_1_and_the_same_direction(make: Maker, tmp_path: Path):
    plain, unit = make(tmp_path).encode(pictures()), make(tmp_path, normalise=True).encode(pictures())
    assert torch.allclose(unit.norm(dim=1), torch.ones(5))
    assert torch.allclose(torch.nn.functional.normalize(plain), unit, atol=1e-6)


@every
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_vectors_in_float32(make: Maker, dtype, tmp_path: Path):
    whole, half = make(tmp_path).encode(pictures()), make(tmp_path, dtype=dtype).encode(pictures())
    assert half.dtype == torch.float32 and half.device.type == "cpu"
    assert not torch.equal(whole, half)
    assert torch.nn.functional.cosine_similarity(whole, half).min() > 0.98


@every
def test_the_feature_map_has_one_vector_a_cell(make: Maker, tmp_path: Path):
    encoder = make(tmp_path)
    inputs = torch.stack([encoder.prepare(image.convert("RGB")) for image in pictures()["image"]])
    cells = encoder.feature_map(inputs)
    assert cells.ndim == 4 and len(cells) == 5 and cells.shape[2] > 0
    assert cells.shape[2] / cells.shape[3] == pytest.approx(inputs.shape[2] / inputs.shape[3], abs=0.5)
    assert not torch.allclose(cells[:, :, 0, 0], cells[:, :, -1, -1])


def test_the_mean_of_a_convolutional_map_is_the_pooled_vector(tmp_path: Path):
    encoder = make_timm(tmp_path)
    inputs = torch.stack([encoder.prepare(image.convert("RGB")) for image in pictures()["image"]])
    assert torch.allclose(encoder.feature_map(inputs).mean((2, 3)), encoder.encode(pictures()), atol=1e-5)


def test_a_cell_of_patches_lies_where_its_pixels_are(tmp_path: Path):
    encoder = make_transformer("dinov2")(tmp_path)
    gray = torch.zeros(1, 3, 32, 32)
    spotted = gray.clone()
    spotted[:, :, 24:, :8] = 3.0
    change = (encoder.feature_map(spotted) - encoder.feature_map(gray)).norm(dim=1)[0]
    assert divmod(int(change.argmax()), 4) == (3, 0)


def test_a_pooling_that_the_network_lacks_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no 'first' vector"):
        TransformersImages(transformers_folder(tmp_path / "siglip", "siglip"), "first")
    with pytest.raises(ValueError, match="no 'projected' vector"):
        TransformersImages(transformers_folder(tmp_path / "dinov2", "dinov2"), "projected")


@pytest.mark.parametrize("kind", ["swin", "resnet"])
def test_networks_without_a_class_token_are_pooled_over_their_cells(kind: str, tmp_path: Path):
    folder = transformers_folder(tmp_path / kind, kind)
    encoder = TransformersImages(folder)
    check_encoder(encoder, pictures())
    inputs = torch.stack([encoder.prepare(image) for image in pictures()["image"]])
    cells = encoder.feature_map(inputs)
    assert cells.shape[2:] == (4, 4) if kind == "swin" else cells.ndim == 4
    assert torch.allclose(cells.mean((2, 3)), encoder.encode(pictures()), atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@every
def test_a_gpu_gives_nearly_the_same_vectors_on_the_cpu(make: Maker, tmp_path: Path):
    there = make(tmp_path, device="cuda").encode(pictures())
    assert there.device.type == "cpu"
    torch.testing.assert_close(there, make(tmp_path).encode(pictures()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg11", "inception_v3", "legacy_seresnet18"])
@pytest.mark.slow
def test_the_width_is_right_for_backbones_of_every_make(name: str, tmp_path: Path):
    encoder = TimmEncoder(name, timm_weights(tmp_path, name), 96, 96)
    assert encoder.encode(pictures(2)).shape == (2, encoder.dim)
    assert encoder.feature_map(torch.zeros(1, 3, 96, 96, dtype=torch.uint8)).ndim == 4


@every
def test_pictures_in_a_list_have_the_vectors_of_those_in_a_data_set(make: Maker, tmp_path: Path):
    encoder, rows = make(tmp_path), pictures()
    assert torch.equal(encoder.encode([row["image"] for row in rows]), encoder.encode(rows))  # pyright: ignore


def test_no_gpu_rounds_the_convolutions_of_an_encoder_to_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    encoder, met = make_timm(tmp_path), []
    cudnn: Any = torch.backends.cudnn
    vectors = encoder.vectors
    monkeypatch.setattr(
        encoder, "vectors", lambda x: met.append((cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision)) or vectors(x)
    )
    before = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    encoder.encode(pictures())
    assert set(met) == {("ieee", "ieee")} and before != ("ieee", "ieee")
    assert (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == before


def test_no_item_becomes_an_empty_table(tmp_path: Path):
    encoder = make_timm(tmp_path)
    assert encoder.encode(pictures().select([])).shape == (0, encoder.dim)


def test_texts_are_refused_by_an_encoder_of_images(tmp_path: Path):
    encoder = make_timm(tmp_path)
    with pytest.raises(ValueError, match=r"image '0' cannot be decoded: it is a str, no picture"):
        encoder.encode(["a dog"])
    with pytest.raises(ValueError, match=r"encodes images: give .* a list of pictures, not str"):
        encoder.encode("a dog")
    with pytest.raises(ValueError, match=r"encodes images.*\['text'\]"):
        encoder.encode(Dataset.from_dict({"text": ["a dog"]}))


@every
def test_a_name_without_weights_says_what_to_do(make: Maker, tmp_path: Path):
    missing = str(tmp_path / "nowhere" / "weights.pth")
    kinds: dict[type[ImageTower], Callable[[], ImageTower]] = {
        TimmEncoder: lambda: TimmEncoder("test_resnet", missing, 32, 32),
        OpenClipImages: lambda: OpenClipImages("ViT-B-32", missing),
        TransformersImages: lambda: TransformersImages(missing),
    }
    with pytest.raises(FileNotFoundError, match=r"download.*"):
        kinds[type(make(tmp_path))]()


def test_weights_of_another_backbone_are_refused_and_shapes_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"do not fit test_resnet"):
        TimmEncoder("test_resnet", timm_weights(tmp_path, "test_vit"), 32, 32)
    state = torch.load(timm_weights(tmp_path))
    state["conv1.0.weight" if "conv1.0.weight" in state else "conv1.weight"] = torch.zeros(7, 3, 3, 3)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"size mismatch for conv1.*\[7, 3, 3, 3\]"):
        TimmEncoder("test_resnet", str(tmp_path / "other.pth"), 32, 32)


def test_open_clip_weights_of_another_shape_are_refused_and_named(tmp_path: Path):
    folder = open_clip_folder(tmp_path / "tiny")
    file = tmp_path / "tiny" / "open_clip_pytorch_model.bin"
    torch.save(torch.load(file) | {"visual.ln_post.weight": torch.zeros(5)}, file)
    with pytest.raises(ValueError, match=r"do not fit(.|\n)*ln_post.weight(.|\n)*\[5\]"):
        OpenClipImages(folder)


def test_transformers_weights_of_another_shape_or_too_few_are_refused_and_named(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = transformers_folder(tmp_path / "m", "dinov2")
    file = tmp_path / "m" / "model.safetensors"
    whole = load_file(file)
    save_file(whole | {"layernorm.weight": torch.zeros(5)}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"layernorm.weight is \(5,\), not \(32,\)"):
        TransformersImages(folder)
    save_file({key: value for key, value in whole.items() if key != "layernorm.weight"}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"lack layernorm.weight"):
        TransformersImages(folder)


def test_an_open_clip_model_is_never_left_without_weights(tmp_path: Path):
    with pytest.raises(ValueError, match=r"needs weights.*laion2b_s34b_b79k"):
        OpenClipImages("ViT-B-32")
    with pytest.raises(ValueError, match=r"no weights called 'laion'.*known: .*laion2b"):
        OpenClipImages("ViT-B-32", "laion")
    with pytest.raises(ValueError, match=r"similar names: .*ViT-B-32"):
        OpenClipImages("ViTB32", "openai")


def test_weights_that_cannot_be_fetched_are_said_to_be_missing(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("open_clip.factory.download_pretrained", refuse)
    with pytest.raises(FileNotFoundError, match="laion2b_s34b_b79k of ViT-B-32 are not in the Hub's cache"):
        OpenClipImages("ViT-B-32", "laion2b_s34b_b79k")


def refuse(*arguments: object, **options: object) -> str:
    raise OSError("offline")
