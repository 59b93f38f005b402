"""Claims about the vg-drilldown task: stages, control, noise, and what is refused; on a few small drawn scenes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from drilldown.drill_down import DrillDown
from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.rollout import Rollout
from drilldown.scenes_network import LABELS, SceneNetwork
from drilldown.settings import CaptionSettings, DrilldownSettings, NoiseSettings, RegionSettings
from drilldown.task import Drilldown, Unheard, model_title
from multiturn.contracts import check_retriever
from multiturn.experiment import train_retriever
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.replies import TextReply
from multiturn.session import Retriever, Session, Turn
from multiturn.settings import EvaluationSettings, TrainingSettings
from multiturn.task import Searchable, Staged, Task
from multiturn.training import save_pretrained
from multiturn.transcript import TranscriptWriter, read_transcript, recorded_replies
from multiturn.trial import run, transcript_header

MODEL = ModelSettings(states=2, dim=8, embedding_dim=8, policy="learned")
TRAINING = TrainingSettings(2, batch_size=8, gradient_norm=10.0)
KINDS = ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Drilldown:
    """A task whose scene network was never trained, so that it is ready at once."""
    folder = tmp_path_factory.mktemp("task")
    torch.manual_seed(0)
    save_pretrained(SceneNetwork([*LABELS], [*LABELS.values()]), folder / "network" / "encoder")
    settings = DrilldownSettings(
        CaptionSettings(count=60, size=64, captions=5, more_than=0),
        RegionSettings(checkpoint=str(folder / "network")),
        MODEL,
        LossSettings(turns=4),
        TRAINING,
        replace(TRAINING, epochs=1),
        evaluation=EvaluationSettings(4, recall_at=[1, 5], resamples=20),
    )
    task = Drilldown(settings, folder / "run")
    task.prepare()
    return task


def changed(task: Drilldown, **changes: Any) -> Drilldown:
    return task.variant(replace(task.settings, **changes))


def of_kind(task: Drilldown, kind: str) -> Drilldown:
    return changed(task, model=replace(MODEL, kind=kind, policy="fixed"))


def trained(task: Drilldown, output: Path, resume: bool = False) -> DrillDown:
    retriever = train_retriever(task, task.settings, output, resume)
    assert isinstance(retriever, DrillDown)
    return retriever


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


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
def test_both_stages_in_one_run_end_with_the_weights_of_two_runs(prepared: Drilldown, tmp_path: Path):
    whole = trained(prepared, tmp_path / "whole")
    first = trained(changed(prepared, stage=1), tmp_path / "first")
    assert first.policy == "fixed"
    second = trained(changed(prepared, stage=2, stage1=str(tmp_path / "first")), tmp_path / "second")
    assert whole.policy == second.policy == "learned"
    assert same_weights(whole, second)
    assert not same_weights(whole, first)


@pytest.mark.slow
def test_a_run_that_is_over_ends_with_the_same_weights_when_resumed(prepared: Drilldown, tmp_path: Path):
    whole = trained(prepared, tmp_path)
    before = (tmp_path / "stage-1" / "history.json").read_text()
    assert same_weights(whole, trained(prepared, tmp_path, resume=True))
    assert (tmp_path / "stage-1" / "history.json").read_text() == before


@pytest.mark.slow
def test_a_run_stopped_in_stage_2_goes_on_there(prepared: Drilldown, tmp_path: Path):
    longer = changed(prepared, joint=replace(TRAINING, epochs=2))
    whole = trained(longer, tmp_path / "whole")
    trained(prepared, tmp_path / "stopped")
    assert same_weights(whole, trained(longer, tmp_path / "stopped", resume=True))


class Killed(BaseException):
    """What no handler of errors may catch."""


def kill_at(monkeypatch: pytest.MonkeyPatch, stage: int, step: int) -> list[int]:
    """Kill, once, at the stage's step; returns the list to which every step of all stages adds its stage."""
    forward, played = Rollout.forward, []

    def watched(self: Rollout, target: torch.Tensor, epoch: int) -> torch.Tensor:
        played.append(self._settings.stage)
        if played.count(stage) == step:
            raise Killed
        return forward(self, target, epoch)

    monkeypatch.setattr(Rollout, "forward", watched)
    return played


