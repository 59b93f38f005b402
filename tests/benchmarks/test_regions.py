import json

import pytest
import torch

from benchmarks import regions, scaling, trained_sessions
from benchmarks.region_rankers import (
    Played,
    agreement,
    by_classic_ranker,
    by_state_scores,
    random_sessions,
    without_kernel,
)
from benchmarks.trained_sessions import Recorder
from drilldown.task import Unheard
from multiturn.gallery import Gallery
from multiturn.ranks import Ranks
from multiturn.region_scoring import RegionVectors
from multiturn.replies import TextReply

SMALL = dict(images=60, regions=5, dim=16, turns=4, seed=0)


def test_the_classic_ranker_and_ours_give_the_same_ranks():
    played = random_sessions(**SMALL, sessions=7, slots=3, share=0.3)
    laid_out = RegionVectors(played.images, torch.ones(60, 5, dtype=torch.bool))
    classic = torch.stack([by_classic_ranker(played, session) for session in range(7)])
    ours = by_state_scores(played, laid_out, page=2, batch_size=3)
    with without_kernel(laid_out):
        plain = by_state_scores(played, laid_out, page=2, batch_size=7)
    assert torch.equal(ours.best, classic)
    assert torch.equal(ours.worst, classic)
    assert torch.equal(plain.best, classic)


def test_slots_that_a_policy_chose_are_followed():
    played = random_sessions(**SMALL, sessions=5, slots=3)
    slots = torch.randint(3, (4, 5), generator=torch.Generator().manual_seed(1))
    chosen = Played(played.images, played.vectors, played.targets, 3, slots)
    laid_out = RegionVectors(played.images, torch.ones(60, 5, dtype=torch.bool))
    classic = torch.stack([by_classic_ranker(chosen, session) for session in range(5)])
    assert torch.equal(by_state_scores(chosen, laid_out, page=2, batch_size=3).best, classic)
    assert not torch.equal(by_state_scores(played, laid_out, page=2, batch_size=3).best, classic)


def test_ranks_that_do_not_hold_are_counted():
    played = random_sessions(**SMALL, sessions=3, slots=2)
    right = torch.stack([by_classic_ranker(played, session) for session in range(3)])
    wrong = right.clone()
    wrong[1, 2] = wrong[1, 2] % 60 + 1
    counted = agreement(played, {"right": Ranks(right, right, 60), "wrong": Ranks(wrong, wrong, 60)}, 3)
    assert counted == {"right": {"right": 12, "of": 12}, "wrong": {"right": 11, "of": 12}}


def test_more_classic_sessions_than_sessions_are_refused():
    with pytest.raises(ValueError, match="at most the 3 sessions, not 4"):
        regions.regions(sessions=3, classic_sessions=4)


def test_sessions_of_other_sizes_than_are_measured_are_refused(monkeypatch):
    played = random_sessions(**SMALL, sessions=3, slots=2)
    monkeypatch.setattr(trained_sessions, "trained_sessions", lambda checkpoint, sessions: (played, "Drill-down"))
    with pytest.raises(ValueError, match=r"Drill-down has other sizes.*--images 60 --regions 5 --dim 16 --turns 4"):
        regions.regions(sessions=3, classic_sessions=2, states=2, checkpoint="runs/some")


def test_a_model_without_state_vectors_cannot_be_recorded():
    gallery = Gallery.of(["a", "b"], torch.eye(2), "fingerprint", "test")
    recorder = Recorder(Unheard())
    with pytest.raises(ValueError, match="no model with state vectors"):
        recorder.update(recorder.start(1, gallery), TextReply(("a dog",)), gallery)


@pytest.mark.slow
def test_the_regions_benchmark_ranks_sessions_of_a_trained_model(tmp_path, monkeypatch):
    played = random_sessions(**SMALL, sessions=8, slots=2)
    monkeypatch.setattr(trained_sessions, "trained_sessions", lambda checkpoint, sessions: (played, "Drill-down"))
    result = regions.regions(
        **dict(SMALL, sessions=8, classic_sessions=2, states=2, rounds=1), checkpoint="runs/some", output=tmp_path
    )
    assert "States of a trained model" in regions.table_of_regions(result)


@pytest.mark.slow
def test_the_regions_benchmark_writes_a_result_that_the_readme_can_show(tmp_path):
    result = regions.regions(
        images=60, regions=5, dim=16, sessions=8, classic_sessions=2, turns=3, states=2, rounds=1, output=tmp_path
    )
    assert json.loads((tmp_path / "regions.json").read_text()) == result
    table = regions.table_of_regions(result)
    assert "12 of 12" in table and "each way in a process of its own" in table
    assert "all in one process" in regions.table_of_regions({**result, "processes": None})
    assert all(len(way["seconds"]) == 1 for kind in result["kinds"].values() for way in kind["ways"].values())


@pytest.mark.slow
def test_the_scaling_benchmark_writes_a_result_that_the_readme_can_show(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "GROWING", ("images",))
    result = scaling.scaling(images=40, regions=3, dim=16, states=2, turns=2, sessions=8, batch_size=4, output=tmp_path)
    assert json.loads((tmp_path / "scaling.json").read_text()) == result
    assert "| images | 160 |" in scaling.table_of_scaling(result)
