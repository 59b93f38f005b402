"""Any backbone of timm as an encoder of pictures; its weights come from timm or from a file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import timm
import torch
from jaxtyping import Float
from timm.data.config import resolve_model_data_config
from torch import Tensor

from multiturn.encoders.images import pixel_batches


class TimmEncoder:
    """Pooled features of a timm backbone, on its own input normalisation.

    Args:
        name: of the backbone, such as 'resnet50'.
        weights: file of its weights; None lets timm fetch the ones it names.
        height: of the input in pixels.
        width: of the input in pixels.
        device: where to encode.
    Raises:
        ValueError: timm knows no such backbone.
        FileNotFoundError: no file at `weights`.
    """

    def __init__(
        self, name: str, weights: str | None, height: int, width: int, device: torch.device | str = "cpu"
    ) -> None:
        if not timm.is_model(name):
            close = timm.list_models(f"*{name}*")[:5]
            raise ValueError(f"timm knows no backbone {name!r}; similar names: {', '.join(close) or 'none'}")
        if weights is not None and not Path(weights).is_file():
            raise FileNotFoundError(f"no weights at {weights}; download those of {name} and put them there")
        self._network = timm.create_model(name, pretrained=weights is None, checkpoint_path=weights or "")
        self._network.reset_classifier(0)  # type: ignore[operator]
        self._network.eval().to(device)
        self._dim = int(self._network.num_features)  # type: ignore[arg-type]
        self._device, self._size = torch.device(device), (height, width)
        normalisation = resolve_model_data_config(self._network)
        self._mean = 255 * torch.tensor(normalisation["mean"], device=device)[:, None, None]
        self._std = 255 * torch.tensor(normalisation["std"], device=device)[:, None, None]
        digest = hashlib.sha256(json.dumps([normalisation["mean"], normalisation["std"]]).encode())
        for key, value in sorted(self._network.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        self.fingerprint = f"timm-{name}-{height}x{width}-{digest.hexdigest()[:16]}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @torch.no_grad()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`; `items` has an `image` column."""
        batches = pixel_batches(items, *self._size, batch_size, show_progress=show_progress)
        vectors = []
        for pixels in batches:
            vectors.append(self._network((pixels.to(self._device) - self._mean) / self._std).float().cpu())
        return torch.cat(vectors)
