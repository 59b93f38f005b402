"""Who is in the drawn data set and which attributes each picture has; not how anything looks.

A Gaussian copula: correlated normals, one part shared by the pictures of a person and one part a picture,
thresholded so that every attribute is as frequent as on CelebA. What the copula lets through and no face has
(a beard on a woman, two hair colours) is then repaired by the rules in `repair`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.attributes import ATTRIBUTES
from data_prep.drawn_faces.statistics import STATISTICS_FILE

COLUMN = {name: column for column, name in enumerate(ATTRIBUTES)}
HAIR_COLOURS = ["Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"]
HAIR_TYPES = ["Straight_Hair", "Wavy_Hair"]
BEARDS = ["Goatee", "Mustache", "Sideburns"]
MEAN_PICTURES = 4
MOST_PICTURES = 12

Latent = Float[np.ndarray, "face attribute"]
Present = Bool[np.ndarray, "face attribute"]


@dataclass(frozen=True)
class Statistics:
    """CelebA's aggregated figures, in the order of `ATTRIBUTES`; `correlations` is the full matrix."""

    marginals: Float[np.ndarray, " attribute"]
    identity_shares: Float[np.ndarray, " attribute"]
    correlations: Float[np.ndarray, "attribute attribute"]


@lru_cache(maxsize=1)
def celeba_statistics() -> Statistics:
    """Read the figures that are packaged with this module."""
    stored = json.loads(STATISTICS_FILE.read_text())
    correlations = np.eye(len(ATTRIBUTES))
    correlations[np.triu_indices(len(ATTRIBUTES), k=1)] = stored["correlations"]
    symmetric = correlations + correlations.T - np.eye(len(ATTRIBUTES))
    return Statistics(np.array(stored["marginals"]), np.array(stored["identity_shares"]), symmetric)


def nearest_correlation(
    matrix: Float[np.ndarray, "attribute attribute"], steps: int = 50
) -> Float[np.ndarray, "attribute attribute"]:
    """The correlation matrix nearest to a symmetric matrix that is not one.

    Correlations estimated pair by pair need not fit together: six attributes that exclude each other cannot
    all be correlated by -0.9.

    Source:
        Higham, Computing the nearest correlation matrix, 2002: alternating projections with Dykstra's
        correction.
    """
    current = positive = matrix
    correction = np.zeros_like(matrix)
    for _ in range(steps):
        shifted = current - correction
        values, vectors = np.linalg.eigh(shifted)
        positive = (vectors * np.maximum(values, 1e-4)) @ vectors.T
        correction = positive - shifted
        current = positive.copy()
        np.fill_diagonal(current, 1)
    scale = np.sqrt(np.diag(positive))
    return positive / np.outer(scale, scale)


@lru_cache(maxsize=1)
def latent_factor() -> Float[np.ndarray, "attribute attribute"]:
    """Cholesky factor that gives both parts of the latent their correlations.

    Splitting attributes by different shares weakens what they have in common, so the correlations are first
    divided by how much survives the split.
    """
    figures = celeba_statistics()
    share = figures.identity_shares
    surviving = np.sqrt(np.outer(share, share)) + np.sqrt(np.outer(1 - share, 1 - share))
    return np.linalg.cholesky(nearest_correlation(np.clip(figures.correlations / surviving, -1, 1)))


def draw_latent(person: Int[np.ndarray, " face"], rng: np.random.Generator) -> Latent:
    """Draw correlated standard normals, a row a picture, as alike within a person as on CelebA."""
    factor, share = latent_factor(), celeba_statistics().identity_shares
    people = rng.standard_normal((person.max() + 1, len(ATTRIBUTES))) @ factor.T
    pictures = rng.standard_normal((len(person), len(ATTRIBUTES))) @ factor.T
    return np.sqrt(share) * people[person] + np.sqrt(1 - share) * pictures


def repair(margin: Latent) -> Present:
    """Threshold the latent at zero and take away what does not go together.

    How often CelebA itself breaks each rule is given as a share of its images.

    1. One hair colour (1.4 %) and one of straight and wavy (0.6 %): the larger margin stays.
    2. Bald goes with men (0.01 %) and without bangs (0), hair type (0.04 %), hat (0.01 %), and any hair
       colour but gray (0.03 %); a bald man may have gray sides.
    3. A receding hairline goes without bangs (0.002 %) and without a hat (0.01 %).
    4. Goatee, moustache, sideburns (0.01 %), stubble (0.01 %) and necktie (0.02 %) go with men.
    5. No_Beard holds for all women (0.07 %) and for nobody with goatee, moustache or sideburns (0.3 %).
       Stubble decides nothing: CelebA calls a quarter of it No_Beard.

    Args:
        margin: how far each attribute is above its threshold.
    Returns:
        whether each face has each attribute.
    """
    present = margin > 0

    def drop(names: list[str], where: Bool[np.ndarray, " face"]) -> None:
        for name in names:
            present[where, COLUMN[name]] = False

    man, bald, hat, bangs = (present[:, COLUMN[name]].copy() for name in ("Male", "Bald", "Wearing_Hat", "Bangs"))
    bald &= man
    drop(["Bald"], ~man)
    for rivals in (HAIR_COLOURS, HAIR_TYPES):
        columns = [COLUMN[name] for name in rivals]
        winner = margin[:, columns].argmax(axis=1)
        for place, name in enumerate(rivals):
            drop([name], winner != place)
    drop(["Bangs", "Wearing_Hat", *HAIR_TYPES, "Black_Hair", "Blond_Hair", "Brown_Hair"], bald)
    drop(["Receding_Hairline"], (bangs & ~bald) | (hat & ~bald))
    drop([*BEARDS, "5_o_Clock_Shadow", "Wearing_Necktie"], ~man)
    bearded = present[:, [COLUMN[name] for name in BEARDS]].any(axis=1)
    present[:, COLUMN["No_Beard"]] = (present[:, COLUMN["No_Beard"]] & ~bearded) | ~man
    return present


@lru_cache(maxsize=1)
def thresholds() -> Float[np.ndarray, " attribute"]:
    """Thresholds at which every attribute is, after the repair, as frequent as on CelebA.

    The repair only ever takes away (or, for No_Beard, adds), so the plain normal quantiles would leave
    several attributes too rare. They are corrected on one fixed sample, the same for every seed.
    """
    wanted = celeba_statistics().marginals
    latent = draw_latent(np.arange(12_000), np.random.default_rng(0))
    level = start = np.array([NormalDist().inv_cdf(1 - share) for share in wanted])
    for _ in range(12):
        found = repair(latent - level).mean(axis=0).clip(1e-3, 1 - 1e-3)
        level = level + [NormalDist().inv_cdf(f) - NormalDist().inv_cdf(w) for f, w in zip(found, wanted, strict=True)]
        level = level.clip(start - 2, start + 2)
    return level


def draw_population(count: int, seed: int) -> tuple[Int[np.ndarray, " face"], Present]:
    """Draw a person and 40 attributes for each of `count` pictures.

    Returns:
        identities, numbered from 0, with 1 to 12 pictures each (4 on average) in mixed order; and the
        attributes.
    """
    rng = np.random.default_rng([seed, 0, 1])  # Pictures use [seed, number], which is [seed, number, 0].
    sizes = rng.geometric(1 / MEAN_PICTURES, size=count).clip(1, MOST_PICTURES)
    person = rng.permutation(np.repeat(np.arange(count), sizes)[:count])
    return person, repair(draw_latent(person, rng) - thresholds())
