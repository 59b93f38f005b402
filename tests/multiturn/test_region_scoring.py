"""Claims about scores of several state vectors against regions: exact, carried along, and never moved by padding."""

import itertools
import math
import shutil
import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from multiturn.close_calls import Limits
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.region_scoring.bits import AsManyBitsAsNeeded
from multiturn.region_scoring.kernel import kernel
from multiturn.region_scoring.pairs import Pairs, exp64
from multiturn.region_scoring.whole_numbers import largest_singular_values, rounded
from multiturn.scoring import Scores, next_up
from multiturn.search import Found, search

CODE, PAPER = RegionFormula(), RegionFormula(1 / 9, True, "all")
FORMULAS = [CODE, PAPER, RegionFormula(0.0), RegionFormula(40.0, average="all"), RegionFormula(2.5, True)]
WAYS = ["compiled", "pytorch"]
GRID = 2.0**-36


@pytest.fixture(params=WAYS)
def way(request):
    if request.param == "compiled" and kernel() is None:
        pytest.skip("no C++ compiler")
    return request.param


def ragged(candidates: int, regions: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random regions, each candidate with one at least and with padding anywhere."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(candidates, regions, generator=generator) > 0.4
    mask[torch.arange(candidates), torch.randint(regions, (candidates,), generator=generator)] = True
    return torch.randn(candidates, regions, dim, generator=generator), mask


def laid_out(vectors: torch.Tensor, mask: torch.Tensor, way: str = "compiled") -> RegionVectors:
    regions = RegionVectors(vectors, mask)
    if way == "pytorch":
        regions.kernel = None
    return regions


def everything(scores: StateScores) -> torch.Tensor:
    sessions, candidates = scores.shape
    pairs = torch.cartesian_prod(torch.arange(sessions), torch.arange(candidates))
    return scores.exact(pairs[:, 0], pairs[:, 1]).view(sessions, candidates)


def played(regions: RegionVectors, formula: RegionFormula, turns: int, sessions: int, slots: int, seed: int):
    """Scores after some turns, and the state vectors: one row a slot, None where it is empty."""
    generator = torch.Generator().manual_seed(seed)
    scores, states = StateScores.start(sessions, slots, regions, formula), [[None] * slots for _ in range(sessions)]
    for _ in range(turns):
        slot = torch.randint(slots, (sessions,), generator=generator)
        vectors = torch.randn(sessions, regions.vectors.shape[2], generator=generator)
        scores = scores.after(slot, vectors)
        for session, (place, vector) in enumerate(zip(slot.tolist(), vectors, strict=True)):
            states[session][place] = vector.double().numpy()
    return scores, states


def slow(states, vectors: torch.Tensor, mask: torch.Tensor, formula: RegionFormula) -> np.ndarray:
    """All scores by loops, in float64."""
    table = np.zeros((len(states), len(vectors)))
    for session, slots in enumerate(states):
        filled = [slot for slot in slots if slot is not None]
        for candidate, (regions, real) in enumerate(zip(vectors.double().numpy(), mask.numpy(), strict=True)):
            for x in filled:
                s = np.array([np.dot(x, v) / math.sqrt(np.dot(x, x) * np.dot(v, v)) for v in regions[real]])
                weights = np.exp(formula.sharpness * s)
                similarity = float((weights * s).sum() / weights.sum())
                table[session, candidate] += similarity / len(s) if formula.per_region else similarity
        table[session] /= len(filled) if formula.average == "filled" else len(slots)
    return table


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("shape", [(3, 1, 1), (40, 5, 7), (70, 6, 33)], ids=str)
def test_exact_scores_agree_with_slow_loops_on_ragged_regions(shape, formula, way):
    vectors, mask = ragged(*shape, seed=1)
    scores, states = played(laid_out(vectors, mask, way), formula, turns=4, sessions=3, slots=3, seed=2)
    expected = slow(states, vectors, mask, formula)
    np.testing.assert_allclose(everything(scores).numpy(), expected, rtol=0, atol=0.51 * GRID)
    assert isinstance(scores, Scores)


def adversarial(dim: int) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """State vectors, regions and masks that lose much to rounding."""
    generator = torch.Generator().manual_seed(dim)
    vectors, mask = ragged(70, 9, dim, dim)
    x = torch.randn(5, dim, generator=generator)
    spread = 10 ** (torch.rand(70, 9, 1, generator=generator) * 60 - 30)
    alternating = torch.ones(dim)
    alternating[1::2] = -1
    third = torch.full((5, dim), 1 / 3)
    falling = 10 ** (torch.linspace(0, -6, dim) / (1 + 4 * (dim > 100)))  # near a few axes, and to no end
    noise = torch.rand(70, 9, dim, generator=generator)
    return [
        (x, vectors, mask),
        (x * 1e25, vectors * spread, mask),
        (x * 1e-30, vectors * 1e-33, mask),
        (third, alternating * (1 + noise * 1e-6), mask),  # cancels
        (x, x[0] + vectors * 1e-6, mask),  # near a state vector, and near one another
        (x.abs(), vectors.abs(), mask),
        (x**9, vectors**9, mask),  # a few large numbers and many small ones
        (third, 1 + 2.0**-8 * (0.49 + noise * 0.01), mask),  # all rounded the same way by bfloat16
        (x, vectors, torch.ones_like(mask)),
        (x, vectors * falling, mask),
        (x * falling, vectors * falling, mask),
        (vectors[:5, 0] * falling, vectors * falling**3, mask),
    ]


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


def test_the_slack_is_small_where_the_data_are_tame(way):
    vectors = torch.randn(100, 36, 256, generator=torch.Generator().manual_seed(0))
    regions = laid_out(vectors, torch.ones(100, 36, dtype=torch.bool), way)
    scores, _ = played(regions, CODE, turns=1, sessions=8, slots=1, seed=0)
    spread = everything(scores).std()
    assert bool((scores.slack < 0.025 * spread).all())
    if scores.screened:
        assert float(scores.columns[0].bound.reach.mean()) < 0.008 * spread


@pytest.mark.parametrize("dim", [1, 7, 256, 600])
def test_whole_numbers_and_what_rounding_took_make_the_vectors(dim):
    units = torch.nn.functional.normalize(torch.randn(50, 3, dim, generator=torch.Generator().manual_seed(dim)), dim=-1)
    units[0, 0], units[0, 0, 0] = 0, 1
    whole, factor, rest = rounded(units.double())
    assert torch.equal((whole / factor[..., None] + rest).float(), units)
    assert bool((whole.norm(dim=-1) < 2**15.5).all())  # no sum of products passes 2^31
    assert bool((rest.abs() * factor[..., None] <= 0.5 + 1e-9).all())


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


def test_who_reads_whole_tables_gets_float32(way):
    regions = laid_out(torch.randn(50, 6, 256, generator=torch.Generator().manual_seed(0)), torch.ones(50, 6) > 0, way)
    x = torch.randn(8, 256, generator=torch.Generator().manual_seed(1))
    scores = StateScores.start(8, 2, regions, CODE, fine=True).after(torch.zeros(8, dtype=torch.long), x)
    assert float((scores.block(0, 50).double() - everything(scores)).abs().max()) < 2e-6


def screened(scores: StateScores) -> StateScores:
    if not scores.screened:
        pytest.skip("no processor that adds up products of whole numbers")
    return scores


def limits_at(middle: torch.Tensor, width: int) -> Limits:
    """Limits at some scores in float64, on the safe side, and none for the best."""
    return Limits(-next_up(-middle), next_up(middle), torch.full((len(middle),), -torch.inf), width)


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("dim", [1, 33, 256])
def test_what_is_no_close_call_is_surely_so(dim, formula):
    for x, vectors, mask in adversarial(dim):
        scores = StateScores.start(len(x), 2, laid_out(vectors, mask), formula)
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


def learned(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Regions that lie near a few axes, and state vectors that do."""
    generator, falling = torch.Generator().manual_seed(seed), 10 ** torch.linspace(0, -3, 256)
    scenes, regions = torch.randn(300, 1, 256, generator=generator), torch.randn(300, 36, 256, generator=generator)
    return (scenes + regions) * falling, torch.randn(24, 256, generator=generator) * falling


def test_few_scores_of_learned_features_are_close_calls():
    vectors, x = learned(0)
    scores = StateScores.start(24, 1, laid_out(vectors, torch.ones(300, 36) > 0), CODE).after(torch.zeros(24).long(), x)
    screen = screened(scores).regions.screen
    assert isinstance(screen, AsManyBitsAsNeeded)
    target = torch.arange(24) * 3
    found = scores.close(0, 300, limits_at(scores.exact(torch.arange(24), target), 1))
    assert found is not None
    assert len(found[1].session) < 24 * 10
    assert screen.numbers.axes.wide + screen.numbers.axes.narrow < 256


def test_state_vectors_along_other_axes_get_all_bits():
    vectors, _ = learned(0)
    other = torch.randn(24, 256, generator=torch.Generator().manual_seed(1))
    regions = laid_out(vectors, torch.ones(300, 36) > 0)
    scores = StateScores.start(24, 1, regions, CODE).after(torch.zeros(24).long(), other)
    screen = screened(scores).regions.screen
    assert isinstance(screen, AsManyBitsAsNeeded)
    assert screen.numbers.axes.wide == 256
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


def test_padding_anywhere_moves_no_bit():
    vectors, mask = ragged(50, 6, 33, seed=3)
    wide, real = torch.full((50, 11, 33), torch.nan), torch.zeros(50, 11, dtype=torch.bool)
    for candidate in range(50):
        own = vectors[candidate][mask[candidate]]
        places = torch.randperm(11, generator=torch.Generator().manual_seed(candidate))[: len(own)].sort().values
        wide[candidate, places], real[candidate, places] = own, True
    found = []
    for regions in (laid_out(vectors, mask), laid_out(wide, real)):
        scores, _ = played(regions, CODE, turns=5, sessions=4, slots=3, seed=4)
        pairs = Pairs.scores(scores._pairs, torch.zeros(50, dtype=torch.long), torch.arange(50))
        found.append((everything(scores), scores.block(0, 50), search(scores, 5, torch.arange(4)), pairs))
    (exact, block, one, _), (same_exact, same_block, two, _) = found
    assert torch.equal(exact, same_exact)
    assert same(one, two)
    assert torch.allclose(block, same_block, rtol=0, atol=1e-6)


def same(one: Found, other: Found) -> bool:
    assert one.ranks is not None and other.ranks is not None
    pairs = [(one.positions, other.positions), (one.scores, other.scores)]
    pairs += [(one.ranks.best, other.ranks.best), (one.ranks.worst, other.ranks.worst)]
    return all(torch.equal(a, b) for a, b in pairs)


def test_only_the_changed_slot_is_scored_again():
    regions = laid_out(*ragged(50, 6, 20, seed=5))
    before, _ = played(regions, CODE, turns=3, sessions=4, slots=1, seed=0)
    before = before.after(torch.zeros(4, dtype=torch.long), torch.ones(4, 20))
    scores = StateScores.start(4, 3, regions, CODE)
    for slot in range(3):
        scores = scores.after(torch.full((4,), slot), torch.randn(4, 20))
    tables = [column.table for column in scores.columns]
    later = scores.after(torch.full((4,), 1), torch.randn(4, 20))
    later.block(0, 50)
    assert [column.table.data_ptr() for column in later.columns[:2]] == [tables[0].data_ptr(), tables[2].data_ptr()]
    assert len(later.columns) == 3
    assert len(before.columns) == 1


def test_scores_carried_along_equal_those_of_all_slots_scored_anew(way):
    regions = laid_out(*ragged(60, 6, 20, seed=6), way)
    carried, states = played(regions, CODE, turns=7, sessions=4, slots=2, seed=7)
    anew = StateScores.start(4, 2, regions, CODE)
    for slot in range(2):
        vectors = torch.stack([torch.from_numpy(session[slot]).float() for session in states])
        anew = anew.after(torch.full((4,), slot), vectors)
    assert torch.equal(everything(carried), everything(anew))
    assert same(search(carried, 9, torch.arange(4)), search(anew, 9, torch.arange(4)))


def test_a_reply_taken_back_leaves_the_older_scores_as_they_were():
    regions = laid_out(*ragged(30, 4, 8, seed=8))
    old, _ = played(regions, CODE, turns=3, sessions=3, slots=2, seed=8)
    exact, block = everything(old), old.block(0, 30).clone()
    new = old.after(torch.zeros(3, dtype=torch.long), torch.randn(3, 8))
    new.block(0, 30).add_(1)
    everything(new)
    assert torch.equal(everything(old), exact)
    assert torch.equal(old.block(0, 30), block)


def test_before_anything_was_said_all_candidates_tie():
    scores = StateScores.start(2, 3, laid_out(*ragged(9, 4, 8, seed=0)), CODE)
    found = search(scores, 2, torch.tensor([3, 8]))
    assert found.ranks is not None
    assert found.positions.tolist() == [[0, 1], [0, 1]]
    assert (found.ranks.best.tolist(), found.ranks.worst.tolist()) == ([1, 1], [9, 9])


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_ranks_equal_a_full_sort_of_slow_scores(formula, way):
    vectors, mask = ragged(80, 5, 12, seed=9)
    scores, states = played(laid_out(vectors, mask, way), formula, turns=4, sessions=6, slots=3, seed=10)
    expected = slow(states, vectors, mask, formula)
    watched = torch.arange(6) * 13
    found = search(scores, 80, watched)
    assert found.ranks is not None
    assert found.positions.tolist() == np.argsort(-expected, axis=1, kind="stable").tolist()
    own = expected[np.arange(6), watched.numpy()][:, None]
    assert found.ranks.best.tolist() == (1 + (expected > own).sum(1)).tolist()
    assert torch.equal(found.ranks.worst, found.ranks.best)


def close(way: str, dim: int = 40) -> tuple[RegionVectors, torch.Tensor]:
    """Images closer to each other than float32 can tell, with some equal ones; and vectors of nine sessions."""
    generator = torch.Generator().manual_seed(11)
    base = torch.randn(1, 5, dim, generator=generator)
    vectors = base * (1 + 2.0**-20 * torch.randn(120, 5, dim, generator=generator))
    vectors[60:90] = vectors[:30]
    return laid_out(vectors, torch.ones(120, 5, dtype=torch.bool), way), torch.randn(2, 9, dim, generator=generator)


def of_two_turns(regions: RegionVectors, x: torch.Tensor) -> StateScores:
    scores = StateScores.start(x.shape[1], 2, regions, CODE)
    return scores.after(torch.zeros(x.shape[1], dtype=torch.long), x[0]).after(torch.ones(x.shape[1]).long(), x[1])


def test_compiled_and_pytorch_scores_are_equal_bits():
    if kernel() is None:
        pytest.skip("no C++ compiler")
    one, two = (of_two_turns(*close(way)) for way in WAYS)
    assert torch.equal(everything(one), everything(two))
    assert same(search(one, 20, torch.arange(9)), search(two, 20, torch.arange(9)))


def test_sums_in_a_fixed_order_have_the_same_bits_compiled_and_not():
    if kernel() is None:
        pytest.skip("no C++ compiler")
    for vectors, mask in (ragged(40, 7, 33, seed=1), ragged(40, 1, 1, seed=2), ragged(9, 5, 256, seed=3)):
        for formula in FORMULAS:
            made = []
            for way in WAYS:
                scores, _ = played(laid_out(vectors, mask, way), formula, turns=4, sessions=3, slots=3, seed=5)
                pairs = torch.cartesian_prod(torch.arange(3), torch.arange(len(vectors)))
                made.append(scores._pairs._careful(pairs[:, 0], pairs[:, 1]))
            assert torch.equal(*made)


def test_quick_scores_round_as_those_summed_in_a_fixed_order(way):
    scores = of_two_turns(*close(way))
    quick = everything(scores)
    scores._pairs.reach = math.inf
    assert torch.equal(quick, everything(scores))


def test_ranks_depend_neither_on_blocks_nor_on_the_batch_nor_on_its_order(way):
    regions, x = close(way)
    whole, watched = of_two_turns(regions, x), torch.arange(9) * 13
    expected = search(whole, 11, watched)
    for block in (1, 7, 120):
        assert same(search(whole, 11, watched, block=block), expected)
    order = torch.tensor([5, 0, 8, 3])
    some = search(of_two_turns(regions, x[:, order]), 11, watched[order])
    assert some.ranks is not None and expected.ranks is not None
    assert torch.equal(some.scores, expected.scores[order])
    assert torch.equal(some.positions, expected.positions[order])
    assert torch.equal(some.ranks.worst, expected.ranks.worst[order])


def test_permuting_the_gallery_permutes_the_scores(way):
    vectors, mask = ragged(50, 5, 12, seed=12)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    one, _ = played(laid_out(vectors, mask, way), CODE, turns=3, sessions=3, slots=2, seed=1)
    two, _ = played(laid_out(vectors[order], mask[order], way), CODE, turns=3, sessions=3, slots=2, seed=1)
    assert torch.equal(everything(one)[:, order], everything(two))


def test_images_of_equal_regions_tie_exactly(way):
    found = search(of_two_turns(*close(way)), 1, torch.full((9,), 65))
    assert found.ranks is not None
    assert bool((found.ranks.worst - found.ranks.best == 1).all())


def test_mixed_precision_and_gradients_change_nothing(way):
    regions, x = close(way)
    expected = search(of_two_turns(regions, x), 5, torch.arange(9))
    with torch.autocast("cpu", torch.bfloat16):
        scores = of_two_turns(regions, x.clone().requires_grad_())
        assert same(search(scores, 5, torch.arange(9)), expected)
    assert not scores.block(0, 3).requires_grad


def test_the_kernel_and_pytorchs_bfloat16_products_do_not_disturb_each_other():
    regions, x = close("compiled", dim=256)
    one, two = torch.randn(64, 256).bfloat16(), torch.randn(256, 64).bfloat16()
    before, table = one @ two, of_two_turns(regions, x).block(0, 120)
    assert torch.equal(one @ two, before)
    assert torch.equal(of_two_turns(regions, x).block(0, 120), table)


def test_exp64_is_exp_to_float64():
    x = torch.linspace(-45, 45, 2001, dtype=torch.float64)
    expected = torch.tensor([math.exp(one) for one in x.tolist()], dtype=torch.float64)
    assert torch.allclose(exp64(x), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_region_without_a_cosine_names_its_candidate(bad):
    vectors = torch.ones(3, 2, 4)
    vectors[2, 1] = bad
    with pytest.raises(ValueError, match="region 1 of candidate 2 has length"):
        RegionVectors(vectors, torch.ones(3, 2, dtype=torch.bool))


def test_a_candidate_without_regions_is_refused():
    with pytest.raises(ValueError, match="candidate 1 has no region"):
        RegionVectors(torch.ones(2, 1, 4), torch.tensor([[True], [False]]))


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_state_vector_without_a_cosine_names_its_session(bad):
    vectors = torch.ones(3, 8)
    vectors[1] = bad
    scores = StateScores.start(3, 2, laid_out(*ragged(5, 2, 8, seed=0)), CODE)
    with pytest.raises(ValueError, match="state vector of session 1 has length"):
        scores.after(torch.zeros(3, dtype=torch.long), vectors)


@pytest.mark.parametrize("slot", [-1, 2])
def test_a_slot_that_is_not_there_is_refused(slot):
    scores = StateScores.start(1, 2, laid_out(*ragged(5, 2, 8, seed=0)), CODE)
    with pytest.raises(ValueError, match=r"slots are 0\.\.1"):
        scores.after(torch.tensor([slot]), torch.ones(1, 8))


def test_state_vectors_of_another_width_are_refused():
    scores = StateScores.start(1, 2, laid_out(*ragged(5, 2, 8, seed=0)), CODE)
    with pytest.raises(ValueError, match="state vectors have 7 numbers, the gallery's regions 8"):
        scores.after(torch.tensor([0]), torch.ones(1, 7))


def test_sessions_without_slots_are_refused():
    with pytest.raises(ValueError, match="at least one state vector, not 0"):
        StateScores.start(1, 0, laid_out(*ragged(5, 2, 8, seed=0)), CODE)


@pytest.mark.parametrize("sharpness", [-1.0, 41.0, math.nan])
def test_a_sharpness_that_float32_cannot_hold_is_refused(sharpness):
    with pytest.raises(ValueError, match=r"sharpness is 0\.\.40"):
        RegionFormula(sharpness)


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
