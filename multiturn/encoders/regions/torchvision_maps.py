"""The last feature map, or the patches, of any classifier of torchvision; what becomes of it lives in `grid`."""

from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from multiturn.encoders.images import to_pixels
from multiturn.encoders.state_dicts import fit, read_tensors
from multiturn.encoders.tf32 import without_tf32
from multiturn.encoders.weights import existing_file, torchvision_weights, weights_digest

# Where the last map is, in this order: ViT (tokens), Swin, ResNet, VGG and the many with `features`, Inception v3.
LAST_LAYERS = ("encoder.ln", "permute", "layer4", "features", "Mixed_7c")
# ImageNet's, which all of torchvision's classifiers were trained with but for a few that name their own.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TorchvisionMaps:
    """What one layer of a torchvision classifier gives out.

    Args:
        name: of the network, such as 'resnet50' or 'vit_b_16'.
        weights: file of its state dict; None lets torchvision fetch its default ones.
        height: of the input in pixels. The picture is resized, not cropped.
        width: likewise.
        layer: name of the module whose output is the map; None finds that of the common families.
        device: where to compute.
        mean: of a channel in [0, 1], that the network was trained with.
        std: likewise.
    Raises:
        ValueError: no such network or layer; weights of another (each mismatch is named); the layer has no map.
        FileNotFoundError: no file at `weights`.
    """

    def __init__(
        self,
        name: str,
        weights: str | None,
        height: int = 224,
        width: int = 224,
        layer: str | None = None,
        device: torch.device | str = "cpu",
        mean: tuple[float, float, float] = MEAN,
        std: tuple[float, float, float] = STD,
    ) -> None:
        self._network = _load(name, weights).eval().to(device)
        self._size, self._device = (height, width), torch.device(device)
        modules = dict(self._network.named_modules())
        self._layer = layer or next((known for known in LAST_LAYERS if known in modules), "")
        if not self._layer or self._layer not in modules:
            raise ValueError(f"{name} has no layer {layer!r}; name one of {', '.join(list(modules)[1:40])}, ...")
        self._module = modules[self._layer]
        if "encoder.ln" in modules and {height, width} != {self._network.image_size}:
            side = self._network.image_size
            raise ValueError(f"{name} takes pictures of {side} x {side} pixels alone, not {height} x {width}")
        self._mean = 255 * torch.tensor(mean, device=device)[:, None, None]
        self._std = 255 * torch.tensor(std, device=device)[:, None, None]
        digest = weights_digest(self._network.state_dict(), [mean, std])
        self.fingerprint = f"torchvision-{name}-{self._layer}-{height}x{width}-{digest}"

    def prepare(self, image: Image.Image) -> UInt8[Tensor, "3 height width"]:
        """See `multiturn.encoders.regions.grid.MapEncoder.prepare`."""
        return to_pixels(image, *self._size)

    @torch.no_grad()
    @without_tf32()
    def feature_map(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The layer's output; tokens of a ViT without the first, which stands for the whole picture."""
        caught: list[Any] = []
        hook = self._module.register_forward_hook(lambda module, inputs, output: caught.append(output))
        try:
            self._network((pixels.to(self._device) - self._mean) / self._std)
        finally:
            hook.remove()
        output = caught[0]
        if output.ndim == 3:
            patch: Any = self._network.patch_size
            rows, columns = self._size[0] // patch, self._size[1] // patch
            output = output[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))
        if output.ndim != 4:
            raise ValueError(f"layer {self._layer!r} gives {tuple(output.shape)}, which is no map; name an earlier one")
        return output


def _load(name: str, weights: str | None) -> nn.Module:
    from torchvision import models

    if name not in models.list_models(module=models):
        close = models.list_models(module=models, include=f"*{name}*")[:5]
        raise ValueError(f"torchvision knows no classifier {name!r}; similar names: {', '.join(close) or 'none'}")
    if weights is None:
        with torchvision_weights(name):
            return models.get_model(name, weights="DEFAULT")
    file = existing_file(weights, f"the state dict of {name}", "torchvision's table of pre-trained weights")
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = models.get_model(name, weights=None, **options)
    fit(network, read_tensors(file, name), file, name)
    return network
