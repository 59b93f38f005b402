"""The three networks of MTCNN, under the names of facenet-pytorch's state dicts; how they work together: `mtcnn`."""

from jaxtyping import Float
from torch import Tensor, nn


class ProposalNetwork(nn.Module):
    """P-Net: slides over a picture and scores each 12 x 12 window.

    Source:
        Zhang et al., "Joint face detection and alignment using multitask cascaded convolutional networks", 2016;
        layers and names as timesler/facenet-pytorch, models/mtcnn.py.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(
        self, pixels: Float[Tensor, "image 3 height width"]
    ) -> tuple[Float[Tensor, "image row column"], Float[Tensor, "image 4 row column"]]:
        """Probability of a face, and how to move the window's edges, in shares of its side."""
        x = self.pool(self.prelu1(self.conv1(pixels)))
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1)[:, 1], self.conv4_2(x)


class RefinementNetwork(nn.Module):
    """R-Net: scores windows of 24 x 24 pixels and moves their edges; see `ProposalNetwork`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(64 * 3 * 3, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(
        self, windows: Float[Tensor, "window 3 24 24"]
    ) -> tuple[Float[Tensor, " window"], Float[Tensor, "window 4"]]:
        """Probability of a face, and how to move the edges."""
        x = self.pool(self.prelu1(self.conv1(windows)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.prelu4(self.dense4(_column_first(self.prelu3(self.conv3(x)))))
        return self.dense5_1(x).softmax(1)[:, 1], self.dense5_2(x)


class OutputNetwork(nn.Module):
    """O-Net: scores windows of 48 x 48 pixels, moves their edges and finds landmarks; see `ProposalNetwork`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(128 * 3 * 3, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)
        self.pool, self.last_pool = nn.MaxPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(
        self, windows: Float[Tensor, "window 3 48 48"]
    ) -> tuple[Float[Tensor, " window"], Float[Tensor, "window 4"], Float[Tensor, "window 10"]]:
        """Probability of a face, how to move the edges, and five x then five y in shares of the window's sides."""
        x = self.pool(self.prelu1(self.conv1(windows)))
        x = self.pool(self.prelu2(self.conv2(x)))
        x = self.last_pool(self.prelu3(self.conv3(x)))
        x = self.prelu5(self.dense5(_column_first(self.prelu4(self.conv4(x)))))
        return self.dense6_1(x).softmax(1)[:, 1], self.dense6_2(x), self.dense6_3(x)


def _column_first(maps: Float[Tensor, "window channel row column"]) -> Float[Tensor, "window feature"]:
    # The weights were converted from a release that stores columns before rows, and channels last.
    return maps.permute(0, 3, 2, 1).flatten(1)
