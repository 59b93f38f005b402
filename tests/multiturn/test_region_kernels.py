"""Claims about the compiled kernels for scores against regions."""

import shutil
import sys

import pytest
import torch

from multiturn.region_scoring import StateScores
from multiturn.region_scoring.kernel import kernel
from multiturn.region_scoring.layouts import AmxLayout, Layout, SimdLayout
from multiturn.region_scoring.quantised_states import QuantisedStates, quantise
from multiturn.scoring import norms_of_rows
from tests.multiturn.drawn_regions import BEST, CODE, KERNELS, kernel_of, laid_out, ragged, slow


@pytest.mark.parametrize("settings", [{"MULTITURN_KERNEL": "0"}, {"CXX": "false"}, {"CXX": "no-such-compiler"}])
def test_without_a_working_compiler_there_is_no_kernel(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert kernel.__wrapped__() is None
    assert list(tmp_path.rglob("*.so")) == []


@pytest.mark.skipif(shutil.which("g++") is None or sys.platform != "linux", reason="no GNU compiler")
def test_a_gnu_compiler_makes_the_kernel():
    assert kernel() is not None


@pytest.mark.slow
def test_the_kernel_is_compiled_once(monkeypatch, tmp_path):
    if kernel() is None:
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel.__wrapped__() is not None
    written = {made: made.stat().st_mtime_ns for made in tmp_path.rglob("*.so")}
    assert len(written) == 2
    assert kernel.__wrapped__() is not None
    assert {made: made.stat().st_mtime_ns for made in tmp_path.rglob("*.so")} == written


SIZES = [(1, 0), (100, 3), (64, 130)]  # of int16 and of int8 numbers
of_integers = pytest.mark.parametrize("way", [way for way in KERNELS if BEST and BEST.fast_integers])


def unit_rows(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(shape[-1])), dim=-1)


def states_of(way: str, layout: Layout, numbers: int, int8: bool) -> tuple[QuantisedStates, torch.Tensor]:
    """State vectors of 35 sessions, and the integers that they should be."""
    compiled, rows = kernel_of(way), unit_rows(35, numbers)
    assert compiled is not None
    states = QuantisedStates.of(rows, compiled.library, layout, int8)
    return states, torch.round(rows * states.factor[:, None]).double()


def regions_of(layout: Layout, int16: int, int8: int) -> tuple[torch.Tensor, ...]:
    """Integers of the regions of 37 candidates, the int16 ones first."""
    generator = torch.Generator().manual_seed(2)
    sizes = ((int16, layout.int16_limit), (int8, 127))
    return tuple(torch.randint(-most, most + 1, (37, 3, n), generator=generator).double() for n, most in sizes)


def dots(states: torch.Tensor, regions: torch.Tensor) -> torch.Tensor:
    return torch.einsum("sd,crd->scr", states, regions)


@of_integers
@pytest.mark.parametrize(("int16", "int8"), SIZES)
def test_the_instruction_for_pairs_adds_up_what_lies_side_by_side(int16, int8, way):
    layout = SimdLayout(16, True)
    regions = regions_of(layout, int16, int8)
    for fewer, integers, placed in zip((False, True), regions, layout.regions(*regions), strict=True):
        states, expected = states_of(way, layout, integers.shape[2], fewer)
        sums = torch.einsum("atsn,grthcn->asghcr", states.numbers[:, :, 0].double(), placed.double())
        added = layout.zero_point * fewer * expected.sum(1)
        assert torch.equal(sums.reshape(36, 64, 3)[:35, :37] - added[:, None, None], dots(expected, integers))
        assert torch.equal(states.total.double(), expected.sum(1))


@of_integers
@pytest.mark.parametrize("int16", [1, 64, 100])
def test_registers_of_avx2_have_half_of_a_group_beside_each_other(int16, way):
    layout = SimdLayout(8, False)
    integers, none = regions_of(layout, int16, 0)
    placed, nothing = layout.regions(integers, none)
    assert nothing.numel() == 0
    states, expected = states_of(way, layout, int16, False)
    sums = torch.einsum("atsn,ghrtcn->asghcr", states.numbers[:, :, 0].double(), placed.double())
    assert torch.equal(sums.reshape(36, 64, 3)[:35, :37], dots(expected, integers))


def test_parts_of_long_vectors_are_rounded_less_than_the_whole_could_be():
    layout = SimdLayout(8, False)
    units = torch.nn.functional.normalize(torch.randn(50, 256, generator=torch.Generator().manual_seed(0))).double()
    integers, factor, residual = quantise(units, layout.int16_limit, layout.longest, layout.part)
    longest = torch.stack([part.norm(dim=1) for part in integers.split(layout.part, 1)]).amax(0)
    assert float((longest - layout.longest).abs().max()) < 5 and layout.longest**2 < 2**31
    assert bool((factor > 1.5 * layout.longest).all())
    coarse = quantise(units, layout.int16_limit, layout.longest)[2]
    assert bool((residual.norm(dim=1) < 0.75 * coarse.norm(dim=1)).all())


