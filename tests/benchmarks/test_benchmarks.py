import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import multiturn.training
from benchmarks import epoch, full_size, played, rankers, search, search_whole
from benchmarks.blocks import epoch_block, full_size_block, search_block
from benchmarks.epoch import REST, watched
from benchmarks.rankers import Batch, by_loop, by_search, by_table, check, faiss_index, first_of
from benchmarks.search_whole import table_of_whole_search
from benchmarks.stopwatch import Stopwatch

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = dict(candidates=600, targets=40, dim=16, turns=2, train_targets=128, checked=5, resamples=20)


@pytest.fixture(autouse=True)
def no_real_data(monkeypatch):
    monkeypatch.delenv("RETRIEVAL_REAL_DATA", raising=False)


def test_all_ways_find_the_same_nearest_and_ranks():
    batch = search.simulated(400, 16, 8, seed=0)
    ways = (
        by_search(batch),
        by_loop(batch),
        by_table(batch),
        first_of(faiss_index(batch.gallery.vectors), batch.queries, 1),
    )
    assert all(torch.equal(way.nearest, ways[0].nearest) for way in ways)
    assert all(torch.equal(way.ranks.best, ways[0].ranks.best) for way in ways[:3] if way.ranks)


def test_faiss_returns_no_ranks():
    batch = search.random_normal(50, 16, 2, seed=0)
    index = faiss_index(batch.gallery.vectors)
    answers = [first_of(index, batch.queries, 100, matrices) for matrices in (True, False)]
    assert all(answer.ranks is None for answer in answers)
    assert torch.equal(answers[0].nearest, answers[1].nearest)


def test_a_wrong_answer_is_not_counted_as_right():
    batch = search.random_normal(50, 16, 4, seed=0)
    wrong = by_loop(search.random_normal(50, 16, 4, seed=1))
    assert check(batch, {"wrong": wrong}, "test")["wrong"]["nearest"] < 4


@pytest.mark.slow
def test_the_search_benchmark_writes_a_result_that_the_readme_can_show(tmp_path):
    result = search.search(candidates=400, dim=16, sessions=4, rounds=1, output=tmp_path)
    assert json.loads((tmp_path / "search.json").read_text()) == result
    assert "8 of 8" in search_block(result)
    assert "faiss returns no ranks" in search_block(result)


@pytest.mark.slow
def test_the_whole_search_checks_its_answers_and_makes_a_table(tmp_path, monkeypatch):
    sizes = {"candidates": 300, "targets": 50, "dim": 16, "turns": 2, "batch_size": 20, "checked": 4}
    result = search_whole.search_whole(**sizes, output=tmp_path)
    assert json.loads((tmp_path / "search_whole.json").read_text()) == result
    for kind in result["kinds"].values():
        assert kind["right"] == {"nearest": 8, "ranks": 8, "faiss_nearest": 8}
        assert all(len(way["seconds"]) == 2 and min(way["seconds"]) > 0 for way in kind["ways"].values())
    assert "16 of 16 | 16 of 16 |" in table_of_whole_search(result)
    with pytest.raises(ValueError, match="targets must be fewer than the 50 candidates, not 50"):
        search_whole.search_whole(candidates=50, targets=50, output=tmp_path)
    monkeypatch.setattr(
        rankers, "by_search", lambda batch: by_loop(Batch(batch.gallery, -batch.queries, batch.targets))
    )
    with pytest.raises(RuntimeError, match="of 8 answers of ours only"):
        search_whole.search_whole(**sizes, output=tmp_path)


def test_watching_an_epoch_leaves_the_engine_as_it_was():
    before = multiturn.training._one_epoch
    with watched(Stopwatch()):
        assert multiturn.training._one_epoch is not before
    assert multiturn.training._one_epoch is before


@pytest.mark.slow
def test_the_epoch_benchmark_sees_every_part(tmp_path):
    result = epoch.epoch(faces=[256], dim=16, batch_size=64, turns=2, epochs=2, output=tmp_path)
    (size,) = result["sizes"]
    parts = {"search", "choosing the shown face", "user simulation", "GRU forward", "loss", "backward", "optimiser"}
    assert set(size["seconds"]) == parts | {REST}
    assert all(second > 0 for second in size["seconds"].values())
    assert "| Search |" in epoch_block(result)


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 1])
def test_the_full_size_benchmark_writes_a_result_that_the_readme_can_show(tmp_path, epochs):
    result = full_size.full_size(**SMALL, epochs=epochs, simulate_attributes=True, output=tmp_path)
    assert json.loads((tmp_path / "full_size.json").read_text()) == result
    assert result["ranks_checked"] == 5 * 3
    assert result["first_target"] == "000561.jpg"
    assert len(result["seconds_per_turn"]) == 3
    assert result["memory"]["gallery_megabytes"] < result["memory"]["peak_megabytes"]["played"]
    assert "simulated features" in full_size_block(result)


@pytest.mark.slow
def test_the_full_size_benchmark_says_what_it_lacks_and_exits_with_2():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.full_size"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "RETRIEVAL_REAL_DATA is not set" in done.stderr


@pytest.mark.slow
def test_faiss_is_measured_at_its_best_whatever_the_environment_says(tmp_path):
    sizes = "--candidates 300 --targets 20 --batch_size 20 --dim 8 --turns 1 --checked 2 --output"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search_whole", *sizes.split(), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_CORETYPE": "Sandybridge"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "OPENBLAS_CORETYPE=Sandybridge is left aside" in done.stderr
    told = json.loads((tmp_path / "search_whole.json").read_text())["faiss_products"]
    assert "Sandybridge" not in told


def test_a_wrong_answer_of_ours_stops_the_benchmark(monkeypatch):
    monkeypatch.setattr(rankers, "by_search", lambda *_: by_loop(search.random_normal(50, 16, 4, seed=1)))
    with pytest.raises(RuntimeError, match="of 4 answers of ours only"):
        rankers.compare(search.random_normal(50, 16, 4, seed=0), rounds=1, title="test")


@pytest.mark.slow
def test_a_wrong_rank_is_found_out(monkeypatch, tmp_path):
    monkeypatch.setattr(played, "rank_bracket", lambda *_: (601, 601))
    with pytest.raises(RuntimeError, match=r"but 601\.\.601 in float64"):
        full_size.full_size(**SMALL, epochs=0, simulate_attributes=True, output=tmp_path)
