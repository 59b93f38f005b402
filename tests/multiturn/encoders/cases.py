"""A tiny model of every kind of the catalogue, saved as its library saves it; shared by the tests of the catalogue."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from multiturn.encoders.catalogue import EncoderSettings
from multiturn.encoders.faces.mobilefacenet import MobileFaceNet
from multiturn.encoders.faces.mtcnn_networks import OutputNetwork, ProposalNetwork, RefinementNetwork
from multiturn.encoders.se_resnet import SEResNet
from multiturn.encoders.words import WordGRU
from tests.multiturn.encoders.test_squeezenet import arrays
from tests.multiturn.encoders.tiny import (
    WORDS,
    open_clip_folder,
    sentence_folder,
    timm_weights,
    transformers_folder,
)

RCNN = "fasterrcnn_mobilenet_v3_large_320_fpn"


@dataclass(frozen=True)
class Case:
    """A kind of encoder on a tiny model.

    Attributes:
        make: settings on weights of a seed, saved in a folder.
        prepared: the same weights with another preprocessing, also in a new folder.
        weights: the file with them, below the folder.
        key: name of weights in it.
        mismatch: how the error names a shape of 5.
    """

    make: Callable[[Path, int], EncoderSettings]
    prepared: Callable[[Path], EncoderSettings]
    weights: str
    key: str
    mismatch: str = r"\[5\]"


def open_clip(kind: str) -> Callable[[Path, int], EncoderSettings]:
    return lambda folder, seed: EncoderSettings(kind, open_clip_folder(folder / "tiny", seed))


def other_tokens(folder: Path) -> EncoderSettings:
    made = open_clip("open_clip_text")(folder, 0)
    config = folder / "tiny" / "open_clip_config.json"
    config.write_text(
        config.read_text().replace(
            '"context_length"', '"tokenizer_kwargs": {"clean": "canonicalize"}, "context_length"'
        )
    )
    return made


def timm(folder: Path, seed: int = 0) -> EncoderSettings:
    return EncoderSettings("timm", "test_resnet", file_named(timm_weights(folder, seed=seed), "weights.pth"), height=64)


def torchvision(folder: Path, seed: int = 0, size: int = 64) -> EncoderSettings:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(seed)
    torch.save(squeezenet1_1(weights=None).state_dict(), folder / "weights.pth")
    named: dict[str, Any] = dict(name="squeezenet1_1", weights=str(folder / "weights.pth"))
    return EncoderSettings("torchvision", **named, regions="grid", height=size)


def transformers(kind: str, model: str) -> Callable[[Path, int], EncoderSettings]:
    return lambda folder, seed: EncoderSettings(kind, transformers_folder(folder / "tiny", model, seed))


def other_mean(folder: Path) -> EncoderSettings:
    return EncoderSettings("transformers", transformers_folder(folder / "tiny", "dinov2", mean=0.4))


def other_case(folder: Path) -> EncoderSettings:
    made = transformers("transformers_text", "bert")(folder, 0)
    tokeniser = folder / "tiny" / "tokenizer.json"
    tokeniser.write_text(tokeniser.read_text().replace("Lowercase", "NFC"))
    return made


def sentence(folder: Path, seed: int = 0, pooling: str = "mean") -> EncoderSettings:
    return EncoderSettings("sentence_transformers", sentence_folder(folder, seed, pooling))


def squeezenet(folder: Path, seed: int = 0, width: int = 64) -> EncoderSettings:
    np.savez(folder / "weights.npz", **arrays(seed))  # type: ignore[arg-type]
    return EncoderSettings("squeezenet", weights=str(folder / "weights.npz"), width=width)


def se_resnet(folder: Path, seed: int = 0, height: int = 64) -> EncoderSettings:
    torch.manual_seed(seed)
    SEResNet(["a", "b"], channels=[8, 8, 8, 16], height=height, width=64).save_pretrained(folder / "tiny")
    return EncoderSettings("se_resnet", str(folder / "tiny"))


def faster_rcnn(folder: Path, seed: int = 0, short_side: int = 64) -> EncoderSettings:
    from torchvision.models import detection

    torch.manual_seed(seed)
    network = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None, num_classes=3)
    torch.save(network.state_dict(), folder / "weights.pth")
    named: dict[str, Any] = dict(name=RCNN, weights=str(folder / "weights.pth"), short_side=short_side)
    return EncoderSettings("faster_rcnn", **named, boxes=5, least_score=0.2, classes=3)


def faces(folder: Path, seed: int = 0, crop: tuple[int, int, int, int] = (0, 0, 40, 40)) -> EncoderSettings:
    torch.manual_seed(seed)
    torch.save(MobileFaceNet(32, 32).state_dict(), folder / "weights.pth")
    named: dict[str, Any] = dict(weights=str(folder / "weights.pth"), embedder="mobilefacenet")
    return EncoderSettings("faces", **named, detector="none", crop=crop, height=32)


def words(folder: Path, seed: int = 0, known: list[str] = WORDS) -> EncoderSettings:
    torch.manual_seed(seed)
    WordGRU(known, 24, 12).save_pretrained(folder / "tiny")
    return EncoderSettings("words", str(folder / "tiny"))


def mtcnn_folder(folder: Path) -> str:
    """An untrained cascade under the names of facenet-pytorch's files."""
    networks = {"pnet": ProposalNetwork, "rnet": RefinementNetwork, "onet": OutputNetwork}
    folder.mkdir()
    for name, network in networks.items():
        torch.manual_seed(0)
        torch.save(network().state_dict(), folder / f"mtcnn_{name}.pt")
    return str(folder)


