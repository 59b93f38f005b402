"""Claims about screens of scores against regions: no exact score is further from theirs than they say."""

import itertools

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from multiturn.close_calls import Limits
from multiturn.directed_rounding import down, up
from multiturn.region_scoring import RegionFormula, StateScores
from multiturn.region_scoring.adaptive_bits import AdaptiveBits
from multiturn.region_scoring.layouts import AmxLayout, SimdLayout
from multiturn.region_scoring.quantised_regions import largest_singular_values
from multiturn.region_scoring.quantised_states import quantise
from multiturn.search import search
from tests.multiturn.drawn_regions import (
    CODE,
    FORMULAS,
    KERNELS,
    adversarial,
    close,
    everything,
    in_all_ways,
    laid_out,
    of_two_turns,
    played,
    same,
)


@in_all_ways
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("dim", [1, 33, 256])
def test_blocks_lie_within_the_slack_of_the_exact_scores(dim, formula, way):
    for x, vectors, mask in adversarial(dim):
        scores = StateScores.start(len(x), 2, laid_out(vectors, mask, way), formula)
        scores = scores.after(torch.zeros(len(x), dtype=torch.long), x).after(torch.tensor([0, 1, 1, 1, 0]), -x)
        exact = everything(scores)
        for first, last in ((0, len(vectors)), (0, 1), (17, 30)):
            error = (scores.block(first, last).double() + scores.offset[:, None] - exact[:, first:last]).abs()
            assert bool((error <= scores.slack[:, None]).all())


@in_all_ways
def test_the_slack_is_small_where_the_data_are_tame(way):
    vectors = torch.randn(100, 36, 256, generator=torch.Generator().manual_seed(0))
    regions = laid_out(vectors, torch.ones(100, 36, dtype=torch.bool), way)
    scores, _ = played(regions, CODE, turns=1, sessions=8, slots=1, seed=0)
    spread = everything(scores).std()
    assert bool((scores.slack < 0.025 * spread).all())
    if scores.screened:
        assert float(scores.columns[0].bound.reach.mean()) < 0.008 * spread


@pytest.mark.parametrize("dim", [1, 7, 256, 600])
@pytest.mark.parametrize("layout", [SimdLayout(16, True), AmxLayout()], ids=["avx512", "amx"])
def test_integers_and_rounding_residuals_make_the_vectors(dim, layout):
    units = torch.nn.functional.normalize(torch.randn(50, 3, dim, generator=torch.Generator().manual_seed(dim)), dim=-1)
    units[0, 0], units[0, 0, 0] = 0, 1
    integers, factor, rest = quantise(units.double(), layout.int16_limit, layout.longest, layout.part)
    assert torch.equal((integers / factor[..., None] + rest).float(), units)
    assert bool((integers.abs() <= layout.int16_limit).all())
    assert bool((rest.abs() * factor[..., None] <= 0.5 + 1e-9).all())
    over = 256 if isinstance(layout, AmxLayout) else 1
    for part in integers.split(min(dim, layout.part), -1):
        assert bool((part.norm(dim=-1) ** 2 / over < 2**31).all())  # and so no sum of products passes 2^31


def test_the_largest_singular_value_is_never_underestimated():
    generator = torch.Generator().manual_seed(0)
    for rows in (
        torch.randn(9, 6, 20, generator=generator),
        torch.ones(2, 6, 3),
        torch.eye(4)[None],
        torch.zeros(1, 2, 2),
    ):
        right, found = torch.linalg.svdvals(rows.double()).amax(1), largest_singular_values(rows.double())
        assert bool((right <= found).all() and (found <= 1.26 * right + 1e-300).all())


