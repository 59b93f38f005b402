"""Claims about the cub-relevance task, on a few coloured pictures laid out as CUB-200-2011 is."""

import json
import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data_prep.drawn_faces import load as load_faces
from multiturn.session import Session
from multiturn.settings import EvaluationSettings, TrainingSettings
from multiturn.task import Pictured, Searchable, Staged, Task
from multiturn.trial import run
from relevance.classes import FEWEST, combinations, load_classes
from relevance.settings import ClassSettings, FeatureSettings, HeadSettings, QuerySettings, RelevanceFeedbackSettings
from relevance.task import RelevanceFeedback

ROOT = Path(__file__).resolve().parent.parent.parent
SIZES = [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 1]  # images of each species; the last one is alone
COLOURS = np.random.default_rng(0).integers(30, 220, (len(SIZES), 3))


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("birds")
    for species, (size, colour) in enumerate(zip(SIZES, COLOURS, strict=True), start=1):
        folder = root / "images" / f"{species:03d}.Bird_{species}"
        folder.mkdir(parents=True)
        for number in range(size):
            noise = np.random.default_rng([species, number]).integers(-25, 25, (20, 20, 3))
            Image.fromarray((colour + noise).astype(np.uint8)).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of 700 drawn faces."""
    folder = tmp_path_factory.mktemp("drawn")
    load_faces(700, 32, difficulty=ClassSettings().difficulty, processes=1, cache=folder)
    return folder


def settings(root: Path, head: int = 0, method: str = "rocchio") -> RelevanceFeedbackSettings:
    training = TrainingSettings(epochs=1, batch_size=8)
    return RelevanceFeedbackSettings(
        method=method,  # type: ignore[arg-type]
        beside=["kept-triplet"],
        classes=ClassSettings(root=str(root)),
        features=FeatureSettings(size=16, training=training),
        head=HeadSettings(head),
        queries=QuerySettings(page=2, count=10),
        training=training,
        evaluation=EvaluationSettings(turns=3, seen="drop_from_rank", recall_at=[2], resamples=20),
    )


@pytest.fixture(scope="module")
def prepared(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> RelevanceFeedback:
    task = RelevanceFeedback(settings(birds), tmp_path_factory.mktemp("run"))
    task.prepare()
    return task


def test_no_class_is_in_two_parts(birds):
    found = load_classes(ClassSettings(root=str(birds)), birds)
    parts = [set(rows["label"]) for rows in (found.train, found.validation, found.test)]
    assert [len(part) for part in parts] == [4, 2, 6]
    assert len(set.union(*parts)) == 12


def test_faces_that_show_the_same_are_a_class_and_halves_share_none():
    shown = np.random.default_rng(0).random((400, 4)) < [0.5, 0.5, 0.5, 0.05]
    labels, train, testing = combinations(shown, seed=0)
    assert len(testing) == 4 and all(len(rows) >= FEWEST for rows in testing)
    assert not set(labels[train]) & {labels[rows[0]] for rows in testing}
    for rows in [np.flatnonzero(labels == label) for label in np.unique(labels)]:
        assert (shown[rows] == shown[rows[0]]).all()
    common = np.concatenate([train, *testing])
    assert not shown[common, 3].any() and len(np.unique(common)) == len(common)  # too few have the last one


@pytest.mark.slow
def test_drawn_faces_are_in_parts_that_share_no_class(drawn):
    found = load_classes(ClassSettings(count=700, size=32, most=30), drawn)
    parts = [set(rows["label"]) for rows in (found.train, found.validation, found.test)]
    assert all(len(part) >= 2 for part in parts) and len(set.union(*parts)) == sum(map(len, parts))
    assert max(np.bincount(found.test["label"])) <= 30
    assert "not photographs" in found.source
    counted = sum(len(rows) for rows in (found.train, found.validation, found.test))
    assert sum(found.left_out.values()) + counted == 700


def test_species_of_one_image_each_are_refused(tmp_path):
    for species in range(4):
        folder = tmp_path / "images" / f"{species + 1:03d}.Bird"
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "0.png")
    with pytest.raises(ValueError, match="leaves 1 classes of at most 1 images for train; give at least two"):
        load_classes(ClassSettings(root=str(tmp_path)), tmp_path)


@pytest.mark.slow
def test_it_is_a_task_without_stages_unless_a_map_is_wanted(prepared):
    assert isinstance(prepared, Task) and isinstance(prepared, Staged) and isinstance(prepared, Pictured)
    assert list(prepared.stages()) == []


@pytest.mark.slow
def test_an_image_alone_in_its_class_is_nobodys_example_but_a_candidate(prepared):
    gallery = prepared.gallery("test")
    alone = next(place for place, name in enumerate(gallery.ids) if name.startswith("012."))
    everyone = prepared.targets("test", 1000)
    assert alone not in everyone.tolist() and len(everyone) == len(gallery) - 1
    model = prepared.new_retriever()
    assert "alone in its class" in prepared.exam(model).protocol["images left out"]


@pytest.mark.slow
def test_all_methods_get_the_same_examples_and_the_control_stands_first(prepared):
    exam = prepared.exam(prepared.new_retriever())
    assert [(role, trial.name) for role, trial in exam.others] == [
        ("control", "no feedback"),
        ("reference", "triplet, old coordinates kept"),
    ]
    first = [run(trial, 4, show_progress=False).shown[:, 1] for trial in (exam.model, *(t for _, t in exam.others))]
    assert all(torch.equal(pages, first[0]) for pages in first)


@pytest.mark.slow
def test_batches_of_another_size_give_the_same_result(prepared):
    trial = prepared.exam(prepared.new_retriever()).model
    one, other = (run(trial, size, show_progress=False) for size in (3, 10))
    assert torch.equal(one.shown, other.shown) and torch.equal(one.ranks.best, other.ranks.best)


@pytest.mark.slow
def test_examples_are_degraded_and_in_the_space_of_the_gallery(prepared):
    user = prepared.exam(prepared.new_retriever()).model.user
    assert user.examples.fingerprint == user.gallery.fingerprint
    assert not torch.allclose(user.examples.vectors, user.gallery.vectors)


@pytest.mark.slow
@pytest.mark.parametrize("head", [0, 4], ids=["embedded", "birds-with-a-map"])
def test_training_reports_and_the_checkpoint_evaluates_to_the_same_numbers(head, birds, drawn, tmp_path, monkeypatch):
    """As users call the programs: on drawn faces, and on birds with Multi-Similarity for a network and for a map."""
    run_folder = tmp_path / "run"
    if head:
        data = ["--classes.root", str(birds), "--features.loss", "multi-similarity"]
    else:
        shutil.copytree(drawn, run_folder / "faces")  # drawn before, as they would be here
        data = ["--classes.count", "700", "--classes.size", "32", "--classes.most", "30"]
    options = [
        *("--task", "cub-relevance", *data, "--features.size", "16", "--method", "rocchio"),
        *("--features.training.epochs", "1", "--features.training.batch_size", "8", "--beside", "[pichunter]"),
        *("--head.dim", str(head), "--training.epochs", "2", "--training.batch_size", "8", "--queries.page", "2"),
        *("--queries.count", "10", "--evaluation.turns", "3", "--evaluation.resamples", "20"),
    ]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["train.py", *options, "--output_dir", str(run_folder)])
    runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    again = tmp_path / "again"
    monkeypatch.setattr(sys, "argv", ["evaluate", "--checkpoint", str(run_folder), "--output_dir", str(again)])
    runpy.run_module("eval.evaluate", run_name="__main__")
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (run_folder, again))
    assert one["per_turn"] == other["per_turn"] and one["others"] == other["others"]
    assert {"Hit@2", "precision@2", "average_precision", "found", "left"} <= one["per_turn"][0].keys()
    assert one["protocol"]["vectors"] == ("a trained linear map of frozen ones" if head else "frozen")
    assert len(one["harm_rate"]) == 3 and ("not photographs" in one["data"]) == (not head)
    assert (run_folder / "pictures" / "sessions.png").is_file() and (run_folder / "model.safetensors").is_file()


def test_images_that_stay_in_the_pool_are_refused():
    with pytest.raises(ValueError, match="judged images leave the pool here"):
        RelevanceFeedbackSettings(evaluation=EvaluationSettings())


@pytest.mark.parametrize(
    ("wrong", "said"), [({"gamma": 0.5}, "gamma must be at least 1"), ({"wrong": -0.1}, "share between 0 and 1")]
)
def test_impossible_queries_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        replace(QuerySettings(), **wrong)


@pytest.mark.slow
def test_a_person_searches_by_an_example_and_by_places_of_the_page(prepared):
    assert isinstance(prepared, Searchable)
    gallery = prepared.candidates()
    session = Session(prepared.new_retriever(), gallery, torch.tensor([0]), 3)
    example = prepared.read_reply(f"example: {gallery.ids[4]}", session.show())
    assert torch.equal(example.vectors[0], prepared._examples().vectors[4])
    turn = session.tell(example)
    judged = prepared.read_reply("+1 -2", turn)
    assert judged.judged.tolist() == [turn.shown[0, :2].tolist()] and judged.liked.tolist() == [[1, -1]]
