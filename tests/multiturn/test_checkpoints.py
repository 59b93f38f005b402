"""Claims about checkpoints: killed anywhere and resumed, a training ends as if it had never stopped; damage is met."""

import json
import os
import pickle
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from multiturn.checkpoints import MANIFEST, _digests, checkpoints, damage, newest_checkpoint
from multiturn.settings import TrainingSettings
from tests.multiturn.small_training import Killed, Line, equal, error, train

STEPS = 6  # an epoch
EACH = {"checkpoint_steps": 1}


def killed(output: Path, after: int, epochs: int = 2, resume: bool = False, **changes) -> Line:
    """A training that is killed when it has read so many batches."""
    module = Line(killed_at=after)
    with pytest.raises(Killed):
        train(output, epochs, resume, module=module, **changes)
    return module


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, list[dict[str, float]]]:
    """Two epochs that are never interrupted, and their history."""
    module, progress = train(tmp_path_factory.mktemp("whole"), 2)
    return module, progress.history


@pytest.mark.parametrize("after", range(2 * STEPS))
def test_killed_after_any_step_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, whole, after: int):
    killed(tmp_path, after, **EACH)
    torch.manual_seed(99)
    resumed, progress = train(tmp_path, 2, resume=True, **EACH)
    assert resumed.seen == whole[0].seen[after:]
    assert progress.history == whole[1]
    assert equal(resumed, whole[0])


@pytest.mark.parametrize("after", [2, 4, 7])
@pytest.mark.parametrize(
    "changes", [{"decay": True, "gradient_norm": 1.0}, {"accumulate": 2}, {"workers": 1}, {"weight_decay": 0.1}]
)
def test_so_it_does_with_a_schedule_clipping_accumulation_and_workers(tmp_path: Path, changes, after: int):
    uninterrupted, progress = train(tmp_path / "whole", 2, **changes)
    killed(tmp_path / "parts", after, **EACH, **changes)
    resumed, again = train(tmp_path / "parts", 2, resume=True, **changes)
    assert again.history == progress.history
    assert equal(resumed, uninterrupted)


def test_killed_again_and_again_it_ends_with_the_same_bits(tmp_path: Path, whole):
    for after in (3, 0, 2, 4, 1):
        killed(tmp_path, after, resume=True, **EACH)
    resumed, progress = train(tmp_path, 2, resume=True)
    assert progress.history == whole[1]
    assert equal(resumed, whole[0])


def test_killed_between_checkpoints_it_goes_on_from_the_last_one(tmp_path: Path, whole):
    killed(tmp_path, 10, checkpoint_steps=4)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "epoch-0001-step-000004"
    resumed, _ = train(tmp_path, 2, resume=True)
    assert resumed.seen == whole[0].seen[10:]
    assert equal(resumed, whole[0])


@pytest.mark.parametrize("finished", [0, 1])
def test_killed_during_validation_it_validates_again(tmp_path: Path, whole, finished: int):
    values: list[dict[str, float]] = []

    def dies(module: torch.nn.Module) -> dict[str, float]:
        if len(values) == finished:
            raise Killed
        values.append(error(module))
        return values[-1]

    with pytest.raises(Killed):
        train(tmp_path, 2, validate=dies, **EACH)
    resumed, progress = train(tmp_path, 2, resume=True)
    assert resumed.seen == whole[0].seen[(finished + 1) * STEPS :]
    assert progress.history == whole[1]
    assert equal(resumed, whole[0])


def test_batches_are_skipped_in_the_first_resumed_epoch_only(tmp_path: Path):
    whole, _ = train(tmp_path / "whole", 4)
    killed(tmp_path / "parts", 8, 4, **EACH)
    resumed, _ = train(tmp_path / "parts", 4, resume=True)
    assert resumed.seen == whole.seen[8:]


@pytest.mark.parametrize(("seconds", "written"), [(0.0, 1), (1e-9, STEPS + 1), (3600.0, 1)])
def test_checkpoints_within_an_epoch_follow_the_clock(tmp_path: Path, seconds: float, written: int):
    train(tmp_path, 1, checkpoint_seconds=seconds, keep=99)
    assert len(checkpoints(tmp_path)) == written


def test_the_newest_checkpoints_are_kept_within_an_epoch_too(tmp_path: Path):
    killed(tmp_path, 8, **EACH, keep=3)
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == ["epoch-0001", "epoch-0001-step-000001", "epoch-0001-step-000002"]
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name not in names]


def test_what_a_kill_left_half_written_or_half_deleted_is_removed(tmp_path: Path, whole):
    killed(tmp_path, 8, **EACH)
    for name in (".epoch-0001-step-000003.partial", ".epoch-0000.removed"):
        shutil.copytree(newest_checkpoint(tmp_path) or tmp_path, tmp_path / "checkpoints" / name)
    resumed, _ = train(tmp_path, 2, resume=True)
    assert equal(resumed, whole[0])
    assert not list((tmp_path / "checkpoints").glob(".*"))


def truncate(folder: Path) -> None:
    os.truncate(folder / "optimizer.bin", 100)


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def forget_a_file(folder: Path) -> None:
    (folder / "random_states_0.pkl").unlink()


def forget_the_list(folder: Path) -> None:
    (folder / MANIFEST).unlink()


DAMAGES = {
    "optimizer.bin is not as written": truncate,
    "model.safetensors is not as written": flip_a_bit,
    "random_states_0.pkl is not as written": forget_a_file,
    "files.json is missing": forget_the_list,
}