CLIP_FILE = "tiny/open_clip_pytorch_model.bin"
CASES: dict[str, Case] = {
    "open_clip": Case(
        open_clip("open_clip"),
        lambda folder: EncoderSettings("open_clip", open_clip_folder(folder / "tiny", mean=0.4)),
        CLIP_FILE,
        "visual.ln_post.weight",
    ),
    "open_clip_text": Case(open_clip("open_clip_text"), other_tokens, CLIP_FILE, "ln_final.weight"),
    "timm": Case(timm, lambda folder: replace(timm(folder), height=48), "weights.pth", "layer1.0.bn1.weight"),
    "torchvision": Case(torchvision, lambda folder: torchvision(folder, size=80), "weights.pth", "features.0.bias"),
    "transformers": Case(
        transformers("transformers", "dinov2"), other_mean, "tiny/model.safetensors", "layernorm.weight", r"\(5,\)"
    ),
    "transformers_text": Case(
        transformers("transformers_text", "bert"),
        other_case,
        "tiny/model.safetensors",
        "embeddings.LayerNorm.weight",
        r"\(5,\)",
    ),
    "sentence_transformers": Case(
        sentence,
        lambda folder: sentence(folder, pooling="cls"),
        "sentence/model.safetensors",
        "embeddings.LayerNorm.weight",
        r"\(5,\)",
    ),
    "squeezenet": Case(squeezenet, lambda folder: squeezenet(folder, width=80), "weights.npz", "conv1.b", r"\(5,\)"),
    "se_resnet": Case(se_resnet, lambda folder: se_resnet(folder, height=48), "tiny/model.safetensors", "embed.bias"),
    "faster_rcnn": Case(
        faster_rcnn,
        lambda folder: faster_rcnn(folder, short_side=80),
        "weights.pth",
        "roi_heads.box_predictor.cls_score.bias",
    ),
    "faces": Case(faces, lambda folder: faces(folder, crop=(0, 0, 40, 39)), "weights.pth", "linear1.bn.bias"),
    "words": Case(
        words, lambda folder: words(folder, known=[*WORDS[1:], WORDS[0]]), "tiny/model.safetensors", "gru.bias_hh_l0"
    ),
}


def file_named(path: str, name: str) -> str:
    """Give a file another name in its folder."""
    return str(Path(path).rename(Path(path).with_name(name)))


def spoil(file: Path, key: str) -> None:
    """Give weights in a file the shape (5,)."""
    if file.suffix == ".npz":
        with np.load(file) as kept:
            whole = dict(kept)
        assert key in whole
        np.savez(file, **(whole | {key: np.zeros(5, np.float32)}))
    elif file.suffix == ".safetensors":
        state = load_file(file)
        assert key in state
        save_file(state | {key: torch.zeros(5)}, file, {"format": "pt"})
    else:
        state = torch.load(file)
        assert key in state
        torch.save(state | {key: torch.zeros(5)}, file)
