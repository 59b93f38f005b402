"""Attribute vectors, CelebA's or drawn ones, and the simulated features made of them; no image is ever read."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from data_prep.celeba.annotations import read_annotations
from data_prep.drawn_faces.population import draw_population
from multiturn.gallery import Gallery

REAL_DATA = "RETRIEVAL_REAL_DATA"
NOISE = 0.5  # beside signals of variance 1: the nearest face mostly, not always, has the nearest attributes
LABEL = "simulated features: attributes times a random matrix, plus noise; no image was encoded"
_ROWS = 1 << 14  # at once, so that no second copy of all features is ever held


@dataclass(frozen=True)
class Faces:
    """Attribute vectors of faces in the order of their file names.

    Attributes:
        names: of the files.
        attributes: -1 absent, +1 present.
        source: where they are from, as tables print it.
    """

    names: list[str]
    attributes: Int8[Tensor, "face attribute"]
    source: str


def load_attributes(count: int, simulate: bool, seed: int = 0) -> Faces:
    """Attribute vectors of the first `count` faces.

    Args:
        count: faces.
        simulate: draw them as frequent and as correlated as CelebA's, instead of reading CelebA's.
        seed: of the draws.
    Raises:
        ValueError: CelebA's are wanted and not there, or are fewer.
    """
    if simulate:
        _, present = draw_population(count, seed)
        names = [f"{number:06d}.jpg" for number in range(1, count + 1)]
        attributes = torch.from_numpy(present).to(torch.int8) * 2 - 1
        return Faces(names, attributes, f"{count:,} attribute vectors drawn like CelebA's (not CelebA), seed {seed}")
    if REAL_DATA not in os.environ:
        raise ValueError(
            f"{REAL_DATA} is not set: let it name the folder that holds celeba/Anno, "
            "or add --simulate_attributes to draw attribute vectors instead"
        )
    found = read_annotations(Path(os.environ[REAL_DATA]) / "celeba")
    if len(found.names) < count:
        raise ValueError(f"there are {len(found.names):,} attribute vectors, not {count:,}; lower --candidates")
    attributes = torch.from_numpy(found.attributes[:count].copy())
    return Faces(found.names[:count], attributes, f"{count:,} of CelebA's {len(found.names):,} attribute vectors")


def real_data_is_there() -> bool:
    """Whether the environment names a folder of the real data."""
    return REAL_DATA in os.environ


def simulated_features(
    attributes: Int8[Tensor, "face attribute"], dim: int, noise: float, seed: int, draw: int = 0
) -> Float[Tensor, "face dim"]:
    """Turn attribute vectors into features: a random matrix scaled to variance 1 per dimension, plus Gaussian noise.

    Faces with equal attributes form a cluster, and clusters with many attributes in common lie close.

    Args:
        noise: its standard deviation.
        seed: of the matrix.
        draw: number of the noise, so that one face can be seen twice.
    """
    width = attributes.shape[1]
    matrix = torch.randn(width, dim, generator=torch.Generator().manual_seed(2 * seed)) / width**0.5
    generator = torch.Generator().manual_seed(2 * seed + 1 + 1_000_003 * draw)
    features = torch.empty(len(attributes), dim)
    for rows, part in zip(features.split(_ROWS), attributes.split(_ROWS), strict=True):
        rows.normal_(generator=generator).mul_(noise).addmm_(part.float(), matrix)
    return features


def simulated_gallery(faces: Faces, dim: int, noise: float, seed: int) -> Gallery:
    """A gallery of simulated features, labelled as such."""
    features = simulated_features(faces.attributes, dim, noise, seed)
    fingerprint = f"simulated-{dim}-noise-{noise:g}-seed-{seed}"
    return Gallery(tuple(faces.names), features, fingerprint, f"simulated features of {faces.source}")
