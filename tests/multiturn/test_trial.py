"""Claims about trials and the numbers of a report: no batch size matters, and comparisons are paired."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from multiturn.evaluation import difference, harm_rate, per_turn, tie_warnings
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex
from multiturn.ranks import Ranks
from multiturn.replies import RelevanceReply
from multiturn.results import Results, results_of
from multiturn.scoring import DenseScores, VectorScores
from multiturn.settings import EvaluationSettings
from multiturn.transcript import read_transcript
from multiturn.trial import Outcome, Trial, run

GALLERY = Gallery.of(
    [f"{i:03d}" for i in range(30)], torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), "f", "thirty"
)
SETTINGS = EvaluationSettings(turns=3, batch_size=4, recall_at=[1, 5], resamples=50)


class Sums:
    """Scores by the product with the sum of what was shown and liked."""

    def start(self, sessions, gallery):
        return torch.zeros(sessions, 3)

    def update(self, state, reply, gallery):
        return state + (gallery.vectors[reply.judged] * reply.liked[:, :, None]).sum(1)

    def score(self, state, gallery):
        return DenseScores((state[:, None, :] * gallery.vectors).sum(2))


class Nods:
    def reply(self, turn, target):
        near = (GALLERY.vectors[turn.shown] * GALLERY.vectors[target][:, None]).sum(2) > 0
        return RelevanceReply(turn.shown, torch.where(near, 1, -1).to(torch.int8))


class Silent:
    def reply(self, turn, target):
        return RelevanceReply(turn.shown, torch.zeros_like(turn.shown, dtype=torch.int8))


def norm_of_shown(turn, target):
    return {"norm": GALLERY.vectors[turn.shown[:, 0]].norm(dim=1)}


TRIAL = Trial("sums", Sums(), GALLERY, Nods(), torch.arange(10), 3, 2, measures=norm_of_shown)


class Query(Sums):
    """Sums, by vectors that an index can look for."""

    def score(self, state, gallery):
        return VectorScores(state, gallery.vectors, gallery.norms, "dot")


def test_an_index_changes_pages_and_never_how_a_rank_is_found():
    exact = run(replace(TRIAL, retriever=Query()), 4, show_progress=False)
    near = replace(TRIAL, retriever=Query(), index=ExactIndex(GALLERY, "dot"))
    found = run(near, 4, show_progress=False)
    assert torch.equal(found.shown, exact.shown) and torch.equal(found.ranks.worst, exact.ranks.worst)

    class Poor(ExactIndex):
        def propose(self, queries, k):
            return torch.arange(k).expand(len(queries), k)

    shown = run(replace(near, index=Poor(GALLERY, "dot"), user=Silent()), 4, show_progress=False)
    control = run(replace(TRIAL, retriever=Query(), user=Silent()), 4, show_progress=False)
    assert set(shown.shown.flatten().tolist()) == {0, 1}
    assert torch.equal(shown.ranks.best, control.ranks.best)


def results(best: list[list[int]], worst: list[list[int]] | None = None, candidates: int = 30) -> Results:
    ranks = Ranks(torch.tensor(best), torch.tensor(worst or best), candidates)
    trial = replace(TRIAL, targets=torch.arange(len(best)))
    return results_of(Outcome(trial, ranks, torch.zeros(1, 1, 1, dtype=torch.long), {}))


@pytest.mark.parametrize("batch_size", [1, 3, 10, 99])
@pytest.mark.parametrize("opening", [None, torch.arange(20).view(10, 2)])
def test_the_batch_size_changes_nothing(batch_size, opening):
    trial = replace(TRIAL, opening=opening)
    one, other = run(trial, 4, show_progress=False), run(trial, batch_size, show_progress=False)
    assert torch.equal(one.ranks.best, other.ranks.best)
    assert torch.equal(one.ranks.worst, other.ranks.worst)
    assert torch.equal(one.shown, other.shown)
    assert torch.equal(one.measures["norm"], other.measures["norm"])
    assert one.shown.shape == (10, 4, 2)


def test_the_transcript_holds_every_turn_of_every_session(tmp_path):
    found = run(TRIAL, 4, tmp_path / "t.jsonl", show_progress=False)
    read = read_transcript(tmp_path / "t.jsonl")
    assert read.header["gallery"] == "thirty"
    assert len(read.rows) == 10 * 4
    for row in read.rows:
        session, turn = row["session"], row["turn"]
        assert row["rank"] == [found.ranks.best[session, turn].item(), found.ranks.worst[session, turn].item()]
        assert row["shown"] == [GALLERY.ids[place] for place in found.shown[session, turn].tolist()]
        assert row["target"] == GALLERY.ids[session]


def test_a_trial_that_fails_leaves_no_transcript(tmp_path):
    class Shy(Nods):
        def reply(self, turn, target):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        run(replace(TRIAL, user=Shy()), 4, tmp_path / "t.jsonl", show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_no_targets_are_refused_by_name():
    with pytest.raises(ValueError, match="sums: there is no target"):
        run(replace(TRIAL, targets=torch.zeros(0, dtype=torch.long)), 4, show_progress=False)


def test_every_turn_has_the_means_of_its_column():
    rows = per_turn(results_of(run(TRIAL, 4, show_progress=False)), SETTINGS)
    found = run(TRIAL, 4, show_progress=False)
    ranks = (found.ranks.best + found.ranks.worst).numpy() / 2
    assert [row["turn"] for row in rows] == [0, 1, 2, 3]
    for turn, row in enumerate(rows):
        assert row["mean_rank"] == pytest.approx(ranks[:, turn].mean())
        assert row["median_rank"] == pytest.approx(np.median(ranks[:, turn]))
        assert row["percentile"] == pytest.approx(((30 - ranks[:, turn]) / 29).mean())
        assert row["norm"] == pytest.approx(found.measures["norm"][:, turn].mean().item())
        low, high = row["interval"]["percentile"]
        assert low <= row["percentile"] <= high
    assert rows[0]["ties"]["percentile"] == [0, 1]  # nothing said: every score is zero


def test_ties_are_warned_of_beyond_a_tenth_of_a_point():
    rows = per_turn(results([[1, 3], [2, 4]], [[1, 3], [30, 4]]), SETTINGS)
    warnings = tie_warnings("x", rows)
    assert {line.split(": ")[0] for line in warnings} == {"x, turn 0"}


def test_harm_counts_sessions_that_rank_worse_than_without_feedback():
    silent = results([[5, 5, 5]] * 4)
    found = harm_rate(results([[5, 4, 6], [5, 6, 6], [9, 5, 5], [1, 1, 9]]), silent, SETTINGS)
    assert found.value.tolist() == [0.25, 0.75]


def test_the_harm_rate_has_an_interval_that_narrows_with_more_sessions():
    found = [
        harm_rate(results([[5, 4, 6], [5, 6, 4]] * pairs), results([[5, 5, 5]] * 2 * pairs), SETTINGS)
        for pairs in (2, 5)
    ]
    for one in found:
        assert one.value.tolist() == [0.5, 0.5] and (one.low < 0.5).all() and (one.high > 0.5).all()
    few, many = (one.high - one.low for one in found)
    assert (many < few).all()


def test_without_any_harm_its_interval_has_no_width():
    found = harm_rate(results([[5, 4, 3]] * 4), results([[5, 5, 5]] * 4), SETTINGS)
    assert found.low.tolist() == found.high.tolist() == [0, 0]


def test_a_difference_is_paired_over_targets():
    rng = np.random.default_rng(0)
    base = rng.integers(2, 29, 10)
    one, two = results([[int(rank)] * 2 for rank in base]), results([[int(rank) + 1] * 2 for rank in base])
    found = difference(one, two, "percentile", 0, 0, SETTINGS)
    assert found["difference"] == pytest.approx(1 / 29)
    assert found["interval"] == pytest.approx([1 / 29, 1 / 29])
    assert found["intervals_overlap"]


def test_trials_with_other_targets_cannot_be_compared():
    one, two = results([[1, 1], [2, 2]]), results([[1, 1], [2, 2], [3, 3]])
    with pytest.raises(ValueError, match="cannot be compared"):
        difference(one, two, "percentile", 0, 0, SETTINGS)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("turns", 0),
        ("batch_size", 0),
        ("resamples", 0),
        ("confidence", 1.0),
        ("recall_at", [0]),
        ("page", 0),
        ("hits_from", -1),
    ],
)
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        EvaluationSettings(**{setting: value})
