"""Claims about which object a cell of a drawn scene is labelled with."""

import numpy as np
import pytest
import torch
from datasets import Dataset

from data_prep import drawn_scenes
from drilldown.scene_cells import CELLS, LABELS, NOTHING, UNSURE, LabelledCells, cells_of


def labels_of(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """Labels of objects numbered 0, 1, ... of one attribute."""
    return cells_of(np.array(boxes, dtype=np.float64), np.arange(len(boxes))[:, None])[0]


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return drawn_scenes.load(count=40, size=64, processes=1)["train"]


def test_the_cell_of_an_objects_middle_is_its_own_however_small_it_is():
    assert labels_of((2.4, 3.4, 0.2, 0.2))[3, 2] == 0


def test_cells_that_an_object_covers_far_enough_are_its_own_and_others_it_touches_are_unsure():
    found = labels_of((1.0, 1.0, 2.5, 1.0))
    assert found[1, 1] == found[1, 2] == found[1, 3] == 0
    assert labels_of((1.0, 1.0, 2.2, 1.0))[1, 3] == UNSURE


def test_a_cell_that_no_object_touches_holds_nothing():
    found = labels_of((0.0, 0.0, 1.0, 1.0))
    assert (found == NOTHING).sum() == CELLS**2 - 1


def test_the_middle_goes_before_the_cover():
    found = labels_of((0.0, 0.0, 4.0, 0.7), (1.0, 0.75, 0.3, 0.2))
    assert found[0].tolist()[:4] == [0, 1, 0, 0]


def test_of_two_middles_in_a_cell_the_larger_object_owns_it():
    assert labels_of((0.1, 0.1, 0.2, 0.2), (0.4, 0.4, 0.5, 0.5))[0, 0] == 1


def test_a_scene_without_objects_holds_nothing_anywhere():
    found = cells_of(np.zeros((0, 4)), np.zeros((0, 4), dtype=np.int64))
    assert (found[0] == NOTHING).all() and (found[1:] == UNSURE).all()


def test_every_object_of_the_drawn_scenes_is_found_at_its_middle(scenes: Dataset):
    cells = LabelledCells(scenes, LABELS, 96)
    scene, row, column, *values = cells.objects.T
    told = cells.targets[scene, :, row, column]
    # Where two objects have their middles in one cell, one of them is not told.
    assert (told == torch.stack(values, 1)).all(1).double().mean() > 0.97
    assert len(cells.objects) == sum(len(things) for things in scenes["objects"])


def test_pictures_of_any_size_are_brought_to_the_networks(scenes: Dataset):
    cells = LabelledCells(scenes.select(range(3)), LABELS, 96)
    row, pixels, targets = cells[2]
    assert (row, pixels.shape, pixels.dtype, targets.shape) == (2, (3, 96, 96), torch.uint8, (4, CELLS, CELLS))


def test_an_object_of_no_known_kind_is_named(scenes: Dataset):
    with pytest.raises(ValueError, match=r"none of the network's labels"):
        LabelledCells(scenes, {**LABELS, "colour": ["red"]}, 96)
