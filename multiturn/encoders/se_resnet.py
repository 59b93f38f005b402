"""A squeeze-and-excitation ResNet that predicts labels and lends its features; how it is trained lives elsewhere."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float, UInt8
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from multiturn.encoders.images import to_pixels
from multiturn.encoders.towers import ImageTower, Precision
from multiturn.hub.model import HubModel

_FEWEST_LAST = 8  # channels for which the layout with channels last is safe
_BLOCKS = {"basic": BasicBlock, "bottleneck": Bottleneck}


class SEResNet(nn.Module, HubModel):
    """SE-ResNet with a feature layer below its labels.

    timm's ResNet with squeeze-and-excitation in each block, global average pooling, one linear map to the
    features and one from the features to the labels.

    Args:
        labels: names of the outputs.
        block: 'basic' or 'bottleneck'.
        layers: blocks a stage, four of them; (3, 4, 6, 3) with bottlenecks is SE-ResNet-50.
        channels: width of each stage.
        feature_dim: length of the feature vector.
        height: of the input in pixels.
        width: of the input in pixels.
        independent: whether each label is a yes or no of its own, or one of all is right.
    Raises:
        ValueError: unknown block, or not four stages.
    Source:
        Hu et al., "Squeeze-and-excitation networks", CVPR 2018. The 256-d feature layer is that of the VGGFace2
        release that papers/facial-progressive-feedback.txt, section 4.5.2, builds on.
    """

    def __init__(
        self,
        labels: Sequence[str],
        block: str = "basic",
        layers: Sequence[int] = (1, 1, 1, 1),
        channels: Sequence[int] = (32, 64, 128, 256),
        feature_dim: int = 256,
        height: int = 64,
        width: int = 64,
        independent: bool = True,
    ) -> None:
        super().__init__()
        if block not in _BLOCKS:
            raise ValueError(f"block is one of {', '.join(_BLOCKS)}, not {block!r}")
        if len(layers) != 4 or len(channels) != 4:
            raise ValueError(f"a ResNet has four stages, not layers {list(layers)} and channels {list(channels)}")
        self.labels, self.height, self.width = tuple(labels), height, width
        self.feature_dim, self.independent = feature_dim, independent
        # Convolutions run up to twice as fast so, on CPU and GPU; but PyTorch 2.15's strided 1 x 1 ones of fewer than 8
        # channels write beyond their memory on processors whose longest registers are those of AVX2.
        narrow = min(channels) < _FEWEST_LAST
        self._layout = torch.contiguous_format if narrow else torch.channels_last
        self.backbone = ResNet(
            _BLOCKS[block],
            tuple(layers),
            num_classes=0,
            channels=tuple(channels),
            block_args={"attn_layer": "se"},
        ).to(memory_format=self._layout)
        self.embed = nn.Linear(int(self.backbone.num_features), feature_dim)
        self.classify = nn.Linear(feature_dim, len(self.labels))

    def forward(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image feature"]:
        """Features of images, given as pixels of 0..255."""
        return self.embed(self.backbone(self._input_of(pixels)))

    def feature_map(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The backbone's last map of images, given as pixels of 0..255."""
        return self.backbone.forward_features(self._input_of(pixels))

    def _input_of(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image 3 height width"]:
        # Zero-centred (section 4.2); the unit is that of a typical standard deviation of pixels.
        return ((pixels.float() - 127.5) / 64).contiguous(memory_format=self._layout)

    def logits(self, features: Float[Tensor, "image feature"]) -> Float[Tensor, "image label"]:
        """Scores of the labels, given features."""
        return self.classify(features)

    @property
    def fingerprint(self) -> str:
        """Name of the architecture, size of the input, and a digest of all weights."""
        digest = hashlib.sha256(json.dumps(self.labels).encode())
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return f"se-resnet-{self.height}x{self.width}-{digest.hexdigest()[:16]}"


class SEResNetEncoder(ImageTower):
    """The features of an `SEResNet`.

    Args:
        network: on the device where to encode.
        dtype: precision of the computation.
        workers: processes that decode images; see `ImageTower`.
        normalise: scale each vector to length 1.
    """

    def __init__(
        self, network: SEResNet, dtype: Precision = "float32", workers: int | None = None, normalise: bool = False
    ) -> None:
        self.network = network.eval()
        prepare = partial(to_pixels, height=network.height, width=network.width)
        device, dim = network.classify.weight.device, network.feature_dim
        super().__init__(network.fingerprint, dim, prepare, device, dtype, workers, normalise)

    def vectors(self, inputs: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Features of pictures, given as pixels of 0..255."""
        return self.network(inputs)

    @torch.no_grad()
    def feature_map(self, pixels: UInt8[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The last map, before pooling and the feature layer, of pictures given as pixels of 0..255."""
        with self._precision():
            return self.network.feature_map(pixels.to(self.device)).float()
