import time

import pytest
import torch

from benchmarks.program import machine
from benchmarks.reference import is_nearest, rank_bracket, squared_distances
from benchmarks.run import TINY, command
from benchmarks.stopwatch import Stopwatch
from multiturn.ranks import ranks_of_targets


def test_the_time_of_an_inner_part_counts_for_it_alone():
    watch = Stopwatch()
    with watch.part("outer"), watch.part("inner"):
        time.sleep(0.05)
    assert watch.seconds["inner"] >= 0.05
    assert watch.seconds["outer"] < 0.02


def test_parts_add_up_to_the_whole():
    watch = Stopwatch()
    begun = time.perf_counter()
    with watch.part("outer"):
        for _ in range(3):
            watch.timed("inner", time.sleep)(0.01)
    assert sum(watch.seconds.values()) == pytest.approx(time.perf_counter() - begun, abs=0.01)


def test_a_timed_function_returns_what_it_returns():
    assert Stopwatch().timed("part", max)(2, 3) == 3


def test_the_bracket_of_a_rank_holds_the_counted_one():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randint(-2, 3, (300, 3), generator=generator).float()
    for target in range(20):
        distances = squared_distances(vectors, vectors[0])
        ranks = ranks_of_targets(-distances[None], torch.tensor([target]))
        assert rank_bracket(distances, target) == (ranks.best.item(), ranks.worst.item())


def test_the_nearest_is_nearest_and_the_farthest_is_not():
    distances = squared_distances(torch.tensor([[0.0], [3.0], [1.0]]), torch.tensor([0.9]))
    assert [is_nearest(distances, position) for position in range(3)] == [False, False, True]


@pytest.mark.parametrize("name", TINY)
def test_a_quick_run_leaves_the_published_results_alone(name):
    assert command(name, quick=True, output=None)[-2:] == ["--output", "runs/bench-quick"]


def test_a_full_run_draws_attributes_only_without_the_real_data(monkeypatch):
    monkeypatch.setenv("RETRIEVAL_REAL_DATA", "folder")
    assert "--simulate_attributes" not in command("full_size", quick=False, output=None)
    monkeypatch.delenv("RETRIEVAL_REAL_DATA")
    assert "--simulate_attributes" in command("full_size", quick=False, output=None)


def test_the_machine_is_described():
    assert {"cpu", "cores", "threads", "device", "other_programs", "versions"} <= machine().keys()
