"""Claims about the lfw-reverse task: on drawn faces, on photos in LFW's folders, and as train.py runs it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ir_measures
import pytest
import torch

from data_prep.drawn_faces import load
from facefb.reverse_search import ReverseSearch
from facefb.reverse_settings import (
    EmbedderSettings,
    ExampleSettings,
    PagesSettings,
    PeopleSettings,
    ReverseSearchSettings,
)
from facefb.settings import FeatureSettings
from multiturn.contracts import check_retriever, check_user
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.experiment import train_retriever
from multiturn.session import Session
from multiturn.settings import EvaluationSettings
from multiturn.task import Searchable, Staged, Task
from multiturn.training import save_pretrained
from multiturn.trec import recorded
from multiturn.trial import run
from tests.multiturn.encoders.cases import faces

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"height": 32, "width": 32, "channels": [8, 8, 8, 16], "standardise": False}
UNTRAINED = EmbedderSettings(network=FeatureSettings("untrained", **SIZES))  # pyright: ignore
DRAWN = ReverseSearchSettings(
    PeopleSettings(count=100, size=32), UNTRAINED, UNTRAINED, evaluation=EvaluationSettings(turns=3, resamples=20)
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ReverseSearch:
    task = ReverseSearch(DRAWN, tmp_path_factory.mktemp("drawn"))
    task.prepare()
    return task


def lfw(folder: Path, people: tuple[str, ...] = ()) -> ReverseSearchSettings:
    """Nine drawn pictures in LFW's folders, of people with 4, 2, 2 and 1, searched with tiny encoders."""
    images = load(40, 40, processes=1)["train"]
    for number, person in enumerate(["Ann"] * 4 + ["Bo"] * 2 + ["Cy"] * 2 + ["Di"]):
        (folder / "lfw" / person).mkdir(parents=True, exist_ok=True)
        images[number]["image"].save(folder / "lfw" / person / f"{person}_{number + 1:04d}.jpg")
    tiny = EmbedderSettings("encoder", encoder=faces(folder))
    (folder / "other").mkdir(exist_ok=True)
    other = EmbedderSettings("encoder", encoder=faces(folder / "other", seed=1))
    data, pages = PeopleSettings(str(folder / "lfw")), PagesSettings(top=4, people=list(people))
    return ReverseSearchSettings(data, tiny, other, pages=pages, evaluation=EvaluationSettings(resamples=20))


def test_it_is_a_task_that_can_be_searched_and_has_no_stage_of_training(drawn: ReverseSearch):
    assert isinstance(drawn, Task) and isinstance(drawn, Staged) and isinstance(drawn, Searchable)
    assert list(drawn.stages()) == []
    with pytest.raises(ValueError, match="has no weights; train its embedder"):
        drawn.rollout(drawn.new_retriever())


def test_training_saves_a_retriever_bound_to_its_embedder(drawn: ReverseSearch, tmp_path: Path):
    train_retriever(drawn, DRAWN, tmp_path)
    read = drawn.load_retriever(str(tmp_path))
    assert read.fingerprint == drawn.candidates().fingerprint


def test_a_checkpoint_is_evaluated_under_the_protocol_that_is_asked_for(drawn: ReverseSearch, tmp_path: Path):
    save_pretrained(drawn.new_retriever(), tmp_path)
    kept = ReverseSearch(replace(DRAWN, examples=ExampleSettings("best", "keep")), tmp_path)
    read = kept.load_retriever(str(tmp_path))
    assert (read.combine, read.self_hit, read.fingerprint) == ("best", "keep", drawn.candidates().fingerprint)


def test_the_trial_of_the_report_keeps_all_promises(drawn: ReverseSearch):
    trial = drawn.exam(drawn.new_retriever()).model
    check_retriever(trial.retriever, trial.gallery, trial.user, trial.targets[:4])
    check_user(trial.user, trial.gallery, trial.targets[:4])


