"""SqueezeNet 1.1 on ImageNet weights from one small local file; nothing is downloaded."""

import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from multiturn.encoders.images import to_pixels
from multiturn.encoders.towers import ImageTower, Precision
from multiturn.encoders.weights import existing_file, weights_digest

# The mean of ImageNet as the converted Caffe weights expect it: blue, green, red.
MEAN_BGR = (103.939, 116.779, 123.68)
SOURCE = "a Keras release of SqueezeNet 1.1, as npz with the keys conv1.w, conv1.b, fire2.squeeze1x1.w, ... (OIHW)"
# Places of the layers in torchvision's `features`.
_PLACES = {
    "conv1": 0,
    "fire2": 3,
    "fire3": 4,
    "fire4": 6,
    "fire5": 7,
    "fire6": 9,
    "fire7": 10,
    "fire8": 11,
    "fire9": 12,
}


class SqueezeNetEncoder(ImageTower):
    """Mean over the last map of SqueezeNet 1.1, 512 numbers an image.

    Pictures are resized, not cropped; channels are blue, green, red, less the mean, not scaled.

    Args:
        weights: npz file without the top layer.
        height: of the input in pixels.
        width: of the input in pixels.
        device: where to encode.
        dtype: precision of the computation.
        workers: processes that decode images; see `ImageTower`.
        normalise: scale each vector to length 1.
    Raises:
        FileNotFoundError: no file at `weights`.
        ValueError: it holds other arrays; those that are missing or of another shape are named.
    Source:
        Iandola et al., "SqueezeNet", 2016; version 1.1 as released.
    """

    def __init__(
        self,
        weights: str,
        height: int = 227,
        width: int = 227,
        device: torch.device | str = "cpu",
        dtype: Precision = "float32",
        workers: int | None = None,
        normalise: bool = False,
    ) -> None:
        self._network = squeezenet1_1(weights=None).features
        for layer in self._network.children():
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = False  # As in Keras, whose release this is; torchvision rounds up.
        read_npz(self._network, existing_file(weights, "SqueezeNet 1.1 without its top", SOURCE))
        self._network.eval().to(device)
        self._mean = torch.tensor(MEAN_BGR, device=device)[:, None, None]
        digest = weights_digest(self._network.state_dict(), MEAN_BGR)
        prepare = partial(to_pixels, height=height, width=width)
        super().__init__(f"squeezenet1.1-{height}x{width}-{digest}", 512, prepare, device, dtype, workers, normalise)

    def vectors(self, inputs: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Features of pictures, given as RGB pixels of 0..255."""
        return self._map(inputs).mean((2, 3))

    @torch.no_grad()
    def feature_map(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The last map, 512 channels, of pictures given as RGB pixels of 0..255."""
        with self._precision():
            return self._map(pixels.to(self.device)).float()

    def _map(self, pixels: Tensor) -> Tensor:
        return self._network(pixels.flip(1) - self._mean)


def read_npz(features: nn.Module, path: Path) -> None:
    """Read weights named by layer into torchvision's `features`.

    Raises:
        ValueError: not an npz file, or arrays that are missing or of another shape; all are named.
    """
    wanted = features.state_dict()
    names = {_key_of(key): key for key in wanted}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Mapping[str, Tensor] = {name: torch.from_numpy(file[name]) for name in file.files}
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as reason:
        raise ValueError(f"{path} is not an npz file of arrays ({reason}); it should be {SOURCE}") from reason
    wrong = [f"{name} is missing" for name in names if name not in arrays]
    wrong += [
        f"{name} is {tuple(arrays[name].shape)}, not {tuple(wanted[key].shape)}"
        for name, key in names.items()
        if name in arrays and arrays[name].shape != wanted[key].shape
    ]
    wrong += [f"{name} is unknown" for name in arrays if name not in names]
    if wrong:
        raise ValueError(f"{path} does not fit SqueezeNet 1.1: {'; '.join(wrong[:8])}; it should be {SOURCE}")
    features.load_state_dict({key: arrays[name] for name, key in names.items()})


def _key_of(key: str) -> str:
    """'fire2.squeeze1x1.w' for torchvision's '3.squeeze.weight'."""
    place, *inner, kind = key.split(".")
    layer = next(name for name, number in _PLACES.items() if number == int(place))
    part = [f"{inner[0]}1x1" if inner[0] == "squeeze" else inner[0]] if inner else []
    return ".".join([layer, *part, kind[0]])
