"""Cells of a network's last feature map, or patches of a ViT, as regions; the networks live elsewhere."""

import math
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, normalize

from multiturn.encoders.opened import Pictures, input_batches
from multiturn.regions import Regions


@runtime_checkable
class MapEncoder(Protocol):
    """A network with a map: `TimmEncoder`, `SqueezeNetEncoder`, `TorchvisionMaps`, and most image towers."""

    @property
    def fingerprint(self) -> str:
        """Name, weights and preprocessing."""
        ...

    def prepare(self, image: Image.Image) -> Tensor:
        """Make the network's input of one picture in RGB."""
        ...

    def feature_map(self, pixels: Tensor) -> Float[Tensor, "image channel row column"]:
        """The last map of inputs that `prepare` made."""
        ...


class GridEncoder:
    """Each cell of a feature map as a region, row by row from the top left.

    A box is the cell's share of the picture; what the network saw of the picture for it is larger. A network that
    crops its input describes the crop alone: give one that resizes.

    Args:
        network: has the map; for a ViT its patches.
        rows: cells from top to bottom; 0 keeps the map's own. A smaller number averages neighbouring cells.
        columns: likewise from left to right.
        normalise: scale the vector of each cell to length 1.
        workers: processes that decode images.
    Raises:
        ValueError: more cells are wanted than the map has, or it has no map.
    Source:
        6 x 6 cells are as many regions as papers/drill-down.txt takes from its detector.
    """

    def __init__(
        self, network: MapEncoder, rows: int = 0, columns: int = 0, normalise: bool = False, workers: int = 0
    ) -> None:
        self.network, self._normalise, self._workers = network, normalise, workers
        with torch.no_grad():
            probe = network.feature_map(network.prepare(Image.new("RGB", (64, 64)))[None])
        _, self._dim, high, wide = probe.shape
        self.rows, self.columns = rows or high, columns or wide
        if self.rows > high or self.columns > wide:
            raise ValueError(
                f"{self.rows} x {self.columns} cells are wanted of a map of {high} x {wide}; "
                "ask for fewer, or give the network a larger input"
            )
        self.boxes = cell_boxes(high, wide, self.rows, self.columns)
        self.fingerprint = f"{network.fingerprint}-grid-{self.rows}x{self.columns}{'-unit' if normalise else ''}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @torch.no_grad()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Regions:
        """See `multiturn.encoders.regions.RegionEncoder.encode`. Regions lie on the CPU, in float32."""
        parts = []
        for inputs in input_batches(
            Pictures(items), self.network.prepare, batch_size, self._workers, show_progress=show_progress
        ):
            maps = adaptive_avg_pool2d(self.network.feature_map(inputs), (self.rows, self.columns))
            cells = maps.float().cpu().flatten(2).transpose(1, 2)
            parts.append(normalize(cells, dim=2) if self._normalise else cells)
        vectors = torch.cat(parts) if parts else torch.empty(0, len(self.boxes), self.dim)
        mask = torch.ones(vectors.shape[:2], dtype=torch.bool)
        return Regions(vectors.contiguous(), self.boxes.expand(len(vectors), -1, -1).contiguous(), mask)


def cell_boxes(high: int, wide: int, rows: int, columns: int) -> Float[Tensor, "region 4"]:
    """Boxes of the cells that averaging a map of `high` x `wide` to `rows` x `columns` makes.

    Neighbours overlap where the numbers do not divide, as those of adaptive pooling do.

    Example:
        >>> cell_boxes(2, 2, 1, 2)
        tensor([[0.0000, 0.0000, 0.5000, 1.0000],
                [0.5000, 0.0000, 1.0000, 1.0000]])
    """
    down = [(row * high // rows / high, math.ceil((row + 1) * high / rows) / high) for row in range(rows)]
    along = [(one * wide // columns / wide, math.ceil((one + 1) * wide / columns) / wide) for one in range(columns)]
    return torch.tensor([[left, top, right, bottom] for top, bottom in down for left, right in along])
