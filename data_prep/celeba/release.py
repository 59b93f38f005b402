"""What the official CelebA release counts, and the same counts of what was read; no reading and no images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep.celeba.annotations import PARTITIONS, Annotations
from data_prep.counts import Count, differences

# Section 4.2 of the paper on progressive feedback counts so many people whose images lie on both sides of its
# split; the official identity file gives OFFICIAL.people_on_both_sides.
PAPER_PEOPLE_ON_BOTH_SIDES = 852


@dataclass(frozen=True)
class Release:
    """Counts that tell one release of the annotations from another.

    Two releases are equal when every count and both digests are. The digests run over the images in the order
    of their file names, so they also prove the order of a copy that lost its file names.
    """

    images: int
    identities: int
    distinct_vectors: int
    most_frequent: tuple[int, ...]  # images that share each of the ten most frequent attribute vectors
    partitions: tuple[int, ...]  # images in each of PARTITIONS
    train_images: int  # the paper's split: so many images, by file name, train; the others test
    people_on_both_sides: int  # identities with images in both sides of the paper's split
    identity_sha256: str
    attribute_sha256: str


OFFICIAL = Release(
    images=202_599,
    identities=10_177,
    distinct_vectors=115_114,
    most_frequent=(358, 203, 200, 184, 182, 181, 147, 143, 142, 137),
    partitions=(162_770, 19_867, 19_962),
    train_images=180_000,
    people_on_both_sides=842,
    identity_sha256="cf88f50937e9608906e45ecf6e32a6ed38b6b9ff2ff606e99df79c8e86b11bf2",
    attribute_sha256="68b200e274781dddb55b2e16e91b454ba2e3e9cd4a86149fa675f4cafc4bc90e",
)

_LABELS = {
    "images": "images annotated",
    "identities": "identities",
    "distinct_vectors": "distinct attribute vectors",
    "most_frequent": "ten most frequent vectors",
    "partitions": "images in " + " / ".join(PARTITIONS),
    "people_on_both_sides": "people on both sides of the paper split",
    "identity_sha256": "SHA-256 of the identities",
    "attribute_sha256": "SHA-256 of the attributes",
}


def measure(annotations: Annotations, train_images: int = OFFICIAL.train_images) -> Release:
    """Count what identifies a release.

    Args:
        annotations: sorted by file name.
        train_images: length of the training side of the paper's split.
    """
    present = annotations.attributes > 0
    vectors = present @ (1 << np.arange(present.shape[1], dtype=np.int64))
    counts = np.unique(vectors, return_counts=True)[1]
    identities = annotations.identities
    both_sides = np.intersect1d(identities[:train_images], identities[train_images:])
    return Release(
        images=len(annotations.names),
        identities=len(np.unique(identities)),
        distinct_vectors=len(counts),
        most_frequent=tuple(np.sort(counts)[::-1][:10].tolist()),
        partitions=tuple(np.bincount(annotations.partition, minlength=len(PARTITIONS)).tolist()),
        train_images=train_images,
        people_on_both_sides=len(both_sides),
        identity_sha256=hashlib.sha256(identities.astype("<i4").tobytes()).hexdigest(),
        attribute_sha256=hashlib.sha256(np.packbits(present, axis=1).tobytes()).hexdigest(),
    )


def labelled(release: Release) -> dict[str, Count]:
    """The counts of a release that tell it from others, by the labels that tables print."""
    return {label: vars(release)[name] for name, label in _LABELS.items()}


def check_release(annotations: Annotations, expected: Release, where: str) -> None:
    """Refuse annotations that are not the release that was asked for.

    Raises:
        ValueError: a count or a digest differs; names each with the expected and the found value.
    """
    told = differences(labelled(measure(annotations, expected.train_images)), labelled(expected))
    if told:
        raise ValueError(
            f"{where} is not the official release of CelebA ({'; '.join(told)}); take the official files, or "
            "pass expected=measure(annotations) to use other labels on purpose"
        )
