"""The network MobileFaceNet, under the names of its usual PyTorch state dicts; preprocessing lives in `embedders`."""

from jaxtyping import Float
from torch import Tensor, nn

# Expansion, channels, blocks and stride of the first of them: table 1 of the paper, as released.
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class MobileFaceNet(nn.Module):
    """A face network of a million weights.

    Args:
        height: of the input in pixels, a multiple of 16.
        width: likewise.
        dim: length of the embedding.
    Source:
        Chen et al., "MobileFaceNets", 2018; names as in the state dicts that 112 x 96 implementations publish
        (conv1, dw_conv1, blocks, conv2, linear7, linear1).
    """

    def __init__(self, height: int = 112, width: int = 96, dim: int = 128) -> None:
        super().__init__()
        self.conv1 = _Convolution(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = _Convolution(64, 64, 3, padding=1, groups=64)
        blocks, channels = [], 64
        for expansion, wanted, count, stride in STAGES:
            for number in range(count):
                blocks.append(_Bottleneck(channels, wanted, stride if number == 0 else 1, expansion))
                channels = wanted
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _Convolution(channels, 512, 1)
        self.linear7 = _Convolution(512, 512, (height // 16, width // 16), groups=512, linear=True)
        self.linear1 = _Convolution(512, dim, 1, linear=True)

    def forward(self, pixels: Float[Tensor, "face 3 height width"]) -> Float[Tensor, "face dim"]:
        """Embeddings of any length, of pixels around 0."""
        maps = self.conv2(self.blocks(self.dw_conv1(self.conv1(pixels))))
        return self.linear1(self.linear7(maps)).flatten(1)


class _Convolution(nn.Module):
    def __init__(
        self,
        channels: int,
        wanted: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, wanted, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(wanted)
        self.prelu = nn.Identity() if linear else nn.PReLU(wanted)

    def forward(self, maps: Tensor) -> Tensor:
        return self.prelu(self.bn(self.conv(maps)))


class _Bottleneck(nn.Module):
    """Wider, one depthwise convolution, narrower; added to its input where the shapes allow it."""

    def __init__(self, channels: int, wanted: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.residual = stride == 1 and channels == wanted
        self.conv = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            nn.Conv2d(wide, wanted, 1, bias=False),
            nn.BatchNorm2d(wanted),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv(maps) if self.residual else self.conv(maps)
