"""The network Inception-ResNet v1, under the names of facenet-pytorch's state dicts; preprocessing: `embedders`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

Kernel = int | tuple[int, int]


class InceptionResnetV1(nn.Module):
    """The face network of FaceNet's public releases, with 512 numbers a face.

    Source:
        Szegedy et al., "Inception-v4, Inception-ResNet and the impact of residual connections on learning", 2016;
        widths, scales and names as timesler/facenet-pytorch, models/inception_resnet_v1.py.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = _Convolution(3, 32, 3, 2)
        self.conv2d_2a = _Convolution(32, 32, 3)
        self.conv2d_2b = _Convolution(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = _Convolution(64, 80, 1)
        self.conv2d_4a = _Convolution(80, 192, 3)
        self.conv2d_4b = _Convolution(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*(_block_35() for _ in range(5)))
        self.mixed_6a = _Reduction(
            _Convolution(256, 384, 3, 2),
            nn.Sequential(
                _Convolution(256, 192, 1), _Convolution(192, 192, 3, padding=1), _Convolution(192, 256, 3, 2)
            ),
        )
        self.repeat_2 = nn.Sequential(*(_Block(896, [[(128, 1)], [(128, 1), *_cross(128, 7)]], 0.1) for _ in range(10)))
        self.mixed_7a = _Reduction(
            nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 384, 3, 2)),
            nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 256, 3, 2)),
            nn.Sequential(
                _Convolution(896, 256, 1), _Convolution(256, 256, 3, padding=1), _Convolution(256, 256, 3, 2)
            ),
        )
        self.repeat_3 = nn.Sequential(*(_block_8(0.2) for _ in range(5)))
        self.block8 = _block_8(1.0, last=True)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=0.001)

    def forward(self, pixels: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face 512"]:
        """Embeddings of any length, of pixels around 0; at least 80 pixels a side."""
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(pixels))))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        return self.last_bn(self.last_linear(x.mean((2, 3))))


class _Convolution(nn.Module):
    def __init__(self, channels: int, wanted: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, wanted, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(wanted, eps=0.001)

    def forward(self, maps: Tensor) -> Tensor:
        return self.bn(self.conv(maps)).relu()


class _Block(nn.Module):
    """Branches side by side, brought back to the input's channels, scaled and added to it.

    Args:
        branches: width and kernel of each convolution of each branch.
        scale: of what is added.
        last: without the final ReLU.
    """

    def __init__(
        self, channels: int, branches: list[list[tuple[int, Kernel]]], scale: float, last: bool = False
    ) -> None:
        super().__init__()
        self.count, self.scale, self.last = len(branches), scale, last
        for number, branch in enumerate(branches):
            layers, width = [], channels
            for wanted, kernel in branch:
                padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
                layers.append(_Convolution(width, wanted, kernel, padding=padding))
                width = wanted
            self.add_module(f"branch{number}", layers[0] if len(layers) == 1 else nn.Sequential(*layers))
        self.conv2d = nn.Conv2d(sum(branch[-1][0] for branch in branches), channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        together = torch.cat([self.get_submodule(f"branch{number}")(maps) for number in range(self.count)], 1)
        added = maps + self.scale * self.conv2d(together)
        return added if self.last else added.relu()


class _Reduction(nn.Module):
    """Branches side by side, and a pooling, that halve the map."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, maps: Tensor) -> Tensor:
        outputs = [self.get_submodule(f"branch{number}")(maps) for number in range(self.count)]
        return torch.cat([*outputs, self.pool(maps)], 1)


def _block_35() -> _Block:
    return _Block(256, [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (32, 3), (32, 3)]], 0.17)


def _block_8(scale: float, last: bool = False) -> _Block:
    return _Block(1792, [[(192, 1)], [(192, 1), *_cross(192, 3)]], scale, last)


def _cross(channels: int, length: int) -> list[tuple[int, Kernel]]:
    return [(channels, (1, length)), (channels, (length, 1))]