class Largest(TorchDispatchMode):
    """Notes the most numbers in any tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else (made,):
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made


@pytest.mark.parametrize("sessions", [8, 64])
def test_pytorch_never_holds_the_similarities_of_all_regions(sessions):
    regions = laid_out(torch.randn(400, 24, 8), torch.ones(400, 24, dtype=torch.bool), "pytorch")
    regions.blocks  # noqa: B018  # the gallery laid out, once
    x = torch.randn(sessions, 8)
    with Largest() as largest:
        StateScores.start(sessions, 1, regions, CODE).after(torch.zeros(sessions, dtype=torch.long), x).block(0, 400)
    assert largest.numbers == sessions * max(400, regions.at_once * 24)  # scores, or the cosines of one block
    assert largest.numbers < sessions * 400 * 24 / 10


@in_all_ways
def test_who_reads_whole_tables_gets_float32(way):
    regions = laid_out(torch.randn(50, 6, 256, generator=torch.Generator().manual_seed(0)), torch.ones(50, 6) > 0, way)
    x = torch.randn(8, 256, generator=torch.Generator().manual_seed(1))
    scores = StateScores.start(8, 2, regions, CODE, fine=True).after(torch.zeros(8, dtype=torch.long), x)
    assert float((scores.block(0, 50).double() - everything(scores)).abs().max()) < 2e-6


def screened(scores: StateScores) -> StateScores:
    if not scores.screened:
        pytest.skip("no processor that adds up products of integers")
    return scores


def limits_at(middle: torch.Tensor, width: int) -> Limits:
    """Limits at some scores in float64, on the safe side, and none for the best."""
    return Limits(down(middle), up(middle), torch.full((len(middle),), -torch.inf), width)


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("dim", [1, 33, 256])
@pytest.mark.parametrize("way", KERNELS)
def test_what_is_no_close_call_is_surely_so(dim, formula, way):
    for x, vectors, mask in adversarial(dim):
        scores = StateScores.start(len(x), 2, laid_out(vectors, mask, way), formula)
        scores = scores.after(torch.zeros(len(x), dtype=torch.long), x).after(torch.tensor([0, 1, 1, 1, 0]), -x)
        exact, sessions = everything(screened(scores)), torch.arange(len(x))
        for first, last, width in ((0, 70, 1), (0, 70, 10), (32, 50, 3)):
            middle = exact[sessions, (sessions * 17 + first) % 70]
            found = scores.close(first, last, limits_at(middle, width))
            assert found is not None
            above, close = found
            table = torch.zeros(2, len(x), 70, dtype=torch.bool)
            table[0, close.session, close.candidate], table[1, close.session, close.candidate] = (
                close.watched,
                close.best,
            )
            part, watched, best = exact[:, first:last], table[0, :, first:last], table[1, :, first:last]
            beats = part > middle[:, None]
            assert torch.equal(above + (watched & beats).sum(1), beats.sum(1))
            assert bool((watched | (part != middle[:, None])).all())
            least = part.topk(width).values[:, -1:]
            assert bool((best | (part < least)).all())


DIM = 512  # so many that fewer bits are worth finding the axes on any processor


def learned(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions that lie near a few axes, and state vectors that do."""
    generator, falling = torch.Generator().manual_seed(seed), 10 ** (-3 * torch.arange(DIM) / 256)
    scenes, regions = torch.randn(300, 1, DIM, generator=generator), torch.randn(300, 36, DIM, generator=generator)
    return (scenes + regions) * falling, torch.randn(24, DIM, generator=generator) * falling


@pytest.mark.parametrize("way", KERNELS)
def test_few_scores_of_learned_features_are_close_calls(way):
    vectors, x = learned(0)
    scores = StateScores.start(24, 1, laid_out(vectors, torch.ones(300, 36) > 0, way), CODE).after(
        torch.zeros(24).long(), x
    )
    screen = screened(scores).regions.screen
    assert isinstance(screen, AdaptiveBits)
    target = torch.arange(24) * 3
    found = scores.close(0, 300, limits_at(scores.exact(torch.arange(24), target), 1))
    assert found is not None
    assert len(found[1].session) < 24 * 10
    assert screen.numbers.axes.int16 + screen.numbers.axes.int8 < DIM / 2


