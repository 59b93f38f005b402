"""Any backbone of timm as an encoder of pictures; its weights come from timm or from a file."""

from functools import partial
from typing import Any

import timm
import torch
from jaxtyping import Float, UInt8
from timm.data.config import resolve_model_data_config
from torch import Tensor

from multiturn.encoders.images import to_pixels
from multiturn.encoders.towers import ImageTower, Precision
from multiturn.encoders.weights import existing_file, fitting, found, weights_digest


class TimmEncoder(ImageTower):
    """Pooled features of a timm backbone, on its own input normalisation.

    Args:
        name: of the backbone, such as 'resnet50'.
        weights: file of its weights; None lets timm fetch the ones it names.
        height: of the input in pixels.
        width: of the input in pixels.
        device: where to encode.
        dtype: precision of the computation.
        workers: processes that decode images; see `ImageTower`.
        normalise: scale each vector to length 1.
    Raises:
        ValueError: timm knows no such backbone, or the weights are those of another (shapes are named).
        FileNotFoundError: no file at `weights`.
    """

    def __init__(
        self,
        name: str,
        weights: str | None,
        height: int,
        width: int,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        workers: int | None = None,
        normalise: bool = False,
    ) -> None:
        if not timm.is_model(name):
            close = timm.list_models(f"*{name}*")[:5]
            raise ValueError(f"timm knows no backbone {name!r}; similar names: {', '.join(close) or 'none'}")
        if weights is not None:
            existing_file(weights, f"those of {name}", f"the Hub (hf download {_hub_name(name)})")
        with fitting(weights or "the Hub", name), found(_hub_name(name), "timm backbone"):
            self._network = timm.create_model(name, pretrained=weights is None)
            if weights is not None:
                timm.models.load_checkpoint(self._network, weights, weights_only=True)
        self._network.reset_classifier(0)  # type: ignore[operator]
        self._network.eval().to(device)
        normalisation = resolve_model_data_config(self._network)
        self._mean = 255 * torch.tensor(normalisation["mean"], device=device)[:, None, None]
        self._std = 255 * torch.tensor(normalisation["std"], device=device)[:, None, None]
        digest = weights_digest(self._network.state_dict(), [normalisation["mean"], normalisation["std"]])
        super().__init__(
            f"timm-{name}-{height}x{width}-{digest}",
            int(self._network.head_hidden_size),  # type: ignore[arg-type]
            partial(to_pixels, height=height, width=width),
            device,
            dtype,
            workers,
            normalise,
        )

    def vectors(self, inputs: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Pooled features of pictures, given as pixels of 0..255."""
        return self._network((inputs - self._mean) / self._std)

    @torch.no_grad()
    def feature_map(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """Features before pooling, one vector a cell or patch, of pictures given as pixels of 0..255."""
        with self._precision():
            inputs = (pixels.to(self.device) - self._mean) / self._std
            # One of the last block alone; backbones of patches come out as maps too.
            (last,) = self._network.forward_intermediates(  # type: ignore[operator]
                inputs, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
            )
        return last.float()


def _hub_name(name: str) -> str:
    """Repository of the weights that timm itself would fetch."""
    about: Any = timm.get_pretrained_cfg(name)
    return (about and about.hf_hub_id) or f"timm/{name}"
