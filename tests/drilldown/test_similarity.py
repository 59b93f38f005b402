"""Claims about similarity in training: it is eq. (1) or the released code's, whatever the padding and the blocks."""

import math

import pytest
import torch

import drilldown.similarity as similarity
from drilldown.retriever import formula_of
from drilldown.similarity import Pictures, StateTable, own_similarities, similarities
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores

GENERATOR = torch.Generator().manual_seed(3)
COUNTS = [1, 5, 2, 4, 5, 3]
MASK = torch.arange(5) < torch.tensor(COUNTS)[:, None]
REGIONS = torch.randn(6, 5, 7, generator=GENERATOR)
VECTORS = torch.randn(4, 7, generator=GENERATOR) * 3
FORMULAS = [formula_of("code", 9.0), formula_of("paper", 9.0), RegionFormula(30.0), RegionFormula(0.0, True)]


def by_hand(vector: torch.Tensor, picture: int, formula: RegionFormula) -> float:
    """One state vector and one picture, in float64, number by number."""
    x = vector.tolist()
    cosines = []
    for region in range(COUNTS[picture]):
        v = REGIONS[picture, region].tolist()
        product = sum(a * b for a, b in zip(x, v, strict=True))
        cosines.append(product / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in v)))
    weights = [math.exp(formula.sharpness * cosine) for cosine in cosines]
    attended = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
    return attended / len(cosines) if formula.per_region else attended


def pictures(regions: torch.Tensor = REGIONS, mask: torch.Tensor = MASK) -> Pictures:
    return Pictures.of(regions, mask)


def test_the_paper_divides_by_nine_and_by_the_regions_and_the_code_does_neither():
    assert formula_of("code", 9.0) == RegionFormula(9.0, False, "filled")
    assert formula_of("paper", 9.0) == RegionFormula(1 / 9, True, "all")


@pytest.mark.parametrize("formula", FORMULAS)
def test_it_agrees_with_a_slow_loop_on_ragged_pictures(formula):
    found = similarities(VECTORS, pictures(), formula)
    for session in range(4):
        for picture in range(6):
            expected = by_hand(VECTORS[session], picture, formula)
            assert float(found[session, picture]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_similarity_with_the_own_picture_is_that_of_the_table(formula):
    choices = torch.randn(6, 3, 7, generator=torch.Generator().manual_seed(1))
    own = own_similarities(choices, pictures(), formula)
    for choice in range(3):
        whole = similarities(choices[:, choice], pictures(), formula)
        torch.testing.assert_close(own[:, choice], whole.diagonal())


@pytest.mark.parametrize("formula", FORMULAS)
def test_what_fills_up_the_table_changes_nothing(formula):
    spoilt = torch.where(MASK[..., None], REGIONS, 1e6 * torch.ones_like(REGIONS))
    wider = torch.nn.functional.pad(spoilt, (0, 0, 0, 4), value=-3.0)
    mask = torch.nn.functional.pad(MASK, (0, 4))
    expected = similarities(VECTORS, pictures(), formula)
    torch.testing.assert_close(similarities(VECTORS, pictures(wider, mask), formula), expected)


def test_what_fills_up_the_table_gets_no_gradient():
    regions = REGIONS.clone().requires_grad_()
    similarities(VECTORS, pictures(regions), FORMULAS[0]).sum().backward()
    assert regions.grad is not None
    assert bool((regions.grad[~MASK] == 0).all())
    assert bool((regions.grad[MASK] != 0).any(-1).all())


def test_a_picture_computed_in_blocks_has_the_same_similarities_and_gradients(monkeypatch):
    results = []
    for cells in (1 << 23, 4 * 5 * 2):
        monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", cells)
        regions, vectors = REGIONS.clone().requires_grad_(), VECTORS.clone().requires_grad_()
        found = similarities(vectors, pictures(regions), FORMULAS[0])
        found.square().sum().backward()
        results.append((found.detach(), regions.grad, vectors.grad))
    for whole, blocks in zip(*results, strict=True):
        torch.testing.assert_close(whole, blocks)


def test_blocks_hold_no_more_cosines_than_they_may(monkeypatch):
    sizes = []
    inner = similarity._attended

    def watched(cosines, mask, formula):
        sizes.append(cosines.numel())
        return inner(cosines, mask, formula)

    monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", 4 * 5 * 2)
    monkeypatch.setattr(similarity, "_attended", watched)
    similarities(VECTORS, pictures(), FORMULAS[0])
    assert len(sizes) == 3 and max(sizes) == 4 * 5 * 2


@pytest.mark.parametrize("formula", FORMULAS[:2])
def test_rescoring_what_changed_equals_scoring_all_states_by_hand(formula):
    slots = torch.tensor([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0], [2, 2, 2, 2], [1, 0, 2, 2]])
    spoken = torch.randn(5, 4, 7, generator=torch.Generator().manual_seed(2))
    table = StateTable.empty(4, 3, 6, REGIONS, formula)
    kept: dict[tuple[int, int], torch.Tensor] = {}
    for turn, (slot, vector) in enumerate(zip(slots, spoken, strict=True)):
        kept |= {(session, int(slot[session])): vector[session] for session in range(4)}
        filled = len({place for _, place in kept})
        table = table.after(slot, similarities(vector, pictures(), formula), filled)
        for session in range(4):
            states = [state for (owner, _), state in kept.items() if owner == session]
            for picture in range(6):
                total = sum(by_hand(state, picture, formula) for state in states)
                expected = total / (3 if formula.average == "all" else len(states))
                assert float(table.scores[session, picture]) == pytest.approx(expected, abs=1e-6), turn


@pytest.mark.parametrize("formula", FORMULAS[:2])
def test_training_scores_as_retrieval_does(formula):
    regions = RegionVectors(REGIONS, MASK)
    live = StateScores.start(4, 2, regions, formula)
    table = StateTable.empty(4, 2, 6, REGIONS, formula)
    for turn, slot in enumerate([0, 1, 0]):
        vectors, places = VECTORS.roll(turn, 0), torch.full((4,), slot)
        live = live.after(places, vectors)
        table = table.after(places, similarities(vectors, pictures(), formula), min(turn + 1, 2))
        pairs = torch.cartesian_prod(torch.arange(4), torch.arange(6))
        exact = live.exact(pairs[:, 0], pairs[:, 1]).view(4, 6)
        torch.testing.assert_close(table.scores.double(), exact, atol=1e-6, rtol=0)


def test_a_table_is_not_written_to():
    table = StateTable.empty(4, 2, 6, REGIONS, FORMULAS[0])
    table.after(torch.zeros(4, dtype=torch.long), torch.ones(4, 6), 1)
    assert not bool(table.columns.any())
