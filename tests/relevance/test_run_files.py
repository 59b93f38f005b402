"""Claims about run files of class search: other tools compute what our pages held."""

import ir_measures
import pytest

from multiturn.trec import recorded
from multiturn.trial import Trial, run
from relevance.measures import ClassSearch
from relevance.methods import RelevanceModel


def test_ir_measures_finds_the_hits_of_our_pages(flock, tmp_path):
    model = RelevanceModel("svm", "encoder", flock.gallery.vectors.shape[1])
    search = ClassSearch(model, flock.gallery, flock.labels)
    targets = flock.labels.new_tensor([0, 25, 50, 75, 119])
    trial = Trial(
        *("SVM", model, flock.gallery, flock.user, targets, 4, 8, "drop_from_rank", targets[:, None]),
        *(search.ranks, search.measures, search.to_be_shown, search.unlisted),
    )
    with recorded(trial, tmp_path, 200) as recording:
        ours = run(recording, 2, show_progress=False).measures
    lists = list(ir_measures.read_trec_run(str(tmp_path / "run.trec")))
    relevant = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec")))
    wanted = {
        "Hit@8": ir_measures.Success @ 8,
        "precision@8": ir_measures.P @ 8,
        "average_precision_left": ir_measures.AP,
    }
    for turn in range(1, 5):
        theirs = ir_measures.calc_aggregate(
            list(wanted.values()),
            [one for one in relevant if one.query_id.endswith(f"_{turn}")],
            [one for one in lists if one.query_id.endswith(f"_{turn}")],
        )
        for name, measure in wanted.items():
            assert theirs[measure] == pytest.approx(float(ours[name][:, turn].mean())) and theirs[measure] > 0
