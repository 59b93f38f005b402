"""A small gallery of classes that overlap, and sessions played over it."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from multiturn.gallery import Gallery
from relevance.users import RelevanceUser

CLASSES, EACH, DIM = 6, 20, 16


class Flock(NamedTuple):
    """A gallery, the class of each candidate, examples, and a user who looks for them."""

    gallery: Gallery
    labels: Tensor
    examples: Gallery
    user: RelevanceUser


def make_flock(noise: float = 1.2, wrong: float = 0.0) -> Flock:
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    centres = torch.randn(CLASSES, DIM, generator=generator)
    vectors = centres[labels] + 0.8 * torch.randn(len(labels), DIM, generator=generator)
    ids = [f"{number:03d}" for number in range(len(labels))]
    gallery = Gallery.of(ids, vectors, "encoder", "dots")
    examples = vectors + noise * torch.randn(len(labels), DIM, generator=generator)
    examples = Gallery.of(ids, examples, "encoder", "degraded dots")
    return Flock(gallery, labels, examples, RelevanceUser(labels, examples, gallery, wrong))


@pytest.fixture(scope="session")
def flock() -> Flock:
    return make_flock()
