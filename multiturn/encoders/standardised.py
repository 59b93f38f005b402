"""Vectors brought to mean 0 and standard deviation 1 in every dimension, and an encoder that makes such vectors."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from multiturn.encoders import Encoder
from multiturn.files import atomic_file


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the vectors of training images, in each dimension.

    Distances between standardised vectors weigh all dimensions alike, and a margin means the same with every encoder.

    Attributes:
        mean: of the vectors.
        std: likewise; above 0.
    """

    mean: Float[Tensor, " dim"]
    std: Float[Tensor, " dim"]

    @classmethod
    def fit(cls, vectors: Float[Tensor, "item dim"]) -> "Scale":
        """Take mean and standard deviation from vectors of training images."""
        vectors = vectors.double()
        return cls(vectors.mean(0).float(), vectors.std(0).clamp(min=1e-6).float())

    def apply(self, vectors: Float[Tensor, "*item dim"]) -> Float[Tensor, "*item dim"]:
        """Standardise vectors."""
        return (vectors - self.mean) / self.std

    def fingerprint(self, encoder: str) -> str:
        """Of standardised vectors, given the fingerprint of the encoder that made them."""
        digest = hashlib.sha256(self.mean.numpy().tobytes() + self.std.numpy().tobytes()).hexdigest()[:8]
        return f"{encoder}-standardised-{digest}"

    def save(self, path: Path) -> None:
        """Write mean and standard deviation as safetensors, all or nothing."""
        with atomic_file(path) as temporary:
            save_file({"mean": self.mean, "std": self.std}, temporary)

    @classmethod
    def load(cls, path: Path, dim: int) -> "Scale":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it belongs to vectors of another length than `dim`.
        """
        values = load_file(path)
        if len(values["mean"]) != dim:
            raise ValueError(f"{path} standardises {len(values['mean'])} dimensions, the encoder has {dim}")
        return cls(values["mean"], values["std"])


class Standardised:
    """Another encoder's vectors, standardised.

    Args:
        encoder: makes the vectors.
        scale: of its vectors of the training images.
    """

    def __init__(self, encoder: Encoder, scale: Scale) -> None:
        self.encoder, self.scale = encoder, scale
        self.fingerprint = scale.fingerprint(encoder.fingerprint)

    @classmethod
    def fit(cls, encoder: Encoder, vectors: Float[Tensor, "item dim"]) -> "Standardised":
        """Take mean and standard deviation from `encoder`'s vectors of training images."""
        return cls(encoder, Scale.fit(vectors))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    def apply(self, vectors: Float[Tensor, "item dim"]) -> Float[Tensor, "item dim"]:
        """Standardise vectors that the inner encoder made."""
        return self.scale.apply(vectors)

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`."""
        return self.apply(self.encoder.encode(items, batch_size, show_progress))

    def save(self, path: Path) -> None:
        """See `Scale.save`."""
        self.scale.save(path)

    @classmethod
    def load(cls, encoder: Encoder, path: Path) -> "Standardised":
        """See `Scale.load`."""
        return cls(encoder, Scale.load(path, encoder.dim))
