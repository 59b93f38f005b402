"""Claims about the map of regions: it is applied once a gallery and set of weights, and never to stale ones."""

import gc
import weakref

import pytest
import torch

from drilldown.region_space import Projection
from multiturn.gallery import Gallery
from multiturn.regions import Regions

GENERATOR = torch.Generator().manual_seed(0)


def gallery(count: int = 6) -> Gallery:
    regions = Regions.of([torch.randn(1 + i % 3, 5, generator=GENERATOR) for i in range(count)], None)
    return Gallery.of([f"{i}" for i in range(count)], regions, "enc", "s")


def regions_of(one: Gallery) -> Regions:
    assert one.mask is not None
    return Regions(one.vectors, None, one.mask)


def projection() -> Projection:
    torch.manual_seed(0)
    return Projection("enc", 5, 4).eval()


def test_a_gallery_is_mapped_once_in_evaluation():
    space, one = projection(), gallery()
    assert space.region_vectors(one) is space.region_vectors(one)


def test_in_training_it_is_mapped_anew():
    space, one = projection().train(), gallery()
    assert space.region_vectors(one) is not space.region_vectors(one)


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_of_the_optimiser_is_noticed(fused):
    space, one = projection(), gallery()
    before = space.region_vectors(one)
    optimiser = torch.optim.AdamW(space.parameters(), lr=0.1, fused=fused)
    space.pictures(regions_of(one)).regions.sum().backward()
    optimiser.step()
    after = space.region_vectors(one)
    assert after is not before
    assert not torch.allclose(after.vectors, before.vectors)


def test_loaded_weights_are_noticed():
    space, one = projection(), gallery()
    before = space.region_vectors(one)
    space.load_state_dict({name: value + 1 for name, value in space.state_dict().items()})
    assert space.region_vectors(one) is not before


def test_another_gallery_is_never_taken_for_the_first():
    space, one, other = projection(), gallery(), gallery()
    assert not torch.equal(space.region_vectors(one).vectors, space.region_vectors(other).vectors)


def test_a_gallery_that_nobody_else_needs_is_let_go():
    space, one = projection(), gallery()
    space.region_vectors(one)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def test_training_and_retrieval_see_the_same_regions_and_means():
    space, one = projection(), gallery()
    regions = regions_of(one)
    found, kept = space.pictures(regions), space.region_vectors(one)
    units = torch.nn.functional.normalize(kept.vectors, dim=-1)
    torch.testing.assert_close(found.regions, units * kept.mask[..., None])
    torch.testing.assert_close(space.globals_of(regions), space.global_vectors(one)[0])


def test_vectors_of_half_precision_are_mapped_in_single():
    one = gallery()
    half = Gallery(one.ids, one.vectors.half(), "enc", "s", one.mask)
    kept = projection().region_vectors(half)
    assert kept.vectors.dtype == torch.float32
    torch.testing.assert_close(kept.vectors, projection().region_vectors(one).vectors, atol=1e-2, rtol=0)


def test_regions_of_another_width_are_refused_in_training_too():
    with pytest.raises(ValueError, match="have 3 numbers, the retriever was made for 5"):
        projection().pictures(Regions(torch.ones(2, 1, 3), None, torch.ones(2, 1, dtype=torch.bool)))
