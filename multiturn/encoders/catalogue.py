"""Encoders by name, as YAML files and command lines choose them; importing this module loads nothing heavy."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from multiturn.settings import at_least

if TYPE_CHECKING:
    import torch

    from multiturn.encoders import Encoder
    from multiturn.encoders.words import WordGRU

ItemKind = Literal["image", "text"]

# What each kind encodes, and the settings it takes besides those of every kind.
KINDS: dict[str, tuple[ItemKind, frozenset[str]]] = {
    "open_clip": ("image", frozenset({"name", "weights", "workers"})),
    "open_clip_text": ("text", frozenset({"name", "weights"})),
    "timm": ("image", frozenset({"name", "weights", "height", "width", "workers"})),
    "transformers": ("image", frozenset({"name", "pooling", "workers"})),
    "transformers_text": ("text", frozenset({"name", "pooling"})),
    "sentence_transformers": ("text", frozenset({"name"})),
    "squeezenet": ("image", frozenset({"weights", "height", "width", "workers"})),
    "words": ("text", frozenset({"name"})),
}
_ALIKE = {"clip": "open_clip", "siglip": "transformers", "dinov2": "transformers", "sbert": "sentence_transformers"}
_ALWAYS = {"kind", "normalise", "dtype"}


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoder, on which weights.

    Args:
        kind: 'open_clip', 'timm', 'transformers' and 'squeezenet' encode images; 'open_clip_text',
            'transformers_text', 'sentence_transformers' and 'words' (a GRU trained here) encode texts.
        name: of the model in that library or on the Hub, or its folder.
        weights: file of weights, or a tag of open_clip; timm fetches its own without one.
        pooling: of transformers: 'projected', 'first', 'mean' or, for texts, 'last'.
        height: of the input in pixels, for timm (224 if not given) and squeezenet (227).
        width: likewise.
        normalise: scale each vector to length 1.
        dtype: precision of the computation; vectors are float32 always.
        workers: processes that decode images; none beside a CPU and up to 8 beside a GPU if not given.
    Raises:
        ValueError: no such kind (the one that was probably meant is named), or a setting that the kind does not take.
    """

    kind: str = "open_clip"
    name: str | None = None
    weights: str | None = None
    pooling: Literal["projected", "first", "mean", "last"] | None = None
    height: int | None = None
    width: int | None = None
    normalise: bool = False
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            close = difflib.get_close_matches(self.kind.lower().replace("-", "_"), [*KINDS, *_ALIKE], n=1, cutoff=0.5)
            hint = f"; did you mean {_ALIKE.get(close[0], close[0])}?" if close else ""
            raise ValueError(f"there is no encoder of kind {self.kind!r}; the kinds are {', '.join(KINDS)}{hint}")
        takes = KINDS[self.kind][1]
        for field in fields(self):
            if field.name not in takes | _ALWAYS and getattr(self, field.name) is not None:
                raise ValueError(f"an encoder of kind {self.kind} takes no {field.name}; leave it out")
        if "name" in takes and self.name is None:
            raise ValueError(f"an encoder of kind {self.kind} needs a name")
        if self.pooling == "last" and self.items == "image":
            raise ValueError("pooling 'last' is for texts; images have 'projected', 'first' and 'mean'")
        for name in ("height", "width"):
            if (value := getattr(self, name)) is not None:
                at_least(name, value, 16)
        if self.workers is not None:
            at_least("workers", self.workers, 0)

    @property
    def items(self) -> ItemKind:
        """What it encodes."""
        return KINDS[self.kind][0]


def make_encoder(settings: EncoderSettings, device: torch.device | str = "cpu") -> Encoder:
    """Make the encoder that `settings` describe, with its weights on `device`.

    Raises:
        FileNotFoundError: no weights where the settings say, and none in the Hub's cache.
        ValueError: no such model, or weights that do not fit it.
    """
    makers = {
        "open_clip": _open_clip,
        "open_clip_text": _open_clip,
        "timm": _timm,
        "transformers": _transformers,
        "transformers_text": _transformers,
        "sentence_transformers": _sentence_transformers,
        "squeezenet": _squeezenet,
        "words": _words,
    }
    return makers[settings.kind](settings, device)


def load_word_gru(folder: str) -> WordGRU:
    """Read a `WordGRU` from a folder or the Hub.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: its weights do not fit its words.
    """
    from multiturn.encoders.weights import fitting, found
    from multiturn.encoders.words import WordGRU

    if Path(folder).is_dir() and not (Path(folder) / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no config.json of a word GRU")
    with fitting(folder, "its words"), found(folder, "word GRU"):
        return WordGRU.from_pretrained(folder)


def _open_clip(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.open_clip_towers import OpenClipImages, OpenClipTexts

    name, weights, dtype, normalise = settings.name or "", settings.weights, settings.dtype, settings.normalise
    if settings.items == "text":
        return OpenClipTexts(name, weights, device, dtype, normalise)
    return OpenClipImages(name, weights, device, dtype, settings.workers, normalise)


def _timm(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.timm_backbone import TimmEncoder

    height, width = settings.height or settings.width or 224, settings.width or settings.height or 224
    options = (device, settings.dtype, settings.workers, settings.normalise)
    return TimmEncoder(settings.name or "", settings.weights, height, width, *options)


def _transformers(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.transformers_towers import TransformersImages, TransformersTexts

    name, dtype, normalise = settings.name or "", settings.dtype, settings.normalise
    if settings.items == "text":
        return TransformersTexts(name, settings.pooling, device, dtype, normalise)
    assert settings.pooling != "last"
    return TransformersImages(name, settings.pooling, device, dtype, settings.workers, normalise)


def _sentence_transformers(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.sentence import SentenceEncoder

    return SentenceEncoder(settings.name or "", device, settings.dtype, settings.normalise)


def _squeezenet(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.squeezenet import SqueezeNetEncoder

    size = (settings.height or settings.width or 227, settings.width or settings.height or 227)
    options = (device, settings.dtype, settings.workers, settings.normalise)
    return SqueezeNetEncoder(settings.weights or "squeezenet1.1_notop_oihw.npz", *size, *options)


def _words(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.words import WordGRUEncoder

    return WordGRUEncoder(load_word_gru(settings.name or "").to(device), settings.dtype, settings.normalise)
