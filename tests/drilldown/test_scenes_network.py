"""Claims about the network that describes cells of drawn scenes: its features, its training, and its files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict

from data_prep import drawn_scenes
from drilldown.scene_cells import CELLS, LABELS, LabelledCells
from drilldown.scenes_network import CellLoss, SceneNetwork, reading_accuracy, train_scene_network
from multiturn.contracts import check_encoder
from multiturn.encoders.regions.grid import GridEncoder, MapEncoder
from multiturn.settings import TrainingSettings
from multiturn.training import fit


class Flat:
    """The regions of a picture as one long vector, so that the contract of encoders can be asked of them."""

    def __init__(self, encoder: GridEncoder) -> None:
        self._encoder, self.fingerprint = encoder, encoder.fingerprint
        self.dim = CELLS**2 * encoder.dim

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> torch.Tensor:
        return self._encoder.encode(items, batch_size).vectors.flatten(1)


def small(seed: int = 0, channels: tuple[int, ...] = (4, 4, 4, 4, 8)) -> SceneNetwork:
    torch.manual_seed(seed)
    return SceneNetwork(list(LABELS), list(LABELS.values()), channels=channels).eval()


@pytest.fixture(scope="module")
def scenes() -> DatasetDict:
    return drawn_scenes.load(count=40, size=64, processes=1)


def test_cells_of_the_network_keep_the_promises_of_encoders(scenes: DatasetDict):
    check_encoder(Flat(GridEncoder(small())), scenes["test"].select(range(4)))


def test_the_network_has_a_map_of_as_many_cells_as_the_grid(scenes: DatasetDict):
    network = small()
    assert isinstance(network, MapEncoder)
    regions = GridEncoder(network).encode(scenes["test"].select(range(2)))
    # What the labels are read from; mean and spread of three colours; row and column.
    assert regions.vectors.shape == (2, CELLS**2, 8 + 6 + 2 * CELLS)


def test_every_cell_tells_its_row_and_column():
    place = small().feature_map(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))[0, -2 * CELLS :]
    row, column = place.split(CELLS)
    assert all(row[r, r, c] == column[c, r, c] == 1 for r in range(CELLS) for c in range(CELLS))
    assert place.sum() == 2 * CELLS**2


def test_every_cell_tells_the_colours_that_lie_in_it():
    pixels = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    pixels[0, 0, 16:32, 32:48] = 255
    colours = small().feature_map(pixels)[0, 8:14]
    assert colours[0, 1, 2] > 1.9 and colours[1, 1, 2] < -1.9
    assert (colours[0] > 0).sum() == 1 and colours[3:].abs().max() < 1e-3


def test_the_fingerprint_changes_with_any_weight():
    one, same, other = small(0), small(0), small(0)
    with torch.no_grad():
        other.read.weight[3, 0] += 1e-3
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_saved_network_reads_back_with_its_labels_in_their_order(tmp_path: Path):
    network = small()
    network.save_pretrained(tmp_path)
    again = SceneNetwork.from_pretrained(tmp_path).eval()
    assert list(again.labels.items()) == list(network.labels.items())
    assert again.fingerprint == network.fingerprint


def test_a_mirrored_picture_is_trained_with_mirrored_labels(scenes: DatasetDict):
    network, cells = small(), LabelledCells(scenes["train"].select(range(1)), LABELS, 96)
    row, pixels, targets = (torch.as_tensor(part)[None] for part in cells[0])
    # Which of the two is mirrored depends on the epoch; a network blind to sides would not tell them apart.
    plain, mirrored = (row, pixels, targets), (row, pixels.flip(3), targets.flip(3))
    with torch.no_grad():
        losses = {round(float(CellLoss(network)(batch, epoch)), 4) for batch in (plain, mirrored) for epoch in range(8)}
    assert len(losses) == 2


def test_reading_counts_the_objects_whose_values_are_right(scenes: DatasetDict):
    network, cells = small(), LabelledCells(scenes["test"], LABELS, 96)
    for weight in network.read.parameters():
        torch.nn.init.zeros_(weight)
    assert network.read.bias is not None
    with torch.no_grad():
        network.read.bias[LABELS["kind"].index("ball")] = 1.0
    found = reading_accuracy(network, cells)
    kinds = [thing["kind"] for things in scenes["test"]["objects"] for thing in things]
    colours = [thing["colour"] for things in scenes["test"]["objects"] for thing in things]
    assert found["kind"] == pytest.approx(kinds.count("ball") / len(kinds))
    assert found["colour"] == pytest.approx(colours.count(LABELS["colour"][0]) / len(colours))
    assert found["empty"] == 0


@pytest.mark.slow
def test_training_starts_from_the_seed_ends_in_its_folder_and_is_read_again(scenes: DatasetDict, tmp_path: Path):
    settings = TrainingSettings(epochs=1, batch_size=8)
    train, validation = scenes["train"].select(range(16)), scenes["validation"]
    network = train_scene_network(train, validation, tmp_path, settings, seed=3)
    assert not network.training
    again = train_scene_network(train, validation, tmp_path, settings, seed=4, resume=True)
    assert again.fingerprint == network.fingerprint
    afresh = train_scene_network(train, validation, tmp_path / "other", settings, seed=3)
    assert afresh.fingerprint == network.fingerprint


@pytest.mark.slow
def test_killed_within_an_epoch_the_network_is_trained_on_to_the_same_bits(
    scenes: DatasetDict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    forward, steps = CellLoss.forward, []

    def dies(self: CellLoss, batch: Any, epoch: int) -> torch.Tensor:
        steps.append(epoch)
        if len(steps) == 4:
            raise Killed
        return forward(self, batch, epoch)

    settings = TrainingSettings(epochs=2, batch_size=8, decay=True, weight_decay=0.05, checkpoint_steps=1)
    train, validation = scenes["train"].select(range(16)), scenes["validation"]
    whole = train_scene_network(train, validation, tmp_path / "whole", settings)
    monkeypatch.setattr(CellLoss, "forward", dies)
    with pytest.raises(Killed):
        train_scene_network(train, validation, tmp_path / "killed", settings)
    resumed = train_scene_network(train, validation, tmp_path / "killed", settings, resume=True)
    assert steps == [0, 0, 1, 1, 1]
    assert resumed.fingerprint == whole.fingerprint


@pytest.mark.slow
def test_a_network_learns_to_read_colours_above_chance(tmp_path: Path):
    scenes = drawn_scenes.load(count=200, size=64, processes=1)
    network = small(channels=(8, 16, 16, 16, 32))
    train, test = (LabelledCells(part, LABELS, 96) for part in (scenes["train"], scenes["test"]))
    settings = TrainingSettings(epochs=6, batch_size=16, learning_rate=1e-2)
    fit(CellLoss(network), train, settings, lambda module: reading_accuracy(network, test), "accuracy", tmp_path)
    found = reading_accuracy(network, test)
    _, frequency = test.objects[:, 4].unique(return_counts=True)
    assert found["colour"] > 1.5 * float(frequency.max() / len(test.objects))


@pytest.mark.parametrize(
    ("given", "message"),
    [({"channels": (4, 8)}, "five stages, not the 2 channels"), ({"side": 100}, "side is 100; give a multiple of 96")],
)
def test_sizes_that_make_no_six_by_six_cells_are_refused(given: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        SceneNetwork(list(LABELS), list(LABELS.values()), **given)


def test_the_columns_that_are_not_labels_are_never_read(scenes: DatasetDict):
    part: Dataset = scenes["train"].select_columns(["image", "objects"]).select(range(3))
    assert len(LabelledCells(part, LABELS, 96)) == 3
