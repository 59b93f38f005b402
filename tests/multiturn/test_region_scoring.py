"""Claims about scores of several state vectors against regions: exact, carried along, and never moved by padding."""

import math

import numpy as np
import pytest
import torch

from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.region_scoring.pairs import Pairs, exp64
from multiturn.scoring import Scores
from multiturn.search import search
from tests.multiturn.drawn_regions import (
    CODE,
    FORMULAS,
    close,
    everything,
    in_all_ways,
    laid_out,
    of_two_turns,
    played,
    ragged,
    same,
    slow,
)

GRID = 2.0**-36


@in_all_ways
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
@pytest.mark.parametrize("shape", [(3, 1, 1), (40, 5, 7), (70, 6, 33)], ids=str)
def test_exact_scores_agree_with_slow_loops_on_ragged_regions(shape, formula, way):
    vectors, mask = ragged(*shape, seed=1)
    scores, states = played(laid_out(vectors, mask, way), formula, turns=4, sessions=3, slots=3, seed=2)
    expected = slow(states, vectors, mask, formula)
    np.testing.assert_allclose(everything(scores).numpy(), expected, rtol=0, atol=0.51 * GRID)
    assert isinstance(scores, Scores)


def test_padding_anywhere_moves_no_bit():
    vectors, mask = ragged(50, 6, 33, seed=3)
    int16, real = torch.full((50, 11, 33), torch.nan), torch.zeros(50, 11, dtype=torch.bool)
    for candidate in range(50):
        own = vectors[candidate][mask[candidate]]
        places = torch.randperm(11, generator=torch.Generator().manual_seed(candidate))[: len(own)].sort().values
        int16[candidate, places], real[candidate, places] = own, True
    found = []
    for regions in (laid_out(vectors, mask), laid_out(int16, real)):
        scores, _ = played(regions, CODE, turns=5, sessions=4, slots=3, seed=4)
        pairs = Pairs.scores(scores._pairs, torch.zeros(50, dtype=torch.long), torch.arange(50))
        found.append((everything(scores), scores.block(0, 50), search(scores, 5, torch.arange(4)), pairs))
    (exact, block, one, _), (same_exact, same_block, two, _) = found
    assert torch.equal(exact, same_exact)
    assert same(one, two)
    assert torch.allclose(block, same_block, rtol=0, atol=1e-6)


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


@in_all_ways
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


def test_vectors_that_their_owner_writes_to_later_move_no_score():
    regions, vectors = laid_out(*ragged(20, 5, 16, seed=8)), torch.randn(4, 16)
    scores = StateScores.start(4, 2, regions, CODE).after(torch.zeros(4, dtype=torch.long), vectors)
    twin = StateScores.start(4, 2, regions, CODE).after(torch.zeros(4, dtype=torch.long), vectors.clone())
    vectors.zero_()
    assert torch.equal(everything(scores), everything(twin))


def test_before_anything_was_said_all_candidates_tie():
    scores = StateScores.start(2, 3, laid_out(*ragged(9, 4, 8, seed=0)), CODE)
    found = search(scores, 2, torch.tensor([3, 8]))
    assert found.ranks is not None
    assert found.positions.tolist() == [[0, 1], [0, 1]]
    assert (found.ranks.best.tolist(), found.ranks.worst.tolist()) == ([1, 1], [9, 9])


@in_all_ways
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


@in_all_ways
def test_compiled_and_pytorch_scores_are_equal_bits(way):
    one, two = (of_two_turns(*close(each)) for each in (way, "pytorch"))
    assert torch.equal(everything(one), everything(two))
    assert same(search(one, 20, torch.arange(9)), search(two, 20, torch.arange(9)))


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_sums_in_a_fixed_order_have_the_same_bits_compiled_and_not(formula):
    for vectors, mask in (ragged(40, 7, 33, seed=1), ragged(40, 1, 1, seed=2), ragged(9, 5, 256, seed=3)):
        made = []
        for way in ("compiled", "pytorch"):
            scores, _ = played(laid_out(vectors, mask, way), formula, turns=4, sessions=3, slots=3, seed=5)
            pairs = torch.cartesian_prod(torch.arange(3), torch.arange(len(vectors)))
            made.append(scores._pairs._careful(pairs[:, 0], pairs[:, 1]))
        assert torch.equal(*made)


@pytest.mark.parametrize("slots", [1, 7])
def test_quick_scores_do_not_depend_on_how_many_pairs_share_an_image(slots):
    scores, _ = played(laid_out(*ragged(3, 30, 17, seed=1)), CODE, turns=12, sessions=40, slots=slots, seed=2)
    pairs = torch.cartesian_prod(torch.arange(40), torch.arange(3))
    together = scores._pairs._compiled(pairs[:, 0], pairs[:, 1])
    alone = [scores._pairs._compiled(*pair[:, None]) for pair in pairs]
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=scores._pairs.reach)


@in_all_ways
def test_quick_scores_round_as_those_summed_in_a_fixed_order(way, monkeypatch):
    scores = of_two_turns(*close(way))
    quick = everything(scores)
    monkeypatch.setattr(Pairs, "reach", math.inf)
    assert torch.equal(quick, everything(scores))


@in_all_ways
def test_the_bound_of_quick_sums_is_less_once_columns_are_known_and_holds(way):
    scores = of_two_turns(*close(way))
    before = scores._pairs.reach
    scores.block(0, 1)
    after = scores._pairs.reach
    assert 0 < after < before
    pairs = torch.cartesian_prod(torch.arange(scores.shape[0]), torch.arange(scores.shape[1]))
    quick = scores._pairs._quick(*pairs.T, len(pairs)) if way == "pytorch" else scores._pairs._compiled(*pairs.T)
    careful = scores._pairs._careful(*pairs.T)
    assert 0 < float((quick - careful).abs().max()) <= after


@in_all_ways
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


@in_all_ways
def test_permuting_the_gallery_permutes_the_scores(way):
    vectors, mask = ragged(50, 5, 12, seed=12)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    one, _ = played(laid_out(vectors, mask, way), CODE, turns=3, sessions=3, slots=2, seed=1)
    two, _ = played(laid_out(vectors[order], mask[order], way), CODE, turns=3, sessions=3, slots=2, seed=1)
    assert torch.equal(everything(one)[:, order], everything(two))


@in_all_ways
def test_images_of_equal_regions_tie_exactly(way):
    found = search(of_two_turns(*close(way)), 1, torch.full((9,), 65))
    assert found.ranks is not None
    assert bool((found.ranks.worst - found.ranks.best == 1).all())


@in_all_ways
def test_mixed_precision_and_gradients_change_nothing(way):
    regions, x = close(way)
    expected = search(of_two_turns(regions, x), 5, torch.arange(9))
    with torch.autocast("cpu", torch.bfloat16):
        scores = of_two_turns(regions, x.clone().requires_grad_())
        assert same(search(scores, 5, torch.arange(9)), expected)
    assert not scores.block(0, 3).requires_grad


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
