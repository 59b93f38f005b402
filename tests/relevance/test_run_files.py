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
    rows = {int(target): row for row, target in enumerate(targets)}
    names = {measure: name for name, measure in wanted.items()}
    met = list(ir_measures.iter_calc(list(wanted.values()), relevant, lists))
    assert len(met) == 3 * 5 * 5
    for one in met:
        session, turn = map(int, one.query_id.split("_"))
        name, row = names[one.measure], rows[session]
        # Of nothing left, the average precision is 1 for us and 0 for them.
        if turn and (name != "average_precision_left" or ours["left"][row, turn]):
            assert one.value == pytest.approx(float(ours[name][row, turn])), one
    assert not bool(ours["left"].all()) and float(ours["Hit@8"][:, 1:].mean()) > 0.8
