"""Claims about the kernel for GPUs: as near the exact scores as it says, by Triton's interpreter or a real device."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.search import search

pytest.importorskip("triton", reason="Triton has no wheel for this system")
interpreted = pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="runs inside another test")


def ragged(candidates: int, regions: int, dim: int) -> RegionVectors:
    generator = torch.Generator().manual_seed(dim)
    mask = torch.rand(candidates, regions, generator=generator) > 0.4
    mask[:, 0] = True
    vectors = torch.randn(candidates, regions, dim, generator=generator)
    return RegionVectors(vectors * 10 ** (torch.rand(candidates, regions, 1, generator=generator) * 20 - 10), mask)


def scores_of(regions: RegionVectors, sessions: int = 35, sharpness: float = 9.0) -> StateScores:
    x = torch.randn(sessions, regions.vectors.shape[2], generator=torch.Generator().manual_seed(1))
    scores = StateScores.start(sessions, 1, regions, RegionFormula(sharpness))
    return scores.after(torch.zeros(sessions, dtype=torch.long), x.to(regions.vectors.device))


@pytest.mark.slow
def test_triton_s_interpreter_finds_the_claims_about_the_kernel_true():
    # Triton must be told before it is first imported, which other tests do.
    command = [sys.executable, "-m", "pytest", "-q", "-k", "within_its_slack", __file__]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, cwd=root, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout[-3000:]


@interpreted
@pytest.mark.parametrize(("shape", "sharpness"), [((70, 3, 40), 9.0), ((3, 2, 5), 40.0), ((64, 1, 32), 0.0)], ids=str)
def test_the_kernel_lies_within_its_slack_and_changes_no_rank(monkeypatch, shape, sharpness):
    from multiturn.region_scoring.gpu_kernel import GpuRegions

    regions = ragged(*shape)
    expected = search(scores_of(regions, sharpness=sharpness), 3, torch.zeros(35, dtype=torch.long))
    screen = GpuRegions(regions.vectors, regions.norms, regions.mask)
    monkeypatch.setattr(RegionVectors, "screen", screen)
    scores = scores_of(regions, sharpness=sharpness)
    pairs = torch.cartesian_prod(torch.arange(35), torch.arange(shape[0]))
    exact = scores.exact(pairs[:, 0], pairs[:, 1]).view(35, -1)
    assert bool(((scores.block(0, shape[0]).double() - exact).abs() <= scores.slack[:, None]).all())
    found = search(scores, 3, torch.zeros(35, dtype=torch.long))
    assert found.ranks is not None and expected.ranks is not None
    assert torch.equal(found.positions, expected.positions) and torch.equal(found.ranks.worst, expected.ranks.worst)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_ranks_as_the_processor_does_and_keeps_no_similarities_of_regions():
    here = ragged(2000, 36, 256)
    there = RegionVectors(here.vectors.cuda(), here.mask.cuda())
    watched = torch.arange(35)
    expected = search(scores_of(here), 3, watched).ranks
    assert type(there.screen).__name__ == "GpuRegions"
    scores_of(there).block(0, 2000)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    found = search(scores_of(there), 3, watched.cuda()).ranks
    assert expected is not None and found is not None
    assert torch.equal(found.worst.cpu(), expected.worst)
    scores, cosines_of_a_block = 35 * 2000 * 4, 35 * there.at_once * 36 * 4  # bytes; PyTorch would hold both
    assert torch.cuda.max_memory_allocated() - before < 4 * scores < cosines_of_a_block


def test_without_a_compiler_for_the_gpu_pytorch_does_its_work(monkeypatch):
    from multiturn.region_scoring import gpu_kernel

    def no_compiler(*_: object) -> None:
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

    monkeypatch.setattr(gpu_kernel.GpuRegions, "score", no_compiler)
    with pytest.warns(UserWarning, match="Triton cannot make the GPU kernel.*Failed to find C compiler"):
        assert ragged(20, 3, 8)._on_gpu is None
