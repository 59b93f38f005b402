"""Image and text tower of any open_clip model as encoders; weights come from the Hub or from local files."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import open_clip
import torch
from jaxtyping import Float
from torch import Tensor

from multiturn.encoders.towers import PROBE, ImageTower, Precision, TextTower
from multiturn.encoders.weights import existing_file, fitting, short_name, weights_digest

# How open_clip says that it found no file; all else that goes wrong is about what is in one.
_UNREACHED = ("Failed to download", "Failed initial config", "could not be loaded")


class OpenClipImages(ImageTower):
    """Image vectors of an open_clip model, prepared as the model asks (resize, crop, mean and deviation).

    Args:
        name: of the model, such as 'ViT-B-32', 'hf-hub:owner/model', or a folder with open_clip_config.json.
        weights: tag of open_clip such as 'laion2b_s34b_b79k', or a file; None for a folder or a Hub name.
        device: where to encode.
        dtype: precision of the computation.
        workers: processes that decode images; see `ImageTower`.
        normalise: scale each vector to length 1.
    Raises:
        ValueError: no such model or tag (similar ones are named), or weights that do not fit.
        FileNotFoundError: no file or folder of weights there.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = None,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        workers: int | None = None,
        normalise: bool = False,
    ) -> None:
        model, prepare = load_open_clip(name, weights)
        self._network: Any = model.visual.eval().to(device)
        digest = weights_digest(self._network.state_dict(), model.visual.preprocess_cfg)
        size = self._network.image_size
        height, width = (size, size) if isinstance(size, int) else size
        with torch.no_grad():
            dim = int(_pooled(self._network(torch.zeros(1, 3, height, width, device=device))).shape[1])
        fingerprint = f"open_clip-{short_name(name)}-image-{digest}"
        super().__init__(fingerprint, dim, prepare, device, dtype, workers, normalise)

    def vectors(self, inputs: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Vectors of prepared pictures."""
        return _pooled(self._network(inputs))

    @torch.no_grad()
    def feature_map(self, pixels: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The last block's patches, before pooling and projection, of pictures as `prepare` makes them."""
        with self._precision():
            made = self._network.forward_intermediates(
                pixels.to(self.device), indices=1, normalize_intermediates=True, intermediates_only=True
            )
        return made["image_intermediates"][0].float()


class OpenClipTexts(TextTower):
    """Text vectors of an open_clip model; a text is cut at the model's context length.

    Args:
        name: see `OpenClipImages`.
        weights: see `OpenClipImages`.
        device: where to encode.
        dtype: precision of the computation.
        normalise: scale each vector to length 1.
    Raises:
        ValueError: see `OpenClipImages`.
        FileNotFoundError: see `OpenClipImages`.
    """

    def __init__(
        self,
        name: str,
        weights: str | None = None,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        normalise: bool = False,
    ) -> None:
        self._network: Any = load_open_clip(name, weights)[0].eval()
        # The other tower's weights change nothing here and would only take memory.
        del self._network.visual
        self._network.to(device)
        self._tokenise: Any = open_clip.get_tokenizer(_schema(name))
        probe = self._tokenise([PROBE, ""])
        digest = weights_digest(self._network.state_dict(), probe.tolist())
        with torch.no_grad():
            dim = int(self._network.encode_text(probe.to(device)).shape[1])
        super().__init__(f"open_clip-{short_name(name)}-text-{digest}", dim, device, dtype, normalise)

    def vectors(self, texts: list[str]) -> Float[Tensor, "text dim"]:
        """Vectors of a batch of texts."""
        return self._network.encode_text(self._tokenise(texts).to(self.device))


def load_open_clip(name: str, weights: str | None) -> tuple[Any, Any]:
    """A model of open_clip with weights, never without, and what prepares its pictures.

    Raises:
        ValueError: no such model or tag, or weights that do not fit.
        FileNotFoundError: no file or folder of weights there.
    """
    if ":" not in name and not Path(name).is_dir():
        _check_name(name, weights)
    source = f"{name}, {weights}" if weights else name
    try:
        with fitting(source, name):
            made: Any = open_clip.create_model_from_pretrained(_schema(name), pretrained=weights)
    except ValueError as reason:
        if not any(sentence in str(reason) for sentence in _UNREACHED):
            raise
        raise FileNotFoundError(
            f"the weights {weights or ''} of {name} are not in the Hub's cache and cannot be fetched; download "
            f"them where there is a network and give the file as weights ({reason})"
        ) from reason
    model, prepare = made
    return model, prepare


def _check_name(name: str, weights: str | None) -> None:
    known = open_clip.list_models()
    if name.replace("/", "-") not in known:
        close = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
        raise ValueError(
            f"open_clip knows no model {name!r}, and it is no folder; similar names: {', '.join(close) or 'none'}"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights is None:
        raise ValueError(
            f"{name} needs weights: a file, or one of open_clip's tags for it: {', '.join(tags) or 'there are none'}"
        )
    if weights not in tags:
        if not Path(weights).suffix and "/" not in weights:
            raise ValueError(f"{name} has no weights called {weights!r}; known: {', '.join(tags) or 'none'}")
        existing_file(weights, f"those of {name}", "the model's page on the Hub")


def _schema(name: str) -> str:
    return f"local-dir:{name}" if Path(name).is_dir() else name


def _pooled(made: Any) -> Tensor:
    # CoCa's image tower returns its tokens too.
    return made[0] if isinstance(made, tuple) else made
