"""What encoders around one network share: decoding in workers, precision, batches; each network is a subclass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from os import cpu_count
from typing import Any, Literal

import torch
from datasets import Dataset
from jaxtyping import Float, Num
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from tqdm.auto import tqdm

Precision = Literal["float32", "bfloat16", "float16"]
# Tokenised, it tells tokenisers apart: case, accents, punctuation, digits, rare words, another script.
PROBE = "A photo of 12 Zebras' naïve café-goers; isn't it 3.5 km? 犬 antidisestablishmentarianism"
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N", "I"}  # modes of Pillow with 16 bits of gray


def to_rgb(image: Image.Image) -> Image.Image:
    """The first frame of a picture in RGB: 16-bit gray keeps its upper 8 bits, transparency is ignored."""
    if image.mode in _DEEP:
        # Pillow would clip to 255 in some of these modes.
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGB")


class Tower:
    """An encoder around one network.

    Args:
        fingerprint: name, weights and preprocessing; the precision and `normalise` are added here.
        dim: length of a vector.
        device: where to compute; the network is there.
        dtype: precision of the computation; vectors are float32 always.
        normalise: scale each vector to length 1.
    """

    def __init__(
        self, fingerprint: str, dim: int, device: torch.device | str, dtype: Precision, normalise: bool
    ) -> None:
        self.device, self._dtype, self._normalise, self._dim = torch.device(device), dtype, normalise, dim
        self.fingerprint = fingerprint + ("-unit" if normalise else "") + ("" if dtype == "float32" else f"-{dtype}")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, getattr(torch, self._dtype), enabled=self._dtype != "float32")

    def _finish(self, vectors: list[Tensor]) -> Float[Tensor, "item dim"]:
        # On the device until the end: fetching each batch would make the processor wait for the GPU.
        whole = torch.cat(vectors).cpu() if vectors else torch.empty(0, self.dim)
        return normalize(whole, dim=1) if self._normalise else whole


class ImageTower(Tower):
    """An encoder of data sets with an `image` column; a subclass has `vectors`, and `feature_map` if it can.

    Args:
        prepare: makes the network's input of one picture in RGB, on the CPU, in any process.
        workers: processes that decode; None: none beside a CPU, up to 8 beside a GPU.
    """

    def __init__(
        self,
        fingerprint: str,
        dim: int,
        prepare: Callable[[Image.Image], Tensor],
        device: torch.device | str,
        dtype: Precision = "float32",
        workers: int | None = None,
        normalise: bool = False,
    ) -> None:
        super().__init__(fingerprint, dim, device, dtype, normalise)
        self.prepare = prepare
        beside_a_gpu = min(8, (cpu_count() or 1) - 1) if self.device.type == "cuda" else 0
        self._workers = beside_a_gpu if workers is None else workers

    def vectors(self, inputs: Num[Tensor, "image 3 height width"]) -> Float[Tensor, "image dim"]:
        """Vectors of pictures as `prepare` makes them, on the network's device."""
        raise NotImplementedError

    def feature_map(self, pixels: Num[Tensor, "image 3 height width"]) -> Float[Tensor, "image channel row column"]:
        """The network's last map of pictures as `prepare` makes them: one vector a cell, on the network's device.

        Raises:
            ValueError: the network has no map.
        """
        raise ValueError(f"{self.fingerprint} has no feature map; choose a convolutional network or a ViT")

    @torch.no_grad()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`; `items` has an `image` column.

        Raises:
            ValueError: no such column, or an image cannot be decoded; it is named.
        """
        vectors = []
        for inputs in self._batches(items, batch_size, show_progress):
            with self._precision():
                vectors.append(self.vectors(inputs.to(self.device, non_blocking=True)).float())
        return self._finish(vectors)

    def _batches(self, items: Any, batch_size: int, show_progress: bool) -> Iterator[Tensor]:
        if not isinstance(items, Dataset) or "image" not in items.column_names:
            raise ValueError(
                f"{self.fingerprint} encodes images: give a data set with an `image` column, not "
                f"{items.column_names if isinstance(items, Dataset) else type(items).__name__}"
            )
        pictures = _Pictures(items, self.prepare)
        pin = self.device.type == "cuda"
        loader = DataLoader(pictures, batch_size, num_workers=self._workers, collate_fn=_collate, pin_memory=pin)
        with tqdm(total=len(items), desc="encoding", unit="image", disable=not show_progress, leave=False) as bar:
            for batch in loader:
                if isinstance(batch, str):
                    raise ValueError(batch)
                yield batch
                bar.update(len(batch))


class TextTower(Tower):
    """An encoder of lists of strings; a subclass has `vectors`."""

    def vectors(self, texts: list[str]) -> Float[Tensor, "text dim"]:
        """Vectors of a batch of texts, on the network's device."""
        raise NotImplementedError

    @torch.no_grad()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`; `items` are strings.

        An empty one is encoded as any other; what is too long for the network is cut at its end.

        Raises:
            ValueError: an item is not a string; it is named.
        """
        texts, vectors = check_texts(items), []
        with tqdm(total=len(texts), desc="encoding", unit="text", disable=not show_progress, leave=False) as bar:
            for first in range(0, len(texts), batch_size):
                batch = texts[first : first + batch_size]
                with self._precision():
                    vectors.append(self.vectors(batch).float())
                bar.update(len(batch))
        return self._finish(vectors)


def check_texts(items: Any) -> list[str]:
    """The items as a list.

    Raises:
        ValueError: they are one string, or one of them is no string.
    """
    if isinstance(items, str | Dataset):
        kind = "one string" if isinstance(items, str) else "a data set"
        raise ValueError(f"texts come as a list of strings, not {kind}; give a list, as in list(dataset['text'])")
    for number, item in enumerate(items):
        if not isinstance(item, str):
            raise ValueError(f"item {number} is {item!r:.80}, which is not text")
    return list(items)


class _Pictures(TorchDataset[Any]):
    """Each row's input to the network, or a sentence that says why there is none."""

    def __init__(self, rows: Dataset, prepare: Callable[[Image.Image], Tensor]) -> None:
        self._rows, self._images, self._prepare = rows, rows.select_columns(["image"]), prepare

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> Tensor | str:
        try:
            image = self._images[row]["image"]
            return self._prepare(to_rgb(image))
        # Pillow's decoders raise OSError mostly, and these for damaged headers and chunks.
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as reason:
            named = "id" in self._rows.column_names
            name = repr(self._rows.select_columns(["id"])[row]["id"]) if named else f"of row {row}"
            return f"image {name} cannot be encoded ({type(reason).__name__}: {reason}); replace it or leave it out"


def _collate(inputs: list[Any]) -> Tensor | str:
    # A message instead of an exception: one raised in a worker would reach the user as a traceback.
    faults = [one for one in inputs if isinstance(one, str)]
    return faults[0] if faults else torch.stack(inputs)
