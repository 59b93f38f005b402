"""Claims about training: it learns, by one process or several, and ends with the weights of its best epoch."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import load_file, save_file
from torch import nn

from multiturn.checkpoints import newest_checkpoint
from multiturn.settings import TrainingSettings
from multiturn.training import load_weights, save_pretrained, save_weights
from tests.multiturn.small_training import Line, equal, error, train, weights

ROOT = Path(__file__).resolve().parent.parent.parent


def test_it_learns(tmp_path: Path):
    module, progress = train(tmp_path, 10)
    losses = [epoch["loss"] for epoch in progress.history]
    assert losses[-1] < 0.5 * losses[0]
    assert progress.best == max(epoch["score"] for epoch in progress.history)
    assert json.loads((tmp_path / "history.json").read_text()) == progress.history
    assert not module.training


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("decay", [False, True])
def test_training_resumed_after_k_epochs_equals_uninterrupted_training_to_the_last_bit(tmp_path: Path, stop, decay):
    class Stop(Exception):
        pass

    finished: list[dict[str, float]] = []

    def stops(module: nn.Module) -> dict[str, float]:
        if len(finished) == stop:
            raise Stop
        finished.append(error(module))
        return finished[-1]

    changes = {"decay": decay, "gradient_norm": 1.0}
    whole, uninterrupted = train(tmp_path / "whole", 4, **changes)
    with pytest.raises(Stop):
        train(tmp_path / "parts", 4, validate=stops, **changes)
    torch.manual_seed(99)
    resumed, progress = train(tmp_path / "parts", 4, resume=True, **changes)
    assert progress.history == uninterrupted.history
    assert equal(whole, resumed)


def test_the_order_of_examples_depends_on_the_seed_and_the_epoch_alone(tmp_path: Path):
    whole, _ = train(tmp_path / "whole", 3)
    train(tmp_path / "parts", 2)
    resumed, _ = train(tmp_path / "parts", 3, resume=True)
    assert resumed.seen == whole.seen[-6:]
    epochs = [[row for batch in whole.seen[first : first + 6] for row in batch] for first in (0, 6, 12)]
    assert all(len(set(epoch)) == 48 for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_resuming_finished_training_changes_nothing_and_ends_in_evaluation_mode(tmp_path: Path):
    first, _ = train(tmp_path, 2)
    again, progress = train(tmp_path, 2, resume=True)
    assert equal(first, again)
    assert again.seen == []
    assert progress.epoch == 2
    assert not again.training


def test_resuming_with_nothing_there_starts_afresh(tmp_path: Path):
    fresh, _ = train(tmp_path / "a", 2)
    resumed, _ = train(tmp_path / "b", 2, resume=True)
    assert equal(fresh, resumed)


def test_starting_afresh_forgets_the_old_checkpoints(tmp_path: Path):
    train(tmp_path, 4)
    train(tmp_path, 1)
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "epoch-0001"


def test_the_weights_of_the_best_epoch_remain(tmp_path: Path):
    snapshots = []

    def worse_and_worse(module: nn.Module) -> dict[str, float]:
        snapshots.append(weights(module))
        return {"score": [0.0, 2.0, 1.0, 2.0][len(snapshots) - 1]}

    module, progress = train(tmp_path, 4, validate=worse_and_worse)
    assert progress.best == 2
    assert all(torch.equal(a, b) for a, b in zip(weights(module), snapshots[1], strict=True))
    assert not torch.equal(snapshots[1][0], snapshots[3][0])
    assert torch.equal(load_file(tmp_path / "best.safetensors")["weight.weight"], snapshots[1][0])


def test_the_best_epoch_before_a_break_remains_the_best_after_it(tmp_path: Path):
    first, _ = train(tmp_path, 1, validate=lambda module: {"score": 5.0})
    second, progress = train(tmp_path, 3, resume=True, validate=lambda module: {"score": 1.0})
    assert progress.best == 5
    assert equal(first, second)


def test_only_the_newest_checkpoints_are_kept(tmp_path: Path):
    train(tmp_path, 4, keep=2)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["epoch-0003", "epoch-0004"]


@pytest.mark.parametrize("whole_epochs", [0, 1])
def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path, whole_epochs):
    if whole_epochs:
        train(tmp_path, whole_epochs)
    partial = tmp_path / "checkpoints" / f".epoch-{whole_epochs + 1:04d}.partial"
    partial.mkdir(parents=True)
    (partial / "model.safetensors").write_bytes(b"half")
    resumed, _ = train(tmp_path, 2, resume=True)
    whole, _ = train(tmp_path / "whole", 2)
    assert equal(resumed, whole)


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"batch of 51 .* larger than the 50 training examples; lower batch_size"):
        train(tmp_path, 1, batch_size=51)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_epoch(tmp_path: Path):
    with pytest.raises(ValueError, match="loss is nan in epoch 2; lower learning_rate"):
        train(tmp_path, 4, module=Line(bad_epoch=1))
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoints" / "epoch-0001"


def test_a_validation_value_that_is_not_finite_stops_training(tmp_path: Path):
    with pytest.raises(ValueError, match="validation value score is nan after epoch 1"):
        train(tmp_path, 2, validate=lambda module: {"score": math.nan})


def test_frozen_weights_stay(tmp_path: Path):
    module = Line()
    module.weight.bias.requires_grad_(False)
    before = module.weight.bias.clone()
    train(tmp_path, 2, module=module)
    assert torch.equal(module.weight.bias, before)


class Named(nn.Module, PyTorchModelHubMixin):
    """Weights with a configuration."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width)


