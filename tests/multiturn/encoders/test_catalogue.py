"""Claims about choosing an encoder by name."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiturn.contracts import check_encoder
from multiturn.encoders.catalogue import KINDS, EncoderSettings, make_encoder
from multiturn.encoders.words import WordGRU
from tests.multiturn.encoders.test_squeezenet import arrays
from tests.multiturn.encoders.tiny import (
    TEXTS,
    WORDS,
    open_clip_folder,
    pictures,
    sentence_folder,
    timm_weights,
    transformers_folder,
)


def settings_of(kind: str, folder: Path) -> EncoderSettings:
    match kind:
        case "timm":
            return EncoderSettings(kind, "test_resnet", timm_weights(folder), height=32)
        case "squeezenet":
            np.savez(folder / "w.npz", **arrays())  # type: ignore[arg-type]
            return EncoderSettings(kind, weights=str(folder / "w.npz"), width=64)
        case "words":
            WordGRU(WORDS, 24, 12).save_pretrained(folder)
            return EncoderSettings(kind, str(folder))
        case "open_clip" | "open_clip_text":
            return EncoderSettings(kind, open_clip_folder(folder / "tiny"))
        case "sentence_transformers":
            return EncoderSettings(kind, sentence_folder(folder))
        case _:
            return EncoderSettings(kind, transformers_folder(folder / "clip", "clip"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_made_by_name_and_keeps_the_contract(kind: str, tmp_path: Path):
    settings = settings_of(kind, tmp_path)
    encoder = make_encoder(settings)
    check_encoder(encoder, pictures() if settings.items == "image" else TEXTS)
    other = make_encoder(replace(settings, normalise=True, dtype="bfloat16"))
    assert other.fingerprint == f"{encoder.fingerprint}-unit-bfloat16"


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("open-clip", "open_clip"),
        ("openclip", "open_clip"),
        ("Timm", "timm"),
        ("sentence-transformer", "sentence_transformers"),
        ("clip", "open_clip"),
        ("dinov2", "transformers"),
    ],
)
def test_an_unknown_kind_suggests_the_one_that_was_meant(kind: str, meant: str):
    with pytest.raises(ValueError, match=rf"the kinds are open_clip, .*did you mean {meant}\?"):
        EncoderSettings(kind, "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(kind="timm"), "needs a name"),
        (dict(kind="open_clip", name="x", pooling="mean"), "takes no pooling"),
        (dict(kind="sentence_transformers", name="x", workers=2), "takes no workers"),
        (dict(kind="transformers", name="x", pooling="last"), "is for texts"),
        (dict(kind="timm", name="x", height=3), "height must be at least 16"),
        (dict(kind="timm", name="x", workers=-1), "workers must be at least 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        EncoderSettings(**settings)


def test_choosing_an_encoder_loads_nothing_heavy():
    heavy = {"torch", "transformers", "open_clip", "timm", "sentence_transformers", "datasets", "torchvision"}
    code = f"import multiturn.encoders.catalogue, sys; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
