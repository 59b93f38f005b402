"""Claims about what holds the vectors, boxes and masks of regions."""

from pathlib import Path

import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.regions import Regions, check_places


def test_ragged_regions_are_filled_up_and_masked():
    regions = Regions.of([torch.ones(3, 2), torch.ones(1, 2)], [torch.rand(3, 4).sort()[0], torch.ones(1, 4)], 4)
    assert regions.mask.tolist() == [[True, True, True, False], [True, False, False, False]]
    assert regions.boxes is not None
    assert not regions.vectors[~regions.mask].any() and not regions.boxes[~regions.mask].any()


@pytest.mark.parametrize(
    ("boxes", "mask", "message"),
    [
        (torch.tensor([[[0.0, 0.0, 1.0, 20.0]]]), torch.ones(1, 1, dtype=torch.bool), "shares of width and height"),
        (torch.tensor([[[0.9, 0.0, 0.1, 1.0]]]), torch.ones(1, 1, dtype=torch.bool), "left, top, right, bottom"),
        (torch.full((1, 1, 4), torch.nan), torch.ones(1, 1, dtype=torch.bool), "shares of width and height"),
        (None, torch.zeros(1, 1, dtype=torch.bool), "no region at all"),
    ],
)
def test_boxes_and_masks_that_do_not_fit_are_refused(boxes: torch.Tensor | None, mask: torch.Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        Regions(torch.ones(1, 1, 2), boxes, mask)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask of \(1, 2\)"):
        check_places((1, 1), None, torch.ones(1, 2, dtype=torch.bool))


def test_more_regions_than_rows_are_refused():
    with pytest.raises(ValueError, match="item 1 has 3 regions, more than 2"):
        Regions.of([torch.ones(1, 2), torch.ones(3, 2)], None, 2)


def some_gallery(boxes: bool = True) -> Gallery:
    places = [torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0, 1.0]])]
    regions = Regions.of([torch.full((2, 3), 1.0), torch.full((1, 3), 2.0)], places if boxes else None)
    return Gallery.of(["b", "a"], regions, "test", "two pictures")


@pytest.mark.parametrize("boxes", [True, False])
def test_a_gallery_of_regions_comes_back_from_its_file(tmp_path: Path, boxes: bool):
    before = some_gallery(boxes)
    before.save(tmp_path / "regions.safetensors")
    after = Gallery.load(tmp_path / "regions.safetensors", "test")
    assert (
        after.ids == ("a", "b")
        and after.mask is not None
        and torch.equal(after.mask, torch.tensor([[True, False], [True, True]]))
    )
    assert torch.equal(after.vectors, before.vectors)
    assert (after.boxes is None) == (not boxes)
    if after.boxes is not None and before.boxes is not None:
        assert torch.equal(after.boxes, before.boxes) and after.boxes[0, 0].tolist() == [0, 0, 1, 1]


def test_rows_a_region_need_a_mask_and_a_mask_needs_them():
    with pytest.raises(ValueError, match="without a mask"):
        Gallery(("a", "b"), torch.ones(2, 1, 3), "test", "two")
    with pytest.raises(ValueError, match="with a mask"):
        Gallery(("a", "b"), torch.ones(2, 3), "test", "two", torch.ones(2, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match="boxes without regions"):
        Gallery(("a", "b"), torch.ones(2, 3), "test", "two", None, torch.ones(2, 1, 4))


def test_regions_of_another_encoder_are_refused(tmp_path: Path):
    some_gallery().save(tmp_path / "regions.safetensors")
    with pytest.raises(ValueError, match="was made by encoder 'test'"):
        Gallery.load(tmp_path / "regions.safetensors", "another")


def test_batches_are_joined():
    one = Regions.of([torch.ones(1, 2)], [torch.ones(1, 4)])
    assert Regions.cat([one, one]).vectors.shape == (2, 1, 2)
    with pytest.raises(ValueError, match="some batches have boxes"):
        Regions.cat([one, Regions.of([torch.ones(1, 2)], None)])
