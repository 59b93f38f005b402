"""Drawn regions and state vectors, scored in all ways that there are, and by loops."""

import math
from copy import copy

import numpy as np
import pytest
import torch

from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.region_scoring.kernel import Kernel, kernel
from multiturn.search import Found

CODE, PAPER = RegionFormula(), RegionFormula(1 / 9, True, "all")
FORMULAS = [CODE, PAPER, RegionFormula(0.0), RegionFormula(40.0, average="all"), RegionFormula(2.5, True)]
BEST = kernel()
KERNELS: list[str] = []  # of the fastest that this processor has, and of those for lesser ones
if BEST is not None:
    KERNELS = ["compiled", *(["without AMX"] * BEST.amx), *(["with AVX2"] * (BEST.lanes == 16))]
WAYS = [*KERNELS, "pytorch"]
in_all_ways = pytest.mark.parametrize("way", WAYS)


def ragged(candidates: int, regions: int, dim: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random regions, each candidate with one at least and with padding anywhere."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(candidates, regions, generator=generator) > 0.4
    mask[torch.arange(candidates), torch.randint(regions, (candidates,), generator=generator)] = True
    return torch.randn(candidates, regions, dim, generator=generator), mask


def kernel_of(way: str) -> Kernel | None:
    """The kernel that scores in one of the ways, if it is one of `KERNELS`."""
    if way == "pytorch" or BEST is None:
        return None
    if way == "with AVX2":
        short = kernel("-mno-avx512f")
        assert short is not None and short.lanes == 8
        return short
    own = copy(BEST)
    own.amx = BEST.amx and way != "without AMX"
    return own


def laid_out(vectors: torch.Tensor, mask: torch.Tensor, way: str = "compiled") -> RegionVectors:
    """Regions to be scored in one of the ways."""
    regions = RegionVectors(vectors, mask)
    regions.kernel = kernel_of(way)
    return regions


def everything(scores: StateScores) -> torch.Tensor:
    """Exact scores of all sessions with all candidates."""
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


def same(one: Found, other: Found) -> bool:
    """Whether all that was found is equal, bit by bit."""
    assert one.ranks is not None and other.ranks is not None
    pairs = [(one.positions, other.positions), (one.scores, other.scores)]
    pairs += [(one.ranks.best, other.ranks.best), (one.ranks.worst, other.ranks.worst)]
    return all(torch.equal(a, b) for a, b in pairs)


def close(way: str, dim: int = 40) -> tuple[RegionVectors, torch.Tensor]:
    """Images closer to each other than float32 can tell, with some equal ones; and vectors of nine sessions."""
    generator = torch.Generator().manual_seed(11)
    base = torch.randn(1, 5, dim, generator=generator)
    vectors = base * (1 + 2.0**-20 * torch.randn(120, 5, dim, generator=generator))
    vectors[60:90] = vectors[:30]
    return laid_out(vectors, torch.ones(120, 5, dtype=torch.bool), way), torch.randn(2, 9, dim, generator=generator)


def of_two_turns(regions: RegionVectors, x: torch.Tensor) -> StateScores:
    """The scores after two turns that filled a slot each."""
    scores = StateScores.start(x.shape[1], 2, regions, CODE)
    return scores.after(torch.zeros(x.shape[1], dtype=torch.long), x[0]).after(torch.ones(x.shape[1]).long(), x[1])