def test_ir_measures_finds_our_hits_among_the_person_s_other_photos(drawn: ReverseSearch, tmp_path: Path):
    with recorded(drawn.exam(drawn.new_retriever()).model, tmp_path, 10_000) as recording:
        ours = run(recording, 64, show_progress=False).measures
    lists = [one for one in ir_measures.read_trec_run(str(tmp_path / "run.trec")) if one.query_id.endswith("_1")]
    relevant = [one for one in ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec")) if one.query_id.endswith("_1")]
    measures = {"hit@1": ir_measures.Success @ 1, "hit@5": ir_measures.Success @ 5, "average_precision": ir_measures.AP}
    theirs = ir_measures.calc_aggregate(list(measures.values()), relevant, lists)
    for name, measure in measures.items():
        assert theirs[measure] == pytest.approx(float(ours[name][:, 1].mean())) and theirs[measure] > 0


def test_the_control_hears_the_first_example_alone(drawn: ReverseSearch):
    exam = drawn.exam(drawn.new_retriever())
    model, control = (run(trial, 64, show_progress=False) for trial in (exam.model, exam.others[0][1]))
    first = [outcome.measures["average_precision"][:, 1] for outcome in (model, control)]
    assert torch.equal(first[0], first[1])
    shown = control.shown[:, 1:]
    assert torch.equal(shown[:, 0], shown[:, 1])  # turn 2 says who is wrong, and the control does not hear it
    assert [role for role, _ in exam.others] == ["control", "baseline"]


def test_the_protocol_flags_a_query_that_is_kept(tmp_path: Path, drawn: ReverseSearch):
    assert "not counted" in drawn.exam(drawn.new_retriever()).protocol["the query"]
    kept = ReverseSearch(
        ReverseSearchSettings(DRAWN.faces, UNTRAINED, UNTRAINED, ExampleSettings(self_hit="keep", says=["example"])),
        tmp_path,
    )
    kept.prepare(checkpoint=drawn._output)
    exam = kept.exam(kept.new_retriever())
    assert "KEPT IN THE INDEX" in exam.protocol["the query"]
    assert float(run(exam.model, 64, show_progress=False).measures["hit@1"][:, 1].mean()) == 1


def test_sessions_are_of_people_with_two_or_more(tmp_path: Path):
    task = ReverseSearch(lfw(tmp_path), tmp_path / "run")
    task.prepare()
    assert len(task.candidates()) == 9
    trial = task.exam(task.new_retriever()).model
    assert [task.candidates().ids[place].split("/")[0] for place in trial.targets] == ["Ann"] * 4 + ["Bo"] * 2 + [
        "Cy"
    ] * 2


def test_named_people_are_pictured_by_their_first_photo(tmp_path: Path):
    task = ReverseSearch(lfw(tmp_path, ("Cy", "Di")), tmp_path / "run")
    task.prepare()
    retriever = task.new_retriever()
    drawn = task.pictures(run(task.exam(retriever).model, 64, show_progress=False), tmp_path / "pictures")
    assert [path.name for path in drawn.values()] == ["pages.png"]  # too few people for an open set
    with pytest.raises(ValueError, match=r"pages\.people names 'Eve', of whom there is no face"):
        ReverseSearch(lfw(tmp_path, ("Eve",)), tmp_path / "run").prepare()


def test_a_photo_is_what_a_line_of_text_names(tmp_path: Path):
    task = ReverseSearch(lfw(tmp_path), tmp_path / "run")
    task.prepare()
    turn = Session(task.new_retriever(), task.candidates(), torch.tensor([0])).show()
    reply = task.read_reply(str(tmp_path / "lfw" / "Bo" / "Bo_0005.jpg"), turn)
    own = task.candidates().vectors[task.candidates().positions(["Bo/Bo_0005.jpg"])]
    assert torch.allclose(reply.vectors, own, atol=1e-5)
    assert torch.equal(task.read_reply("example: Bo/Bo_0005.jpg", turn).vectors, own)
    with pytest.raises(ValueError, match=r"'\.\./Bo\.jpg' is not in the gallery of 9"):
        task.read_reply("example: ../Bo.jpg", turn)


def test_a_line_can_say_that_a_face_is_somebody_else(drawn: ReverseSearch):
    gallery = drawn.candidates()
    session = Session(drawn.new_retriever(), gallery, torch.tensor([0]), len(gallery))
    page = session.tell(drawn.read_reply(f"example: {gallery.ids[3]}", session.show())).shown[0].tolist()
    turn = session.tell(drawn.read_reply(f"not: {gallery.ids[page[0]]}, {gallery.ids[page[2]]}", session.show()))
    assert turn.shown[0].tolist()[:2] == [page[1], page[3]] and page[0] in turn.shown[0, -3:].tolist()
    with pytest.raises(ValueError, match=r"'nobody\.png' is not in the gallery"):
        drawn.read_reply("not: nobody.png", turn)


def test_people_with_one_photo_each_cannot_be_found(tmp_path: Path):
    settings = lfw(tmp_path)
    for path in (tmp_path / "lfw").glob("*/*.jpg"):
        if path.name not in ("Ann_0001.jpg", "Bo_0005.jpg", "Cy_0007.jpg", "Di_0009.jpg"):
            path.unlink()
    with pytest.raises(ValueError, match="nobody has two photos with a face"):
        ReverseSearch(settings, tmp_path / "run").prepare()


def test_an_embedder_makes_one_vector_of_a_picture():
    with pytest.raises(ValueError, match="a face needs one vector"):
        EmbedderSettings("encoder", encoder=EncoderSettings("squeezenet", regions="grid"))


SMALL = [
    *("--task", "lfw-reverse", "--faces.count", "400", "--faces.size", "32", "--evaluation.resamples", "20"),
    *("--embedder.network.height", "32", "--embedder.network.width", "32"),
    *("--embedder.network.channels", "[8,8,8,16]", "--embedder.network.training.epochs", "1"),
    *("--embedder.network.training.batch_size", "32", "--evaluation.turns", "3"),
]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.mark.slow
def test_train_py_trains_the_embedder_reports_and_can_be_evaluated_again(tmp_path: Path):
    output = tmp_path / "run"
    said = program("train.py", *SMALL, "--output_dir", str(output)).stdout
    assert "FNIR at FPIR 0.01" in said and "Hit@20" in said
    names = {"config.json", "model.safetensors", "metrics.json", "report.html", "embedder", "galleries", "pictures"}
    assert names <= {path.name for path in output.iterdir()}
    assert {"pages.png", "open_set.png", "open_set.json"} <= {path.name for path in (output / "pictures").iterdir()}
    page = (output / "report.html").read_text()
    assert "<caption>Open set: FNIR at wanted FPIR</caption>" in page and "FNIR at FPIR 0.01, %" in page
    program("-m", "eval.evaluate", "--checkpoint", str(output), "--output_dir", str(tmp_path / "again"))
    first, again = (json.loads((folder / "metrics.json").read_text()) for folder in (output, tmp_path / "again"))
    assert first["per_turn"] == again["per_turn"] and first["others"] == again["others"]
    for name in ("hit@1", "hit@5", "hit@20", "average_precision", "r_precision"):
        assert 0 <= first["per_turn"][0][name] <= 1
