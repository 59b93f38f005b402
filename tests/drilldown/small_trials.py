"""A small trial of Drill-down over made-up regions, for the tests of what is drawn and told of sessions."""

import torch
from datasets import Dataset
from PIL import Image

from drilldown.drill_down import DrillDown
from drilldown.users import CaptionUser
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.trial import Trial

IMAGES, REGIONS, WIDE, TURNS, STATES = 12, 9, 7, 5, 3
IDS = tuple(f"{number:02d}.png" for number in range(IMAGES))
NOUNS = ("dog", "cat", "tree", "car", "boat", "kite", "hat", "cup", "ball", "lamp", "drum", "fish")
CAPTIONS = [[f"{NOUNS[(place + turn) % 12]} {NOUNS[(3 * place + 5 * turn) % 12]}" for turn in range(TURNS)]
            for place in range(IMAGES)]  # fmt: skip


def gallery(boxes: bool = True) -> Gallery:
    """Cells of three by three; every third image has a cell less."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(IMAGES, REGIONS, dtype=torch.bool)
    mask[::3, -1] = False
    vectors = torch.randn(IMAGES, REGIONS, WIDE, generator=generator) * mask[..., None]
    corner = torch.stack([torch.arange(REGIONS) % 3, torch.arange(REGIONS) // 3], 1) / 3
    cells = torch.cat([corner, corner + 1 / 3], 1).clamp(max=1) * mask[..., None]
    return Gallery.of(IDS, Regions(vectors, cells if boxes else None, mask), "made up", "made-up regions")


def trial(policy: str = "random", turns: int = TURNS, states: int = STATES, boxes: bool = True) -> Trial:
    """Every image as a target once; the weights are random."""
    torch.manual_seed(1)
    model = DrillDown(list(NOUNS), "made up", WIDE, states=states, dim=16, embedding_dim=8, policy=policy)  # pyright: ignore
    found = gallery(boxes)
    return Trial("Drill-down", model.eval(), found, CaptionUser(IDS, CAPTIONS, turns), torch.arange(IMAGES), turns)


def images() -> Dataset:
    """A picture of one colour for every image, in another order than the gallery's."""
    order = list(reversed(range(IMAGES)))
    pictures = [Image.new("RGB", (30, 20), (10 * place, 200, 255 - 10 * place)) for place in order]
    return Dataset.from_dict({"id": [IDS[place] for place in order], "image": pictures})
