"""Claims about vectors in whole numbers: what rounding takes, and that they stand for the vectors."""

import pytest
import torch

from multiturn.scoring import norms_of_rows
from multiturn.vector_screen.whole import WholeVectors, rounded
from tests.multiturn.test_vector_screen import KINDS, LANES, draw


@pytest.mark.parametrize("dim", [1, 5, 64, 100])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrow", [True, False])
def test_rounding_takes_what_it_says(kind, dim, narrow):
    vectors = draw(kind, 50, dim, 1)[1].double()
    whole, factor, lost = rounded(vectors, narrow)
    apart = (vectors - whole / factor[:, None]).norm(dim=1)
    assert bool((apart <= lost).all())
    largest = 127 if narrow else 32_767
    assert float(whole.abs().max()) <= largest
    if not narrow:
        parts = torch.nn.functional.pad(whole, (0, -dim % 64)).view(50, -1, 64)
        assert float(parts.norm(dim=2).max()) ** 2 < 2**31
    assert bool((lost <= 1.01 * vectors.norm(dim=1) * dim**0.5 / 2 / largest).all())


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_stand_for_the_vectors(kind, narrow):
    _, vectors = draw(kind, 50, 37, 1)
    whole = WholeVectors(vectors, norms_of_rows(vectors), LANES, narrow)
    tiles = whole.numbers.double() - (128 if narrow else 0)
    rows = tiles.transpose(1, 2).flatten(2).flatten(0, 1)[:50, :37] * whole.inverse[:50, None].double()
    # A turn changes no length and no product.
    near = vectors.double() - whole.mean
    assert bool(((rows.norm(dim=1) - near.norm(dim=1)).abs() <= 1.01 * whole.lost[:50] + 1e-6 * near.norm(dim=1)).all())
    assert torch.allclose(whole.lengths[:50], near.norm(dim=1), rtol=1e-9)
    share = whole.lost[:50] / whole.lengths[:50].clamp(min=1e-300)
    assert float(share.max()) <= 37**0.5 / 2 / (127 if narrow else 32_767) * 1.01
