"""Pictures with their ids, from a data set or a list, one by one or as batches of a network's input."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import datasets
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from tqdm.auto import tqdm

from multiturn.pictures import read_picture


class Pictures(TorchDataset[Image.Image]):
    """The pictures of some items, in RGB, as `multiturn.pictures.read_picture` decodes them.

    Args:
        items: a data set with an `image` column, and an `id` column or else the row number is the id; or a list of
            pictures, whose ids are their places.
    Raises:
        ValueError: neither.
    """

    def __init__(self, items: Any) -> None:
        if isinstance(items, datasets.Dataset):
            if not isinstance((items.features or {}).get("image"), datasets.Image):
                raise ValueError(f"the data set has the columns {items.column_names}, but no `image` with pictures")
            # Decoding is ours: datasets would decode a picture of any size, and clip those of 16 bits.
            undecoded = items.select_columns(["image"]).with_format(None)
            self._images: Any = undecoded.cast_column("image", datasets.Image(decode=False))
            self._ids = items.select_columns(["id"]).with_format(None) if "id" in items.column_names else None
        elif isinstance(items, Sequence) and not isinstance(items, str | bytes):
            self._images, self._ids = items, None
        else:
            raise ValueError(
                f"give a data set with an `image` column or a list of pictures, not {type(items).__name__}"
            )

    def __len__(self) -> int:
        return len(self._images)

    def name(self, row: int) -> str:
        """The id of a picture."""
        return str(row) if self._ids is None else str(self._ids[row]["id"])

    def __getitem__(self, row: int) -> Image.Image:
        """A picture.

        Raises:
            ValueError: it is missing or cannot be decoded; it is named.
        """
        source, name = self._images[row], f"image {self.name(row)!r}"
        if isinstance(self._images, datasets.Dataset):
            stored = source["image"] or {"bytes": None, "path": None}
            source = stored["path"] if stored["bytes"] is None else stored["bytes"]
            if source is None:
                raise ValueError(f"{name} is missing: its row has neither bytes nor a path; leave it out")
        elif not isinstance(source, Image.Image):
            raise ValueError(f"{name} cannot be decoded: it is a {type(source).__name__}, no picture; leave it out")
        try:
            return read_picture(source, name)
        except FileNotFoundError as reason:
            raise ValueError(f"{name} is missing: no file at {source}; copy it there or leave it out") from reason


class Inputs(TorchDataset[Any]):
    """Each picture's input to a network, or a sentence that says why there is none."""

    def __init__(self, pictures: Pictures, prepare: Callable[[Image.Image], Tensor]) -> None:
        self._pictures, self._prepare = pictures, prepare

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, row: int) -> Tensor | str:
        try:
            picture = self._pictures[row]
        except ValueError as reason:
            return str(reason)
        try:
            return self._prepare(picture)
        except ValueError as reason:
            size = f"{picture.width} x {picture.height} pixels"
            return f"image {self._pictures.name(row)!r}, {size}, cannot be encoded ({reason}); leave it out"


def opened(items: Any) -> Iterator[tuple[str, Image.Image]]:
    """Yield id and picture, in RGB, of each item; see `Pictures`."""
    pictures = Pictures(items)
    for row in range(len(pictures)):
        yield pictures.name(row), pictures[row]


def input_batches(
    pictures: Pictures,
    prepare: Callable[[Image.Image], Tensor],
    batch_size: int,
    workers: int = 0,
    pin: bool = False,
    title: str = "encoding",
    show_progress: bool = False,
) -> Iterator[Tensor]:
    """Yield the inputs of a network in batches, in order, with a bar.

    Args:
        prepare: makes the input of one picture in RGB, in any process.
        workers: processes that decode; none: this one does.
        pin: whether batches go to a GPU.
    Raises:
        ValueError: a picture has no input; it is named.
    """
    loader = DataLoader(Inputs(pictures, prepare), batch_size, num_workers=workers, collate_fn=_collate, pin_memory=pin)
    with tqdm(total=len(pictures), desc=title, unit="image", disable=not show_progress, leave=False) as bar:
        for batch in loader:
            if isinstance(batch, str):
                raise ValueError(batch)
            yield batch
            bar.update(len(batch))


def _collate(inputs: list[Any]) -> Tensor | str:
    # A message instead of an exception: one raised in a worker would reach the user as a traceback.
    faults = [one for one in inputs if isinstance(one, str)]
    return faults[0] if faults else torch.stack(inputs)