def test_a_pretrained_folder_survives_an_error_while_it_is_written_again(tmp_path: Path):
    save_pretrained(Named(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"config.json", "model.safetensors"}

    class Broken(Named):
        def save_pretrained(self, save_directory, **options):  # type: ignore[override]
            super().save_pretrained(save_directory, **options)
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_pretrained(Broken(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_a_pretrained_folder_that_is_killed_while_it_is_written_always_loads(tmp_path: Path):
    script = tmp_path / "write.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom torch import nn\n"
        "from huggingface_hub import PyTorchModelHubMixin\nfrom multiturn.training import save_pretrained\n"
        "class Named(nn.Module, PyTorchModelHubMixin):\n"
        "    def __init__(self, width=4):\n        super().__init__()\n        self.layer = nn.Linear(width, width)\n"
        "while True:\n    save_pretrained(Named(512), Path(sys.argv[1]))\n"
    )
    folder = tmp_path / "model"
    save_pretrained(Named(512), folder)
    for wait in (0.0, 0.013, 0.037, 0.061):
        with subprocess.Popen([sys.executable, str(script), str(folder)], cwd=ROOT) as process:
            first = (folder / "model.safetensors").stat().st_mtime_ns
            deadline = time.monotonic() + 60
            while (folder / "model.safetensors").stat().st_mtime_ns == first:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(wait)
            process.kill()
        assert Named.from_pretrained(str(folder)).layer.weight.shape == (512, 512)


def test_weights_of_another_module_are_refused_and_the_difference_named(tmp_path: Path):
    save_weights(nn.Linear(3, 2), tmp_path / "w")
    with pytest.raises(ValueError, match="does not fit this model"):
        load_weights(nn.Linear(4, 2), tmp_path / "w")
    with pytest.raises(ValueError, match=r"weight\.bias"):
        load_weights(Line(), tmp_path / "w")
    save_file({"weight": torch.zeros(2, 3)}, tmp_path / "w")
    with pytest.raises(ValueError, match="bias"):
        load_weights(nn.Linear(3, 2), tmp_path / "w")


def test_damaged_weights_are_refused(tmp_path: Path):
    (tmp_path / "w").write_bytes(b"\0" * 50)
    with pytest.raises(ValueError, match="does not fit this model"):
        load_weights(Line(), tmp_path / "w")
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_weights(Line(), tmp_path / "none")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("epochs", 0), ("batch_size", 0), ("keep", 0), ("workers", -1), ("gradient_norm", -1.0), ("learning_rate", 0.0)],
)
def test_a_setting_out_of_range_is_named(setting, value):
    with pytest.raises(ValueError, match=setting):
        TrainingSettings(**{setting: value})


def test_accumulated_batches_equal_one_batch_of_their_size_up_to_rounding(tmp_path: Path):
    parts, accumulated = train(tmp_path / "parts", 3, module=Line(still=True), batch_size=4, accumulate=4)
    whole, progress = train(tmp_path / "whole", 3, module=Line(still=True), batch_size=16)
    assert [row for batch in parts.seen for row in batch] == [row for batch in whole.seen for row in batch]
    assert [row["loss"] for row in accumulated.history] == pytest.approx([row["loss"] for row in progress.history])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(weights(parts), weights(whole), strict=True))


def test_accumulated_batches_larger_than_the_data_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"batch of 8 7 times .* the 50 training examples; lower batch_size or accum"):
        train(tmp_path, 1, accumulate=7)


# In each of several processes: a whole training, one that is killed and resumed, and one that draws nothing at random.
PROGRAM = """
import sys, torch
from pathlib import Path
from multiturn.processes import launched
from tests.multiturn.small_training import Killed, Line, train

def outcome(name, **options):
    module, progress = train(output / name, 2, batch_size=4, **options)
    return {"weights": module.state_dict(), "history": progress.history, "seen": module.seen}

output = Path(sys.argv[1])
outcomes = {"whole": outcome("whole"), "still": outcome("still", module=Line(still=True))}
try:
    outcome("parts", module=Line(killed_at=9), checkpoint_steps=1)
except Killed:
    outcomes["resumed"] = outcome("parts", resume=True)
torch.save(outcomes, output / f"{launched().process_index}.pt")
"""


@pytest.mark.slow
def test_two_processes_resume_to_the_same_bits_and_train_as_one_with_batches_twice_as_large(tmp_path: Path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    # `accelerate launch --cpu` starts one process whatever it is told; torchrun is what it calls for several.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.check_call([*launch, str(program), str(tmp_path)], env=environment, timeout=200)
    first, second = (torch.load(tmp_path / f"{process}.pt") for process in (0, 1))
    for name in ("whole", "still", "resumed"):
        assert first[name]["history"] == second[name]["history"]
        assert all(
            torch.equal(first[name]["weights"][key], second[name]["weights"][key]) for key in Line().state_dict()
        )
    assert len(first["resumed"]["seen"]) == 3
    assert first["resumed"]["history"] == first["whole"]["history"]
    assert all(torch.equal(value, first["whole"]["weights"][key]) for key, value in first["resumed"]["weights"].items())
    alone, progress = train(tmp_path / "alone", 2, module=Line(still=True))
    for row, own in zip(first["still"]["history"], progress.history, strict=True):
        assert row == pytest.approx(own)
    together = [one + other for one, other in zip(first["still"]["seen"], second["still"]["seen"], strict=True)]
    assert together == alone.seen
