"""Claims about trackers: they are told what was trained, under the output folder, and a missing one is named."""

from pathlib import Path

import pytest
from accelerate.utils import LoggerType

import multiturn.tracking
from multiturn.settings import TRACKERS
from multiturn.tracking import tracked
from tests.multiturn.small_training import equal, train


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiturn.tracking, "get_available_trackers", lambda: [])


def scalars(output: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of all that TensorBoard was told, as it shows them."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (folder,) = {path.parent for path in (output / "tracking").rglob("events.*")}
    read = accumulator.EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def test_tensorboard_is_told_losses_rates_norms_and_validation_values(tmp_path: Path):
    with tracked() as name:
        _, progress = train(tmp_path / "run", 2)
    assert name == "tensorboard"
    told = scalars(tmp_path / "run")
    assert {"train/loss", "train/learning_rate", "train/gradient_norm", "epoch/loss"} <= set(told)
    scores = [(6.0 * n, pytest.approx(row["score"])) for n, row in enumerate(progress.history, start=1)]
    assert told["validation/score"] == scores
    assert told["train/learning_rate"] == [(1, pytest.approx(0.05)), (7, pytest.approx(0.05))]


def test_after_a_break_each_step_is_told_once(tmp_path: Path):
    with tracked():
        train(tmp_path / "whole", 3)
        train(tmp_path / "parts", 2)
        (tmp_path / "parts" / "checkpoints" / "epoch-0002" / "optimizer.bin").unlink()
        train(tmp_path / "parts", 3, resume=True)
    assert scalars(tmp_path / "parts") == scalars(tmp_path / "whole")


@pytest.mark.parametrize("gradient_norm", [0.0, 1.0])
def test_a_tracker_changes_no_weight(tmp_path: Path, gradient_norm: float):
    untold, _ = train(tmp_path / "untold", 2, gradient_norm=gradient_norm)
    with tracked():
        told, _ = train(tmp_path / "told", 2, gradient_norm=gradient_norm)
    assert equal(untold, told)


def test_without_being_asked_nothing_is_told(tmp_path: Path):
    train(tmp_path, 1)
    assert not (tmp_path / "tracking").exists()


@pytest.mark.usefixtures("nothing_installed")
def test_where_tensorboard_is_missing_the_default_is_none(tmp_path: Path):
    with tracked() as name:
        train(tmp_path, 1)
    assert name == "none"
    assert not (tmp_path / "tracking").exists()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("name", "package"), [("tensorboard", r"'multiturn-retrieval\[track\]'"), ("wandb", "wandb")])
def test_a_tracker_that_is_not_installed_is_refused_with_what_to_install(name: str, package: str):
    with (
        pytest.raises(ValueError, match=f"tracker is {name}, which is not installed: pip install {package}"),
        tracked(name),
    ):
        pass


def test_an_unknown_tracker_is_refused_with_the_known_ones():
    with (
        pytest.raises(ValueError, match="tracker is tensorbord; the trackers are none, tensorboard"),
        tracked("tensorbord"),
    ):
        pass


def test_all_trackers_of_accelerate_can_be_asked_for():
    assert {name for name in TRACKERS if name != "none"} == set(LoggerType.list())