@of_integers
@pytest.mark.parametrize(("int16", "int8"), SIZES)
def test_the_instruction_of_amx_multiplies_rows_with_columns_of_fours(int16, int8, way):
    layout = AmxLayout()
    v, w = regions_of(layout, int16, int8)
    made, integers = [], []
    for fewer, regions in enumerate(layout.regions(v, w)):
        states, expected = states_of(way, layout, (int16, int8)[fewer], bool(fewer))
        rows = states.numbers.unflatten(-1, (16, 4)).unflatten(3, (2, 16))
        sums = torch.einsum("atpisfk,gjrtqfck->pqaisgjcr", rows.double(), regions.double())
        made.append(sums.reshape(*sums.shape[:2], 64, 64, 3)[:, :, :35, :37])
        integers.append(expected)
    (((high, one), (other, low)),), int8_sums = made[0][None], made[1][0, 0]
    assert torch.equal(2.0**16 * high + 2.0**8 * (one + other) + low, dots(integers[0], v))
    assert torch.equal(low, dots(layout.low(integers[0]), layout.low(v)))
    assert torch.equal(int8_sums, dots(integers[1], w))


@of_integers
@pytest.mark.parametrize("sessions", [1, 35, 500])
@pytest.mark.parametrize("dim", [1, 7, 64, 256, 600])
@pytest.mark.parametrize(
    "layout", [SimdLayout(16, True), SimdLayout(8, False), AmxLayout()], ids=["avx512", "avx2", "amx"]
)
def test_state_vectors_are_quantised_as_regions_are(sessions, dim, layout, way):
    compiled, rows = kernel_of(way), unit_rows(sessions, dim)
    assert compiled is not None
    rows[0], rows[0, -1] = 0, -1
    for int8, limits in ((False, (layout.int16_limit, layout.longest, layout.part)), (True, (127, layout.longest))):
        integers, factor, residual = quantise(rows, *limits)
        states = QuantisedStates.of(rows, compiled.library, layout, int8)
        torch.testing.assert_close(states.factor, factor, rtol=1e-6, atol=0)
        integers = torch.round(rows * states.factor[:, None])
        residual = (rows.double() * states.factor[:, None].double() - integers) / states.factor[:, None]
        torch.testing.assert_close(states.residual.double(), residual.norm(dim=1), rtol=1e-3, atol=1e-7)
        low = torch.remainder(integers + 128, 256) - 128
        torch.testing.assert_close(states.low, (low / states.factor[:, None]).norm(dim=1), rtol=1e-5, atol=0)
        assert torch.equal(states.total, integers.sum(1).int())


def test_bytes_of_int16_numbers_fit_tiles():
    layout = AmxLayout()
    every = torch.arange(-layout.int16_limit, layout.int16_limit + 1).double()[None]
    low = layout.low(every)
    assert float(low.min()) == -128 and float(low.max()) == 127
    assert float(((every - low) / 256).abs().max()) == 127


@pytest.mark.parametrize("dim", [1, 2, 7, 33, 256, 600])
def test_norms_have_the_same_bits_compiled_and_not(dim):
    compiled = kernel()
    if compiled is None:
        pytest.skip("no C++ compiler")
    vectors = torch.randn(50, dim, generator=torch.Generator().manual_seed(dim)) ** 5
    vectors[:4, 0] = torch.tensor([torch.nan, torch.inf, 0.0, 1e30])
    found, expected = compiled.norms_of_rows(vectors), norms_of_rows(vectors)
    assert torch.equal(found.view(torch.int64)[1:], expected.view(torch.int64)[1:])
    assert bool(found[:1].isnan().all())


@pytest.mark.parametrize("shape", [(33, 70, 5, 1300), (7, 40, 3, 64), (40, 33, 1, 128)], ids=str)
@pytest.mark.parametrize("way", KERNELS)
def test_kernels_score_what_loops_score(shape, way):
    sessions, candidates, regions, dim = shape
    vectors, mask = ragged(candidates, regions, dim, seed=dim)
    vectors *= 10 ** torch.linspace(0, -2, dim)  # few become int16, some int8, and some nothing
    x = torch.randn(sessions, dim, generator=torch.Generator().manual_seed(0)) * 10 ** torch.linspace(0, -2, dim)
    gallery = laid_out(vectors, mask, way)
    if gallery.screen is None:
        pytest.skip("no processor that multiplies small integers fast")
    scores = StateScores.start(sessions, 1, gallery, CODE).after(torch.zeros(sessions, dtype=torch.long), x)
    expected = slow([[row.double().numpy()] for row in x], vectors, mask, CODE)
    error = (scores.columns[0].table - torch.from_numpy(expected)).abs()
    assert float(error.max()) < 0.02 * float(expected.std())
    bound = scores.columns[0].bound
    assert bool((error <= bound.times * torch.minimum(bound.most[:, None], bound.reach + bound.more[:, None])).all())
