"""Claims about TREC files: other tools read ours and find the same numbers, and we read those of other tools."""

from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest
import torch

from multiturn.evaluation import per_turn
from multiturn.gallery import Gallery
from multiturn.rank_rows import Searched, tabulate
from multiturn.result_files import read_ranks, read_scores
from multiturn.results import Candidates, Results, results_of
from multiturn.settings import EvaluationSettings
from multiturn.trec import recorded
from multiturn.trial import Trial, run
from tests.multiturn.test_trial import GALLERY, TRIAL

SETTINGS = EvaluationSettings(recall_at=[1, 5], page=5, resamples=20)
SEARCHED = Searched(Candidates(30, "thirty"), GALLERY.ids)


def played(folder: Path, depth: int = 30, trial: Trial = TRIAL) -> Results:
    with recorded(trial, folder, depth) as recording:
        return results_of(run(recording, 4, show_progress=False))


@pytest.mark.parametrize("seen", ["keep", "drop_from_display"])
def test_ir_measures_finds_the_r_at_k_and_mrr_that_we_find(tmp_path, seen):
    ours = per_turn(played(tmp_path, trial=replace(TRIAL, seen=seen)), SETTINGS)
    lists = list(ir_measures.read_trec_run(str(tmp_path / "run.trec")))
    relevant = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec")))
    wanted = {"R@1": ir_measures.R @ 1, "R@5": ir_measures.R @ 5, "reciprocal_rank": ir_measures.RR}
    for row in ours[1:]:  # nothing was said at turn 0, and a tool breaks ties by the names of documents
        ending = f"_{row['turn']}"
        theirs = ir_measures.calc_aggregate(
            list(wanted.values()),
            [one for one in relevant if one.query_id.endswith(ending)],
            [one for one in lists if one.query_id.endswith(ending)],
        )
        assert {name: theirs[measure] for name, measure in wanted.items()} == {
            name: pytest.approx(row[name]) for name in wanted
        }


@pytest.mark.parametrize("read", [read_ranks, read_scores])
def test_our_run_files_give_our_ranks_back(tmp_path, read):
    ours = played(tmp_path)
    rows = read(tmp_path / "run.trec", SEARCHED, tmp_path / "qrels.trec", None, 0)
    theirs = tabulate(rows, "x", SEARCHED.candidates, {})
    assert theirs.sessions == ours.sessions
    assert torch.equal(theirs.ranks.best[:, 1:], ours.ranks.best[:, 1:])
    if read is read_scores:
        assert torch.equal(theirs.ranks.worst, ours.ranks.worst)


def test_the_recording_changes_no_result_and_no_measure(tmp_path):
    one, other = played(tmp_path), results_of(run(TRIAL, 4, show_progress=False))
    assert torch.equal(one.ranks.best, other.ranks.best)
    assert torch.equal(one.measures["norm"], other.measures["norm"])


def test_a_target_below_the_end_of_a_list_stands_anywhere_below(tmp_path):
    ours = played(tmp_path, depth=5)
    rows = read_scores(tmp_path / "run.trec", SEARCHED, tmp_path / "qrels.trec", None, 0)
    theirs = tabulate(rows, "x", SEARCHED.candidates, {})
    below = ours.ranks.best > 5
    assert below.any()
    assert bool((theirs.ranks.best[below] == 6).all()) and bool((theirs.ranks.worst[below] == 30).all())


def test_what_was_shown_leaves_the_list_where_it_leaves_the_ranking(tmp_path):
    ours = played(tmp_path, trial=replace(TRIAL, seen="drop_from_rank"))
    rows = read_ranks(tmp_path / "run.trec", SEARCHED, tmp_path / "qrels.trec", None, 0)
    theirs = tabulate(rows, "x", SEARCHED.candidates, {})
    last = [line.split() for line in (tmp_path / "run.trec").read_text().splitlines() if line.startswith("0_3 ")]
    assert len(last) == 30 - 3 * TRIAL.page_size
    still = ours.ranks.worst[:, -1] < 30
    assert torch.equal(theirs.ranks.best[still, -1], ours.ranks.best[still, -1])


def test_an_id_that_the_format_cannot_write_is_refused_before_anything_is_played(tmp_path):
    spaced = Gallery.of(["a b", "c"], torch.zeros(2, 3), "f", "two")
    with (
        pytest.raises(ValueError, match="id 'a b' holds white space"),
        recorded(replace(TRIAL, gallery=spaced), tmp_path, 2),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


QRELS = "s_1 0 000 1\ns_2 0 000 1\n"
RUN = "s_1 Q0 000 1 0.5 x\ns_1 Q0 001 2 0.25 x\ns_2 Q0 001 1 0.5 x\n"


@pytest.mark.parametrize(
    ("lists", "relevant", "message"),
    [
        (RUN + "s_2 Q0 zebra 2 0.1 x\n", QRELS, "candidate: 'zebra' is not in the gallery of 30"),
        (RUN, QRELS.replace("000", "zebra"), "target: 'zebra' is not in the gallery of 30"),
        (RUN + "s_2 Q0 001 2 0.1 x\n", QRELS, "session 's', turn 2 lists '001' twice"),
        (RUN + "s_3 Q0 001 1 0.1 x\n", QRELS, r"line 4 of .*: query s_3 has no target in .*; add it there"),
        (RUN, QRELS + "s_3 0 000 1\n", r"no line for session 's', turn 3"),
        (RUN, QRELS + "s_2 0 001 1\n", r"line 3 of .*: s_2 has the targets '000' and '001'"),
        (RUN + "s Q0 001 1 0.1 x\n", QRELS, r"line 4 of .*: query 's' is not SESSION_TURN"),
        (RUN + "s_2 Q0 002 1 0.1\n", QRELS, r"line 4 of .* has 5 fields, not the 6"),
        (RUN + "s_2 Q0 002 2 high x\n", QRELS, r"line 4 of .*: 'high' is no number"),
        (RUN + "s_2 Q0 002 2 nan x\n", QRELS, r"turn 2: the score of '002' is nan"),
    ],
)
def test_a_run_that_cannot_be_is_refused_with_its_line_or_value(tmp_path, lists, relevant, message):
    (tmp_path / "run").write_text(lists)
    (tmp_path / "qrels").write_text(relevant)
    with pytest.raises(ValueError, match=message):
        read_scores(tmp_path / "run", SEARCHED, tmp_path / "qrels", None, 0)


def test_ranks_of_a_run_that_count_from_0_are_refused(tmp_path):
    (tmp_path / "run").write_text("s_1 Q0 000 0 0.5 x\n")
    (tmp_path / "qrels").write_text("s_1 0 000 1\n")
    rows = read_ranks(tmp_path / "run", SEARCHED, tmp_path / "qrels", None, 0)
    with pytest.raises(ValueError, match="rank 0; ranks count from 1; add 1"):
        tabulate(rows, "x", SEARCHED.candidates, {})


def test_a_run_needs_its_qrels(tmp_path):
    with pytest.raises(ValueError, match="give --qrels FILE"):
        read_ranks(tmp_path / "x.run", SEARCHED, None, None, 0)