@pytest.mark.parametrize("way", KERNELS)
def test_state_vectors_along_other_axes_get_all_bits(way):
    vectors, _ = learned(0)
    other = torch.randn(24, DIM, generator=torch.Generator().manual_seed(1))
    regions = laid_out(vectors, torch.ones(300, 36) > 0, way)
    scores = StateScores.start(24, 1, regions, CODE).after(torch.zeros(24).long(), other)
    screen = screened(scores).regions.screen
    assert isinstance(screen, AdaptiveBits)
    assert screen.numbers.axes.int16 == DIM
    assert float(scores.columns[0].bound.reach.mean()) < 0.05 * float(scores.columns[0].table.std(1).mean())
    plain = laid_out(vectors, torch.ones(300, 36) > 0, "pytorch")
    expected = search(StateScores.start(24, 1, plain, CODE).after(torch.zeros(24).long(), other), 7, torch.arange(24))
    assert same(search(scores, 7, torch.arange(24)), expected)


def test_so_many_close_calls_that_blocks_are_faster_are_left_to_blocks():
    equal = torch.randn(1, 3, 20, generator=torch.Generator().manual_seed(0)).expand(400, -1, -1).contiguous()
    scores, _ = played(laid_out(equal, torch.ones(400, 3) > 0), CODE, turns=1, sessions=30, slots=1, seed=0)
    middle = screened(scores).exact(torch.arange(30), torch.arange(30))
    assert scores.close(0, 400, limits_at(middle, 1)) is None
    assert scores.close(0, 400, limits_at(middle, 100)) is None
    found = search(scores, 5, torch.arange(30))
    assert found.ranks is not None and found.ranks.worst.tolist() == [400] * 30
    assert found.positions.tolist() == [[0, 1, 2, 3, 4]] * 30


def test_a_search_that_is_screened_finds_what_blocks_find(monkeypatch):
    vectors = torch.randn(300, 9, 64, generator=torch.Generator().manual_seed(0))
    scores, _ = played(laid_out(vectors, torch.ones(300, 9) > 0), CODE, turns=2, sessions=20, slots=2, seed=0)
    asked, exact = [], StateScores.exact
    monkeypatch.setattr(StateScores, "exact", lambda self, s, c: asked.append(len(s)) or exact(self, s, c))
    found, some = search(screened(scores), 4, torch.arange(20)), sum(asked)
    monkeypatch.setattr(StateScores, "screened", False)
    asked.clear()
    assert same(search(scores, 4, torch.arange(20)), found)
    assert some <= sum(asked)


def test_no_error_of_the_cosines_moves_a_similarity_by_more_than_the_steepness():
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for regions, sharpness in itertools.product((1, 2, 5, 36, 400), (0.1, 1.0, 9.0, 40.0)):
        most = RegionFormula(sharpness).steepness(regions)
        # One near region and the others at one distance from it is the worst found by climbing.
        near = torch.full((400, regions), -1.0, dtype=torch.float64)
        near += torch.linspace(0, 2, 400, dtype=torch.float64)[:, None]
        near[:, 0] = 1
        for s in (near, torch.rand(400, regions, generator=generator, dtype=torch.float64) * 2 - 1):
            weights = torch.softmax(sharpness * s, 1)
            mean = (weights * s).sum(1, keepdim=True)
            reached = float((weights * (1 + sharpness * (s - mean))).abs().sum(1).max())
            assert reached <= most * (1 + 1e-12)
            worst = max(worst, reached / most)
    assert worst > 0.7  # the bound is no idle one


def test_the_kernel_and_pytorchs_bfloat16_products_do_not_disturb_each_other():
    regions, x = close("compiled", dim=256)
    one, two = torch.randn(64, 256).bfloat16(), torch.randn(256, 64).bfloat16()
    before, table = one @ two, of_two_turns(regions, x).block(0, 120)
    assert torch.equal(one @ two, before)
    assert torch.equal(of_two_turns(regions, x).block(0, 120), table)
