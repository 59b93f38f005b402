"""Claims about opening the systems of a study from their checkpoints; on a few drawn faces and scenes."""

from pathlib import Path

import pytest
import torch

from facefb.feedback import AttributeFeedback
from facefb.settings import AttributeFeedbackSettings
from multiturn.replies import AttributeReply
from multiturn.session import Turn
from multiturn.study.systems import open_system, open_systems
from tests.multiturn.study.small import CONFIGS, faces, scenes


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints on the same faces, one on others, one on scenes."""
    folder = tmp_path_factory.mktemp("systems")
    faces(folder / "one")
    faces(folder / "two", "--gru.hidden", "32", beside=folder / "one")
    faces(folder / "other", "--faces.count", "100")
    scenes(folder / "scenes")
    return folder


@pytest.mark.slow
def test_a_system_is_searched_in_words_over_its_own_gallery(home: Path):
    system = open_system("ours", str(home / "one"), CONFIGS)
    session = system.session(torch.tensor([3]), 4, "drop_from_display", watched=torch.tensor([5]))
    reply = system.task.read_reply("Smiling, not Male", session.show())
    turn = session.tell(reply)
    assert system.name == "ours" and turn.shown.shape == (1, 4) and turn.ranks is not None
    assert set(system.images["id"]) >= {system.gallery.ids[place] for place in turn.shown[0].tolist()}


@pytest.mark.slow
def test_what_the_shown_face_has_is_known_and_the_rest_follows_from_the_words(home: Path):
    system = open_system("ours", str(home / "one"), CONFIGS)
    turn = system.session(torch.tensor([0]), 1, "keep").show()
    reply = system.task.read_reply("Smiling, not Male", turn)
    assert isinstance(reply, AttributeReply) and int(reply.about) == int(turn.shown[0, 0])
    wanted = (reply.candidate * reply.relevance)[0]
    assert wanted.abs().sum() == 2 and wanted.sum() == 0 and bool((reply.candidate != 0).all())
    same = system.task.read_reply("same: Smiling; differs: Male", turn)
    assert isinstance(same, AttributeReply) and same.relevance[0].sort().values[[0, -1]].tolist() == [-1, 1]


@pytest.mark.slow
def test_systems_over_equal_galleries_share_one_and_other_candidates_are_refused(home: Path):
    one, two = open_systems({"one": str(home / "one"), "two": str(home / "two")}, CONFIGS)
    assert one.gallery is two.gallery and one.retriever is not two.retriever
    with pytest.raises(ValueError, match=r"one and other search other candidates: .* is in (one|other) only"):
        open_systems({"one": str(home / "one"), "other": str(home / "other")}, CONFIGS)


@pytest.mark.slow
def test_a_system_keeps_the_configuration_of_its_checkpoint_but_for_what_is_overridden(home: Path):
    system = open_system("scenes", str(home / "scenes"), CONFIGS, ["--evaluation.turns", "2"])
    assert system.task.settings.evaluation.turns == 2 and system.task.settings.data.count == 60  # type: ignore[attr-defined]


def test_a_folder_without_a_checkpoint_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        open_system("ours", str(tmp_path / "none"), CONFIGS)
    assert f"no checkpoint called {str(tmp_path / 'none')!r}" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["celeba-feedback", "vg-drilldown"])
def test_a_training_that_is_not_over_is_refused_with_how_to_go_on(task: str, tmp_path: Path):
    (tmp_path / "config.yaml").write_text(f"task: {task}\n")
    with pytest.raises(ValueError, match=r"holds no trained retriever.* python train.py --output_dir \S+ --resume"):
        open_system("ours", str(tmp_path), CONFIGS)


@pytest.mark.parametrize("text", ["same: Smiling; differs: Male", "Smiling, not Male"])
def test_a_comparison_with_nothing_shown_asks_for_an_opening_page(text: str, tmp_path: Path):
    task = AttributeFeedback(AttributeFeedbackSettings(), tmp_path)
    nothing = torch.zeros(1, 0, dtype=torch.long)
    turn = Turn(0, torch.tensor([0]), nothing, nothing.double(), None, None, None)
    with pytest.raises(ValueError, match=r"no face is shown .*; give the session an opening page"):
        task.read_reply(text, turn)
