"""Claims about the vg-drilldown task: stages, control, noise, and what is refused; on a few small drawn scenes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drilldown.drill_down import DrillDown
from drilldown.model_settings import LossSettings
from drilldown.settings import NoiseSettings, RegionSettings
from drilldown.task import Drilldown, Unheard, model_title
from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.replies import TextReply
from multiturn.session import Session
from multiturn.task import Searchable, Staged, Task
from multiturn.trial import run
from tests.drilldown.small_task import KINDS, MODEL, TRAINING, changed, of_kind, trained


def test_the_task_is_one_that_train_evaluate_and_search_can_use(prepared: Drilldown):
    assert isinstance(prepared, Task) and isinstance(prepared, Staged) and isinstance(prepared, Searchable)


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_keeps_the_promises_of_retrievers_on_the_tasks_own_trial(prepared: Drilldown, kind: str):
    trial = (task := of_kind(prepared, kind)).validation(task.new_retriever().eval())
    check_retriever(trial.retriever, trial.gallery, trial.user, trial.targets[:3], turns=4)


def test_the_control_hears_nothing_and_its_order_follows_the_ids(prepared: Drilldown):
    gallery, control = prepared.candidates(), Unheard()
    session = Session(control, gallery, torch.arange(3), len(gallery))
    first = session.show()
    assert torch.equal(first.shown, session.tell(TextReply(("a", "b", "c"))).shown)
    part = torch.arange(0, len(gallery), 2)
    assert gallery.mask is not None
    fewer = Gallery.of(
        [gallery.ids[i] for i in part], Regions(gallery.vectors[part], None, gallery.mask[part]), "f", "s"
    )
    order = Session(control, fewer, torch.arange(1), len(fewer)).show().shown[0]
    assert part[order].tolist() == [place for place in first.shown[0].tolist() if place % 2 == 0]


def test_the_control_ranks_every_target_once_so_it_is_exactly_at_chance(prepared: Drilldown):
    exam = prepared.exam(prepared.new_retriever().eval())
    (role, trial), size = exam.others[0], len(exam.model.gallery)
    outcome = run(trial, 16, show_progress=False)
    assert role == "control"
    for turn in range(5):
        assert sorted(outcome.ranks.best[:, turn].tolist()) == list(range(1, size + 1))


@pytest.mark.parametrize(
    ("stage", "policy", "expected"),
    [
        (0, "learned", [("stage 1", "stage-1"), ("stage 2", ".")]),
        (0, "fixed", [("stage 1", ".")]),
        (1, "learned", [("stage 1", ".")]),
        (2, "learned", [("stage 2", ".")]),
    ],
)
def test_the_stages_are_those_that_were_asked_for(prepared: Drilldown, stage: Any, policy: Any, expected: list):
    model, stage1 = replace(MODEL, policy=policy), "somewhere" if stage == 2 else None
    task = changed(prepared, model=model, stage=stage, stage1=stage1)
    assert [(one.name, one.folder) for one in task.stages()] == expected


def test_stage_1_is_played_with_the_fixed_policy_and_stage_2_with_the_learned_one(prepared: Drilldown):
    retriever = prepared.new_retriever()
    assert isinstance(retriever, DrillDown)
    for stage, policy in zip(prepared.stages(), ("fixed", "learned"), strict=True):
        stage.rollout(retriever)
        assert retriever.policy == policy
        assert all(one.requires_grad == (policy == "learned") for one in retriever.learned.parameters())


@pytest.mark.slow
def test_a_checkpoint_comes_back_with_its_policy_and_its_pages(prepared: Drilldown, tmp_path: Path):
    before = trained(prepared, tmp_path)
    after = prepared.load_retriever(str(tmp_path)).eval()
    assert isinstance(after, DrillDown) and after.policy == "learned"
    outcomes = [run(prepared.validation(one), 16, show_progress=False) for one in (before, after)]
    assert torch.equal(outcomes[0].ranks.best, outcomes[1].ranks.best)


@pytest.mark.slow
@pytest.mark.parametrize(("choose", "first"), [("paper", "validation_loss"), ("recall", "recall")])
def test_the_epoch_is_chosen_by_what_was_asked_for(prepared: Drilldown, tmp_path: Path, choose: Any, first: str):
    task = changed(prepared, choose=choose, training=replace(TRAINING, epochs=3, learning_rate=0.05))
    trained(task, tmp_path)
    history = json.loads((tmp_path / "stage-1" / "history.json").read_text())
    assert all(first in row for row in history)
    assert task.stages()[0].primary == ("-validation_loss" if first == "validation_loss" else "recall")
    assert task.stages()[1].primary == "recall"


def test_the_validation_loss_does_not_change_with_the_call_and_lies_within_its_bounds(prepared: Drilldown):
    task = changed(prepared, choose="loss")
    retriever = task.new_retriever().eval()
    validate = task.stages()[0].validate
    assert validate is not None
    value = validate(retriever)["validation_loss"]
    assert validate(retriever)["validation_loss"] == value
    assert 0 < value < 2 * (2 + task.settings.loss.margin)  # two directions, cosines in [-1, 1]


def test_stage_2_without_its_checkpoint_says_so(prepared: Drilldown, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    task = changed(prepared, stage=2, stage1=str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="empty"):
        task.new_retriever()


@pytest.mark.slow
def test_stage_2_refuses_a_checkpoint_of_another_size(prepared: Drilldown, tmp_path: Path):
    trained(changed(prepared, stage=1), tmp_path)
    task = changed(prepared, stage=2, stage1=str(tmp_path), model=replace(MODEL, states=3))
    with pytest.raises(ValueError, match="2 states of 8, the settings say 3 of 8"):
        task.new_retriever()


def test_noise_spoils_the_report_and_not_the_validation(prepared: Drilldown):
    noisy = changed(prepared, noise=NoiseSettings(dropped=1.0))
    retriever = noisy.new_retriever().eval()
    clean, spoilt = noisy.validation(retriever), noisy.exam(retriever)
    said = {}
    for name, trial in (("clean", clean), ("spoilt", spoilt.model)):
        turn = Session(trial.retriever, trial.gallery, trial.targets, 1).show()
        said[name] = trial.user.reply(turn, trial.targets).rows(trial.gallery.ids)
    assert all(len(row["text"].split()) == 1 for row in said["spoilt"])
    assert any(len(row["text"].split()) > 1 for row in said["clean"])
    assert spoilt.protocol["dropped captions"] == 1.0
    assert "dropped captions" not in prepared.exam(retriever).protocol


def test_a_gallery_of_another_width_or_encoder_is_refused(prepared: Drilldown):
    retriever, gallery = prepared.new_retriever().eval(), prepared.candidates()
    vectors = Regions(gallery.vectors[..., :-1].contiguous(), None, gallery.mask)  # type: ignore[arg-type]
    narrow = Gallery.of(gallery.ids, vectors, gallery.fingerprint, "narrow")
    with pytest.raises(ValueError, match=rf"{gallery.vectors.shape[-1] - 1} numbers"):
        retriever.start(1, narrow)  # type: ignore[operator]
    other = Gallery.of(gallery.ids, vectors, "another", "other")
    with pytest.raises(ValueError, match="'another'"):
        retriever.start(1, other)  # type: ignore[operator]


def test_one_region_an_image_is_enough(prepared: Drilldown, tmp_path: Path):
    parts = prepared.images_of
    names = sorted([*parts.train.ids, *parts.validation.ids, *parts.test.ids])
    vectors = torch.randn(len(names), 1, 6, generator=torch.Generator().manual_seed(0))
    regions = Regions(vectors, None, torch.ones(len(names), 1, dtype=torch.bool))
    Gallery.of(names, regions, "one", "one region").save(tmp_path / "one.safetensors")
    settings = replace(prepared.settings, regions=RegionSettings("precomputed", path=str(tmp_path / "one.safetensors")))
    task = Drilldown(settings, tmp_path / "run")
    task.prepare()
    outcome = run(task.validation(task.new_retriever().eval()), 16, show_progress=False)
    assert outcome.ranks.candidates == len(parts.validation)


def test_titles_say_the_model_its_size_and_its_policy():
    assert model_title(MODEL) == "Drill-down 2 x 8, learned policy"
    assert [model_title(replace(MODEL, kind=kind)) for kind in KINDS[1:]] == [  # type: ignore[arg-type]
        "HRE 8",
        "R-HRE 8",
        "R-RE 8",
        "R-RankFusion 8",
    ]


def test_warming_up_every_negative_counts_and_the_validation_loss_is_still_that_of_the_hardest(prepared: Drilldown):
    target, later = torch.arange(8), changed(prepared, loss=LossSettings(turns=4, warm_up=2), choose="loss")
    retriever = later.new_retriever().eval()
    warm, plain = (task.stages()[0].rollout(retriever) for task in (later, prepared))
    with torch.no_grad():
        assert all(float(warm(target, epoch)) < float(plain(target, epoch)) for epoch in (0, 1))
        assert torch.equal(warm(target, 2), plain(target, 2))
    values = [changed(later, loss=loss).stages()[0].validate for loss in (later.settings.loss, LossSettings(turns=4))]
    assert values[0] is not None and values[1] is not None
    assert values[0](retriever) == values[1](retriever)