@pytest.mark.slow
def test_killed_within_stage_2_it_goes_on_there_and_ends_with_the_same_bits(
    prepared: Drilldown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    often = changed(prepared, joint=replace(TRAINING, checkpoint_steps=1))
    whole = trained(often, tmp_path / "whole")
    played = kill_at(monkeypatch, stage=2, step=3)
    with pytest.raises(Killed):
        trained(often, tmp_path / "killed")
    before = len(played)
    assert same_weights(whole, trained(often, tmp_path / "killed", resume=True))
    # The step at which it was killed, and no finished one, is played again.
    assert set(played[before:]) == {2}
    assert played.count(2) == 1 + 2 * (len(prepared.examples()) // TRAINING.batch_size)


@pytest.mark.slow
def test_the_single_state_that_was_killed_is_trained_on_and_a_finished_one_is_read(
    prepared: Drilldown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    task = changed(prepared, training=replace(TRAINING, checkpoint_steps=1))
    task._output = tmp_path / "whole"
    whole = task._single_state(False, None)
    task._output = tmp_path / "killed"
    played = kill_at(monkeypatch, stage=1, step=3)
    with pytest.raises(Killed):
        task._single_state(False, None)
    resumed = task._single_state(True, None)
    assert whole is not None and resumed is not None and same_weights(whole, resumed)
    after = len(played)
    again = task._single_state(True, None)
    assert again is not None and same_weights(whole, again)
    assert len(played) == after


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


def opened(task: Drilldown) -> Turn:
    """A session of one before anything was said."""
    retriever = of_kind(task, "drill-down").new_retriever().eval()
    assert isinstance(retriever, Retriever)
    return Session(retriever, task.candidates(), torch.tensor([0]), 5).show()


def test_a_sentence_of_unknown_words_alone_still_finds_a_page(prepared: Drilldown):
    task = of_kind(prepared, "drill-down")
    session = Session(task.new_retriever().eval(), task.candidates(), torch.tensor([0]), 5)
    turn = session.tell(task.read_reply("qwertz xyzzy", session.show()))
    assert torch.isfinite(turn.scores).all()


def test_saying_nothing_is_refused(prepared: Drilldown):
    with pytest.raises(ValueError, match="nothing was said; describe"):
        prepared.read_reply("  ", opened(prepared))


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


@pytest.mark.parametrize("seen", ["keep", "drop_from_display"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_session_that_was_interrupted_and_resumed_shows_the_same_next_page(
    prepared: Drilldown, tmp_path: Path, kind: str, seen: Any
):
    task = of_kind(prepared, kind)
    trial = replace(task.validation(task.new_retriever().eval()), seen=seen)

    def new_session() -> Session:
        return Session(trial.retriever, trial.gallery, trial.targets[:3], 2, seen=seen)

    session, path = new_session(), tmp_path / "transcript.jsonl"
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        turn = session.show()
        writer.append(turn, trial.gallery)
        for _ in range(3):
            turn = session.tell(trial.user.reply(turn, trial.targets[:3]))
            writer.append(turn, trial.gallery)
    whole = session.tell(trial.user.reply(turn, trial.targets[:3]))
    resumed = new_session()
    again = resumed.replay(recorded_replies(read_transcript(path), trial.gallery, trial.targets[:3].tolist()))
    assert torch.equal(again.shown, turn.shown) and torch.equal(again.scores, turn.scores)
    after = resumed.tell(trial.user.reply(again, trial.targets[:3]))
    assert torch.equal(after.shown, whole.shown) and torch.equal(after.scores, whole.scores)


def test_a_turn_that_a_crash_cut_is_not_replayed(prepared: Drilldown, tmp_path: Path):
    trial, path = prepared.validation(prepared.new_retriever().eval()), tmp_path / "transcript.jsonl"
    session = Session(trial.retriever, trial.gallery, trial.targets[:2], 2)
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        for turn in (session.show(), session.tell(TextReply(("a", "b"))), session.tell(TextReply(("c", "d")))):
            writer.append(turn, trial.gallery)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:30])
    replies = recorded_replies(read_transcript(path), trial.gallery, [1, 0])
    assert replies == [TextReply(("b", "a"))]


def test_a_session_that_is_not_in_a_transcript_is_named(prepared: Drilldown, tmp_path: Path):
    trial, path = prepared.validation(prepared.new_retriever().eval()), tmp_path / "transcript.jsonl"
    with TranscriptWriter(path, transcript_header(trial)) as writer:
        writer.append(Session(trial.retriever, trial.gallery, trial.targets[:2], 2).show(), trial.gallery)
    with pytest.raises(ValueError, match="session 7 is not in the transcript"):
        recorded_replies(read_transcript(path), trial.gallery, [0, 7])


def test_replies_are_replayed_into_a_new_session_only(prepared: Drilldown):
    session = Session(prepared.new_retriever().eval(), prepared.candidates(), torch.tensor([0]), 2)
    session.replay([TextReply(("a",))])
    with pytest.raises(ValueError, match="has had 1 replies; replay into a new one"):
        session.replay([TextReply(("b",))])


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
