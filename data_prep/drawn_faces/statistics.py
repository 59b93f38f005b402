"""How attributes occur on real faces: aggregated figures from CelebA; no image, name or row of it.

`python -m data_prep.drawn_faces.statistics --annotations DIR` writes `celeba_statistics.json` beside this
file. The figures are all that the drawn population knows of real people.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.attributes import ATTRIBUTES

STATISTICS_FILE = Path(__file__).with_name("celeba_statistics.json")
SOURCE = (
    "Aggregated from list_attr_celeba.txt and identity_CelebA.txt of CelebA: Liu, Luo, Wang and Tang, "
    "Deep Learning Face Attributes in the Wild, ICCV 2015."
)


def both_exceed(
    first: Float[np.ndarray, " pair"],
    second: Float[np.ndarray, " pair"],
    correlation: Float[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    """Probability that two standard normals with this correlation exceed the thresholds `first` and `second`.

    The derivative of that probability by the correlation is the joint density at the thresholds (Plackett's
    identity), so it is the product of the tails plus an integral over the correlation from zero. With the
    correlation written as a sine the integrand stays smooth up to +-1, and 48 Gauss-Legendre nodes do.

    Example:
        >>> both_exceed(np.array([0.0]), np.array([0.0]), np.array([0.5])).round(6)
        array([0.333333])
    """
    nodes, weights = np.polynomial.legendre.leggauss(48)
    end = np.arcsin(correlation)[:, None]
    angle = end * (nodes + 1) / 2
    h, k = first[:, None], second[:, None]
    density = np.exp(-(h**2 + k**2 - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2)) / (2 * np.pi)
    tails = np.array([normal_tail(a) * normal_tail(b) for a, b in zip(first, second, strict=True)])
    return tails + (density * weights).sum(axis=1) * end[:, 0] / 2


def normal_tail(threshold: float) -> float:
    """Probability that a standard normal exceeds `threshold`."""
    return NormalDist().cdf(-float(threshold))


def tetrachoric(
    first: Float[np.ndarray, " pair"], second: Float[np.ndarray, " pair"], both: Float[np.ndarray, " pair"]
) -> Float[np.ndarray, " pair"]:
    """Correlation of two latent normals whose thresholded signs occur this often, alone and together.

    Args:
        first: how often the first is present, in (0, 1).
        second: how often the second is present, in (0, 1).
        both: how often they are present together.
    Returns:
        in [-0.999, 0.999]; a pair that never occurs together is at the lower end.
    Example:
        >>> tetrachoric(np.array([0.5]), np.array([0.5]), np.array([1 / 3])).round(4)
        array([0.5])
    """
    h = np.array([NormalDist().inv_cdf(1 - p) for p in first])
    k = np.array([NormalDist().inv_cdf(1 - p) for p in second])
    low, high = np.full(len(h), -0.999), np.full(len(h), 0.999)
    for _ in range(40):  # The probability rises with the correlation, so bisection finds it.
        middle = (low + high) / 2
        too_low = both_exceed(h, k, middle) < both
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return (low + high) / 2


def summarise(present: Bool[np.ndarray, "image attribute"], identity: Int[np.ndarray, " image"]) -> dict:
    """Reduce a table of attributes to marginals, latent correlations and identity shares.

    Args:
        present: whether each image has each attribute.
        identity: the person each image shows.
    Returns:
        `marginals`: share of images with each attribute; `identity_shares`: latent correlation of one
        attribute between two images of one person; `correlations`: latent correlation of two attributes in
        one image, row by row above the diagonal. All in three decimals, in the order of `ATTRIBUTES`.
    """
    images = len(present)
    counts = present.astype(np.float32)  # Exact: sums stay below 2**24.
    together = (counts.T @ counts).astype(np.float64) / images
    marginals = np.diag(together)
    rows, columns = np.triu_indices(present.shape[1], k=1)
    correlations = tetrachoric(marginals[rows], marginals[columns], together[rows, columns])

    _, person = np.unique(identity, return_inverse=True)
    size = np.bincount(person).astype(np.float64)[:, None]
    having = np.stack([np.bincount(person, weights=column) for column in counts.T], axis=1)
    pairs = (size * (size - 1)).sum()
    one_has = (having * (size - 1)).sum(axis=0) / pairs
    both_have = (having * (having - 1)).sum(axis=0) / pairs
    shares = tetrachoric(one_has, one_has, both_have)
    return {
        "source": SOURCE,
        "images": images,
        "identities": len(size),
        "marginals": marginals.round(3).tolist(),
        "identity_shares": shares.round(3).tolist(),
        "correlations": correlations.round(3).tolist(),
    }


def read_annotations(folder: Path) -> tuple[Bool[np.ndarray, "image attribute"], Int[np.ndarray, " image"]]:
    """Read CelebA's attributes and identities from its two official text files.

    Raises:
        ValueError: the header names other attributes, or the two files list different images.
    """
    lines = (folder / "list_attr_celeba.txt").read_text().splitlines()
    if tuple(lines[1].split()) != ATTRIBUTES:
        raise ValueError(f"{folder}/list_attr_celeba.txt names {lines[1][:60]!r}...; give the official CelebA file")
    rows = [line.split() for line in lines[2:]]
    people = [line.split() for line in (folder / "identity_CelebA.txt").read_text().splitlines()]
    if [row[0] for row in rows] != [person[0] for person in people]:
        raise ValueError(f"the two files in {folder} list different images; take both from the same release")
    present = np.array([row[1:] for row in rows], dtype=np.int8) > 0
    return present, np.array([person[1] for person in people], dtype=np.int64)


def write(annotations: Path, output: Path = STATISTICS_FILE) -> None:
    """Estimate the figures from CelebA's annotation files and write them as JSON.

    Args:
        annotations: folder with list_attr_celeba.txt and identity_CelebA.txt.
        output: the file to write; by default the one that the package reads.
    """
    figures = summarise(*read_annotations(annotations))
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in figures.items()]
    output.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{figures['images']:,} images of {figures['identities']:,} people -> {output}")


if __name__ == "__main__":
    from jsonargparse import auto_cli

    auto_cli(write, as_positional=False)
