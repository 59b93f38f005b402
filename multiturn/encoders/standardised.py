"""An encoder whose vectors are brought to mean 0 and standard deviation 1 in every dimension."""

import hashlib
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from multiturn.encoders import Encoder
from multiturn.files import atomic_file


class Standardised:
    """Another encoder's vectors, less `mean` and divided by `std`.

    Distances then weigh all dimensions alike, and a margin means the same with every encoder.

    Args:
        encoder: makes the vectors.
        mean: of its vectors on the training images.
        std: likewise; above 0.
    """

    def __init__(self, encoder: Encoder, mean: Float[Tensor, " dim"], std: Float[Tensor, " dim"]) -> None:
        self.encoder, self.mean, self.std = encoder, mean, std
        digest = hashlib.sha256(mean.numpy().tobytes() + std.numpy().tobytes()).hexdigest()[:8]
        self.fingerprint = f"{encoder.fingerprint}-standardised-{digest}"

    @classmethod
    def fit(cls, encoder: Encoder, vectors: Float[Tensor, "item dim"]) -> "Standardised":
        """Take mean and standard deviation from `encoder`'s vectors of training images."""
        vectors = vectors.double()
        return cls(encoder, vectors.mean(0).float(), vectors.std(0).clamp(min=1e-6).float())

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    def apply(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        """Standardise vectors that the inner encoder made."""
        return (vectors - self.mean) / self.std

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`."""
        return self.apply(self.encoder.encode(items, batch_size, show_progress))

    def save(self, path: Path) -> None:
        """Write mean and standard deviation as safetensors, all or nothing."""
        with atomic_file(path) as temporary:
            save_file({"mean": self.mean, "std": self.std}, temporary)

    @classmethod
    def load(cls, encoder: Encoder, path: Path) -> "Standardised":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it belongs to vectors of another length.
        """
        values = load_file(path)
        if len(values["mean"]) != encoder.dim:
            raise ValueError(f"{path} standardises {len(values['mean'])} dimensions, the encoder has {encoder.dim}")
        return cls(encoder, values["mean"], values["std"])
