"""Claims about vectors in integers: what rounding takes, and that they stand for the vectors."""

import pytest
import torch

from multiturn.scoring import norms_of_rows
from multiturn.vector_screen.quantised import QuantisedVectors, quantise
from tests.multiturn.test_vector_screen import KINDS, LANES, draw


@pytest.mark.parametrize("dim", [1, 5, 64, 100])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("int8", [True, False])
def test_rounding_takes_what_it_says(kind, dim, int8):
    vectors = draw(kind, 50, dim, 1)[1].double()
    integers, factor, residual = quantise(vectors, int8)
    apart = (vectors - integers / factor[:, None]).norm(dim=1)
    assert bool((apart <= residual).all())
    largest = 127 if int8 else 32_767
    assert float(integers.abs().max()) <= largest
    if not int8:
        parts = torch.nn.functional.pad(integers, (0, -dim % 64)).view(50, -1, 64)
        assert float(parts.norm(dim=2).max()) ** 2 < 2**31
    assert bool((residual <= 1.01 * vectors.norm(dim=1) * dim**0.5 / 2 / largest).all())


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_integers_stand_for_the_vectors(kind, int8):
    _, vectors = draw(kind, 50, 37, 1)
    quantised = QuantisedVectors(vectors, norms_of_rows(vectors), LANES, int8)
    tiles = quantised.numbers.double() - (128 if int8 else 0)
    rows = tiles.transpose(1, 2).flatten(2).flatten(0, 1)[:50, :37] * quantised.inverse[:50, None].double()
    # A turn changes no length and no product.
    near = vectors.double() - quantised.mean
    assert bool(
        ((rows.norm(dim=1) - near.norm(dim=1)).abs() <= 1.01 * quantised.residual[:50] + 1e-6 * near.norm(dim=1)).all()
    )
    assert torch.allclose(quantised.lengths[:50], near.norm(dim=1), rtol=1e-9)
    share = quantised.residual[:50] / quantised.lengths[:50].clamp(min=1e-300)
    assert float(share.max()) <= 37**0.5 / 2 / (127 if int8 else 32_767) * 1.01
