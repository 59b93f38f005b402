"""What lies in each cell of the drawn scenes, as labels of a network that describes cells; the network is elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from datasets import Dataset
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from data_prep.drawn_scenes.words import COLOURS, KINDS, PATTERNS, SIZES
from multiturn.encoders.images import to_pixels

CELLS = 6  # a side: as many cells as papers/drill-down.txt takes regions, 36
# What an object is labelled with, in the order of its columns; the first also tells objects from what lies behind.
LABELS: dict[str, list[str]] = {
    "kind": [*KINDS],
    "colour": [*COLOURS],
    "size": [*SIZES],
    "pattern": [*PATTERNS],
}
COVERED = 0.4  # share of a cell from which an object that lies elsewhere with its middle owns it
NOTHING, UNSURE = -1, -100  # labels: no object touches the cell; one does, but not enough to be named


class LabelledCells(TorchDataset[tuple[int, Tensor, Tensor]]):
    """Row number, pixels and labels of the cells of each scene, decoded once.

    Args:
        scenes: with the columns of `data_prep.drawn_scenes`; only `image` and `objects` are read.
        labels: values of each attribute.
        side: of the network's input in pixels.
    Attributes:
        pixels: of all scenes.
        targets: see `cells_of`.
        objects: of all scenes: number of the scene, row and column of the cell, number of each attribute's value.
    Raises:
        ValueError: an object has a value that `labels` does not list.
    """

    def __init__(self, scenes: Dataset, labels: Mapping[str, Sequence[str]], side: int) -> None:
        numbers = [{value: number for number, value in enumerate(values)} for values in labels.values()]
        pixels, targets, objects = [], [], []
        rows = scenes.select_columns(["image", "objects"])
        for scene in range(len(rows)):
            row = rows[scene]
            image, things = row["image"], row["objects"]
            pixels.append(to_pixels(image, side, side))
            boxes = np.array([thing["box"] for thing in things], dtype=np.float64).reshape(-1, 4)
            boxes = boxes * CELLS / np.array([*image.size, *image.size])
            try:
                told = [[known[thing[name]] for name, known in zip(labels, numbers, strict=True)] for thing in things]
            except KeyError as unknown:
                raise ValueError(f"an object is {unknown}, which is none of the network's labels") from None
            values = np.array(told, dtype=np.int64).reshape(-1, len(labels))
            targets.append(torch.from_numpy(cells_of(boxes, values)))
            middles = (boxes[:, :2] + boxes[:, 2:] / 2).astype(np.int64)[:, ::-1]
            objects.append(np.column_stack([np.full(len(boxes), scene), middles, values]))
        self.pixels, self.targets = torch.stack(pixels), torch.stack(targets)
        self.objects = torch.from_numpy(np.concatenate(objects))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[int, Tensor, Tensor]:
        return row, self.pixels[row], self.targets[row]


def cells_of(
    boxes: Float64[np.ndarray, "object 4"], values: Int64[np.ndarray, "object attribute"]
) -> Int64[np.ndarray, "attribute row column"]:
    """Label each cell with the values of the object that owns it.

    An object owns the cell in which its middle lies (the largest, where several do), and cells of nobody else that it
    covers by COVERED or more, and by more than others do.

    Args:
        boxes: x, y, width and height in cells.
        values: number of each attribute's value.
    Returns:
        UNSURE where no object owns the cell; for the first attribute NOTHING if none touches it.
    Example:
        >>> cells_of(np.array([[0.0, 0.0, 1.2, 1.0]]), np.array([[7]]))[0, 0, :3].tolist()
        [7, -100, -1]
    """
    edges = np.arange(CELLS)
    overlap = [
        np.clip(np.minimum(edges + 1, (start + length)[:, None]) - np.maximum(edges, start[:, None]), 0, None)
        for start, length in ((boxes[:, 1], boxes[:, 3]), (boxes[:, 0], boxes[:, 2]))
    ]
    covered = overlap[0][:, :, None] * overlap[1][:, None, :]
    column, row = (boxes[:, :2] + boxes[:, 2:] / 2).astype(np.int64).T
    claim = np.where(covered >= COVERED, covered, 0)
    # Larger than any cover, so that the cell of a middle is never another's.
    claim[np.arange(len(boxes)), row, column] = 1 + boxes[:, 2] * boxes[:, 3]
    none = np.full((1, CELLS, CELLS), 1e-9)
    owner = np.concatenate([claim, none]).argmax(0)
    unsure = np.full((1, values.shape[1]), UNSURE)
    labels = np.concatenate([values, unsure])[owner].transpose(2, 0, 1)
    labels[0][covered.sum(0) == 0] = NOTHING
    return labels
