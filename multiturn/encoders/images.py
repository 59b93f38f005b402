"""Pictures as tensors of one size, straight from a Hugging Face data set; what is computed of them lives elsewhere."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from datasets import Dataset
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from multiturn.encoders.opened import Pictures, input_batches
from multiturn.pictures import to_rgb


def to_pixels(image: Image.Image, height: int, width: int) -> UInt8[Tensor, "3 height width"]:
    """Convert a picture to RGB, resize it (bilinear, antialiased) and lay it out channels first, 0..255.

    The aspect ratio is not kept: give a height and width that suit the data set.
    """
    image = to_rgb(image)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


class PixelDataset(TorchDataset[tuple[int, Tensor]]):
    """Row number and pixels of each row of a data set with an `image` column, decoded when asked for."""

    def __init__(self, rows: Dataset, height: int, width: int) -> None:
        self._pictures, self._height, self._width = Pictures(rows), height, width

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, row: int) -> tuple[int, Tensor]:
        return row, to_pixels(self._pictures[row], self._height, self._width)


def pixel_batches(
    rows: Dataset,
    height: int,
    width: int,
    batch_size: int,
    title: str = "encoding",
    show_progress: bool = True,
    workers: int = 0,
) -> Iterator[UInt8[Tensor, "batch 3 height width"]]:
    """Yield the pictures of a data set in order, in batches, with a progress bar."""
    prepare = partial(to_pixels, height=height, width=width)
    return input_batches(Pictures(rows), prepare, batch_size, workers, title=title, show_progress=show_progress)
