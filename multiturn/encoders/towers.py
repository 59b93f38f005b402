"""What encoders around one network share: decoding in workers, precision, batches; each network is a subclass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import cpu_count
from typing import Any, Literal

import torch
from datasets import Dataset
from jaxtyping import Float, Num
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from tqdm.auto import tqdm

from multiturn.encoders.opened import Pictures, input_batches
from multiturn.encoders.tf32 import without_tf32

Precision = Literal["float32", "bfloat16", "float16"]
# Tokenised, it tells tokenisers apart: case, accents, punctuation, digits, rare words, another script.
PROBE = "A photo of 12 Zebras' naïve café-goers; isn't it 3.5 km? 犬 antidisestablishmentarianism"


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

    @contextmanager
    def _precision(self) -> Iterator[None]:
        lower = torch.autocast(self.device.type, getattr(torch, self._dtype), enabled=self._dtype != "float32")
        with lower, without_tf32():
            yield

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
        self.workers = workers_beside(self.device) if workers is None else workers

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
        """See `multiturn.encoders.Encoder.encode`; `items` are as `multiturn.encoders.opened.Pictures` takes them.

        Raises:
            ValueError: they hold no pictures, or one cannot be decoded; it is named.
        """
        vectors = []
        for inputs in self._batches(items, batch_size, show_progress):
            with self._precision():
                vectors.append(self.vectors(inputs.to(self.device, non_blocking=True)).float())
        return self._finish(vectors)

    def _batches(self, items: Any, batch_size: int, show_progress: bool) -> Iterator[Tensor]:
        try:
            pictures = Pictures(items)
        except ValueError as reason:
            raise ValueError(f"{self.fingerprint} encodes images: {reason}") from None
        pin = self.device.type == "cuda"
        return input_batches(pictures, self.prepare, batch_size, self.workers, pin, show_progress=show_progress)


def workers_beside(device: torch.device) -> int:
    """Processes that should decode images for a network on a device: up to 8 beside a GPU, which would wait."""
    return min(8, (cpu_count() or 1) - 1) if device.type == "cuda" else 0


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