@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(tmp_path: Path, whole, capsys, said: str):
    killed(tmp_path, 8, **EACH)
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    DAMAGES[said](newest)
    resumed, progress = train(tmp_path, 2, resume=True)
    told = capsys.readouterr()
    assert f"{newest} is damaged ({said}" in told.err
    assert "resumed after epoch 1 and 1 steps, from" in told.out
    assert progress.history == whole[1]
    assert equal(resumed, whole[0])


def test_without_a_whole_checkpoint_it_begins_afresh_and_says_so(tmp_path: Path, whole, capsys):
    killed(tmp_path, 8, **EACH)
    for folder in checkpoints(tmp_path):
        truncate(folder)
    resumed, _ = train(tmp_path, 2, resume=True)
    assert "no checkpoint to go on from; it begins afresh" in capsys.readouterr().out
    assert equal(resumed, whole[0])


def test_the_best_epochs_weights_are_those_of_the_checkpoint_that_it_goes_on_from(tmp_path: Path):
    scores = iter([1.0, 2.0])
    train(tmp_path, 2, validate=lambda module: {"score": next(scores)})
    truncate(tmp_path / "checkpoints" / "epoch-0002")
    first, _ = train(tmp_path / "first", 1)
    resumed, progress = train(tmp_path, 2, resume=True, validate=lambda module: {"score": 0.0})
    assert progress.best == 1.0
    assert equal(resumed, first)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"batch_size": 16}, "batch_size is 16, was 8"),
        ({"learning_rate": 0.1, "decay": True}, r"learning_rate is 0.1, was 0.05; .*decay is True, was False"),
        ({"accumulate": 2}, "accumulate is 2, was 1"),
    ],
)
def test_going_on_with_other_settings_is_refused_and_each_is_named(tmp_path: Path, changes, named: str):
    train(tmp_path, 1)
    with pytest.raises(ValueError, match=rf"epoch-0001 was made with other settings: .*{named}.*; give those"):
        train(tmp_path, 2, resume=True, **changes)


@pytest.fixture
def bf16(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As `accelerate launch --mixed_precision bf16` starts a program."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.mark.usefixtures("bf16")
def test_in_bf16_it_learns_other_weights_and_resumes_to_the_same_bits(tmp_path: Path, whole):
    uninterrupted, progress = train(tmp_path / "whole", 2)
    killed(tmp_path / "parts", 8, **EACH)
    resumed, again = train(tmp_path / "parts", 2, resume=True)
    assert again.history == progress.history
    assert equal(resumed, uninterrupted)
    assert not equal(resumed, whole[0])
    assert progress.best == pytest.approx(whole[1][-1]["score"], rel=0.05)


def test_going_on_in_another_precision_is_refused(tmp_path: Path, request: pytest.FixtureRequest):
    train(tmp_path, 1)
    request.getfixturevalue("bf16")
    with pytest.raises(ValueError, match="precision is bf16, was no"):
        train(tmp_path, 2, resume=True)


def test_a_schedule_binds_the_number_of_epochs(tmp_path: Path):
    train(tmp_path, 1, decay=True)
    with pytest.raises(ValueError, match="epochs is 2, was 1"):
        train(tmp_path, 2, resume=True, decay=True)


def test_a_full_disk_ends_training_and_leaves_the_checkpoints_before(tmp_path: Path, whole):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fills_up(module: torch.nn.Module) -> dict[str, float]:
        if newest_checkpoint(tmp_path):
            resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        return error(module)

    try:
        with pytest.raises(OSError, match=r"checkpoint epoch-0002 could not be written to .*go on with --resume"):
            train(tmp_path, 2, validate=fills_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["epoch-0001"]
    assert damage(tmp_path / "checkpoints" / "epoch-0001") == ""
    resumed, _ = train(tmp_path, 2, resume=True)
    assert equal(resumed, whole[0])


def test_a_finished_training_says_so(tmp_path: Path, capsys):
    train(tmp_path, 1)
    train(tmp_path, 1, resume=True)
    assert "training: was finished after epoch 1; nothing is left to train" in capsys.readouterr().out


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["optimizer.bin", "random_states_0.pkl"])
@pytest.mark.parametrize("save", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap, protocol=2))])
def test_no_file_of_a_checkpoint_is_unpickled(tmp_path: Path, name: str, save):
    train(tmp_path, 1)
    folder = tmp_path / "checkpoints" / "epoch-0001"
    save(Trap(tmp_path / "sprung"), folder / name)
    (folder / MANIFEST).write_text(json.dumps(_digests(folder)))
    with pytest.raises(ValueError, match="holds something else than numbers"):
        train(tmp_path, 2, resume=True)
    assert not (tmp_path / "sprung").exists()


def test_checkpoints_are_sorted_by_their_numbers(tmp_path: Path):
    names = ["epoch-0009", "epoch-0009-step-000050", "epoch-0009-step-1000000", "epoch-0010", "epoch-10000"]
    for name in reversed(names):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert [path.name for path in checkpoints(tmp_path)] == names


def test_settings_that_may_change_are_settings():
    from multiturn.settings import CHANGEABLE

    assert set(CHANGEABLE) <= set(vars(TrainingSettings()))
    assert not re.search("batch|rate|decay|norm|accumulate", " ".join(CHANGEABLE))
