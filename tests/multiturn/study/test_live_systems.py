"""A study goes on with the systems that it was begun with, and participants never read their names."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from multiturn.faiss_index import IndexSettings, build_index
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex, Together
from multiturn.replies import Reply
from multiturn.scoring import DenseScores
from multiturn.study.conduct import BROKEN, Study
from multiturn.study.store import Store
from multiturn.study.weights import digest_of_index, digest_of_retriever
from relevance.methods import RelevanceModel
from tests.multiturn.study.squares import Adding, Visitor, protocol, study, system


class Learned(nn.Module):
    """Adds up what was said, and multiplies it with a weight."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight, self._adding = nn.Parameter(torch.tensor(weight)), Adding()

    def start(self, sessions: int, gallery: Gallery) -> torch.Tensor:
        return self._adding.start(sessions, gallery)

    def update(self, state: torch.Tensor, reply: Reply, gallery: Gallery) -> torch.Tensor:
        return self._adding.update(state, reply, gallery)

    def score(self, state: torch.Tensor, gallery: Gallery) -> DenseScores:
        return self._adding.score(self.weight * state, gallery)


def learned(folder: Path, weight: float, checkpoint: str = "runs/a", index: bool = False) -> Study:
    one = system("one")
    made = replace(one, retriever=Learned(weight), index=ExactIndex(one.gallery, "dot") if index else None)
    return Study(protocol(systems={"one": checkpoint}), {"one": made}, Store(folder / "study.sqlite"))


def test_the_same_systems_in_another_order_are_refused(tmp_path: Path):
    Visitor(study(tmp_path, systems={"one": "runs/a", "two": "runs/b"})).begin()
    with pytest.raises(ValueError, match="its systems are one, two, not two, one; name them in that order"):
        study(tmp_path, systems={"two": "runs/b", "one": "runs/a"})
    with pytest.raises(ValueError, match="its systems are one, two, not one, three"):
        study(tmp_path, systems={"one": "runs/a", "three": "runs/b"})


def test_a_checkpoint_of_other_weights_under_the_same_name_is_refused(tmp_path: Path):
    Visitor(learned(tmp_path, 1.0)).begin()
    with pytest.raises(ValueError) as refused:
        learned(tmp_path, 2.0, "runs/b")
    assert "begun with runs/a as one, weights" in str(refused.value) and "runs/b has weights" in str(refused.value)


def test_a_checkpoint_that_was_moved_goes_on(tmp_path: Path):
    visitor = Visitor(learned(tmp_path, 1.0)).begin()
    assert learned(tmp_path, 1.0, "elsewhere/a").progress(visitor.who) == visitor.progress


def test_another_index_is_refused(tmp_path: Path):
    learned(tmp_path, 1.0)
    with pytest.raises(ValueError, match="index none; runs/a has index"):
        learned(tmp_path, 1.0, index=True)


def test_a_database_of_before_weights_were_kept_goes_on_and_keeps_them_from_then_on(tmp_path: Path):
    store = learned(tmp_path, 1.0).store
    store._connection.execute("DELETE FROM study WHERE name = 'weights'")
    learned(tmp_path, 2.0)
    with pytest.raises(ValueError, match="was begun with"):
        learned(tmp_path, 1.0)


def test_methods_without_weights_are_told_apart_by_their_settings():
    models = [RelevanceModel(method, "an encoder", 4) for method in ("rocchio", "rocchio", "pichunter")]
    first, again, other = map(digest_of_retriever, models)
    assert first == again != other
    torch.manual_seed(0)
    heads = [RelevanceModel("rocchio", "an encoder", 4, head=2) for _ in range(2)]
    assert digest_of_retriever(heads[0]) != digest_of_retriever(heads[1])


def test_indexes_are_told_apart_by_what_they_hold_and_how_they_are_searched():
    vectors = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    galleries = [Gallery(tuple(map(str, range(10, 74))), scale * vectors, "numbers", "numbers") for scale in (1, 2)]
    flat = [build_index(gallery, IndexSettings("Flat")) for gallery in galleries]
    exact = ExactIndex(galleries[0])
    indexes = [None, exact, ExactIndex(galleries[0], "dot"), *flat, Together((flat[0], exact))]
    assert len({digest_of_index(index) for index in indexes}) == len(indexes)
    assert digest_of_index(flat[0]) == digest_of_index(build_index(galleries[0], IndexSettings("Flat")))


def test_a_participant_is_not_told_which_system_broke(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    visitor = Visitor(learned(tmp_path, 1.0)).begin().post("/study/reply", text="abcd")
    running = learned(tmp_path, 1.0)
    running.systems["one"].retriever.weight.data.neg_()  # type: ignore[attr-defined]
    again = Visitor(running)
    again.client.cookies["session"] = visitor.client.cookies["session"]
    again.get("/study").post("/study/reply", text="e")
    assert BROKEN in again.page and "no longer shows" not in again.page and len(again.progress.trial.turns) == 2
    assert "error: one no longer shows what it showed" in capsys.readouterr().err
