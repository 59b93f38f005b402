"""The network that describes the cells of drawn scenes, and its training; how cells become a gallery is elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from drilldown.scene_cells import CELLS, LABELS, NOTHING, UNSURE, LabelledCells
from multiturn.draws import uniform
from multiturn.encoders.images import to_pixels
from multiturn.encoders.tf32 import without_tf32
from multiturn.encoders.weights import weights_digest
from multiturn.hub.model import HubModel
from multiturn.processes import launched
from multiturn.settings import TrainingSettings
from multiturn.training import fit, save_pretrained


class SceneNetwork(nn.Module, HubModel):
    """Describes each cell of a picture: which object is there, on what, and where in the picture it is.

    A small fully convolutional network with a linear read-out of the labels. A cell's features are what the labels
    are read from, then the mean and the spread of its colours, its row and its column.

    Args:
        attributes: that an object is labelled with; the first says what it is.
        values: of each attribute, in the order of their numbers.
        side: of the input in pixels; a multiple of 16 times the number of cells a side.
        channels: width of each stage; the last is that of the features.
    Raises:
        ValueError: another number of channels than five, or a side that the cells do not divide.
    Source:
        papers/drill-down.txt, section 3.1, takes the regions of a detector trained on objects and attributes. Ours are
        fixed cells, and the supervision is the same: what is there and what it is like.
    """

    def __init__(
        self,
        attributes: Sequence[str],
        values: Sequence[Sequence[str]],
        side: int = 96,
        channels: Sequence[int] = (16, 32, 64, 128, 160),
    ) -> None:
        super().__init__()
        if len(channels) != 5:
            raise ValueError(f"the network has five stages, not the {len(channels)} channels {list(channels)}")
        if side < 1 or side % (16 * CELLS):
            raise ValueError(f"side is {side}; give a multiple of {16 * CELLS}, so that {CELLS} x {CELLS} cells fit")
        self.labels = {name: tuple(known) for name, known in zip(attributes, values, strict=True)}
        self.side = side
        first, second, third, fourth, last = channels
        self.body = nn.Sequential(
            _convolution(3, first, stride=2),
            # The largest of neighbours, not every second one: where in its cell an object lies must not matter.
            _convolution(first, second),
            nn.MaxPool2d(2),
            _convolution(second, third),
            nn.MaxPool2d(2),
            _convolution(third, fourth),
            nn.MaxPool2d(2),
            nn.Conv2d(fourth, last, 3, padding=1, bias=False),
            # Without a scale of its own: all features are then of one size.
            nn.BatchNorm2d(last, affine=False),
        ).to(memory_format=torch.channels_last)  # Convolutions run faster so.
        self.read = nn.Conv2d(last, sum(self._widths()), 1)

    @property
    def fingerprint(self) -> str:
        """Name, size of the input, and a digest of all weights."""
        return f"scenes-{self.side}x{self.side}-{weights_digest(self.state_dict(), [self.side, self.labels])}"

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.read.weight.device

    def prepare(self, image: Image.Image) -> UInt8[Tensor, "3 side side"]:
        """Resize a picture and lay it out as pixels of 0..255."""
        return to_pixels(image, self.side, self.side)

    @torch.no_grad()
    @without_tf32()
    def feature_map(self, pixels: UInt8[Tensor, "image 3 side side"]) -> Float[Tensor, "image channel row column"]:
        """Features of each cell of pictures that `prepare` made."""
        pixels = pixels.to(self.device)
        features = self(pixels)
        _, _, rows, columns = features.shape
        down = torch.eye(rows, device=self.device)[:, :, None].expand(-1, -1, columns)
        along = torch.eye(columns, device=self.device)[:, None, :].expand(-1, rows, -1)
        place = torch.cat([down, along]).expand(len(pixels), -1, -1, -1)
        return torch.cat([features, _colours(_scaled(pixels), (rows, columns)), place], 1)

    def forward(self, pixels: UInt8[Tensor, "image 3 side side"]) -> Float[Tensor, "image channel row column"]:
        """What the labels are read from."""
        return self.body(_scaled(pixels).contiguous(memory_format=torch.channels_last))

    def logits(
        self, features: Float[Tensor, "image channel row column"]
    ) -> list[Float[Tensor, "image value row column"]]:
        """Scores of the values of each attribute in each cell; the last of the first attribute is 'nothing'."""
        return list(self.read(features).split(self._widths(), 1))

    def _widths(self) -> list[int]:
        return [len(values) + (place == 0) for place, values in enumerate(self.labels.values())]


def _convolution(wide: int, wanted: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide, wanted, 3, stride, 1, bias=False),
        nn.BatchNorm2d(wanted),
        nn.ReLU(inplace=True),
    )


def _scaled(pixels: UInt8[Tensor, "image 3 side side"]) -> Float[Tensor, "image 3 side side"]:
    # Zero-centred, in units of a typical standard deviation of pixels.
    return (pixels.float() - 127.5) / 64


def _colours(pixels: Float[Tensor, "image 3 side side"], cells: tuple[int, int]) -> Float[Tensor, "image 6 row column"]:
    """Mean and standard deviation of the colours in each cell."""
    mean = adaptive_avg_pool2d(pixels, cells)
    variance = adaptive_avg_pool2d(pixels.square(), cells) - mean.square()
    return torch.cat([mean, variance.clamp(min=0).sqrt()], 1)


class CellLoss(nn.Module):
    """The training loss of a `SceneNetwork`, on pictures half of which are mirrored.

    Args:
        network: to be trained.
        seed: of the mirroring; that of a picture depends on its row and the epoch alone.
    """

    def __init__(self, network: SceneNetwork, seed: int = 0) -> None:
        super().__init__()
        self.network, self._seed = network, seed

    def forward(self, batch: Sequence[Tensor], epoch: int) -> Float[Tensor, ""]:
        """Sum over attributes of the mean cross-entropy over cells.

        Args:
            batch: rows, pixels and labels, as a loader of `LabelledCells` gives them.
            epoch: counted from 0.
        """
        rows, pixels, targets = batch
        turned = uniform(self._seed, rows, epoch, 1)[:, 0] < 0.5
        pixels = torch.where(turned[:, None, None, None], pixels.flip(3), pixels)
        targets = torch.where(turned[:, None, None, None], targets.flip(3), targets)
        scores = self.network.logits(self.network(pixels))
        nothing = scores[0].shape[1] - 1
        targets = torch.where(targets == NOTHING, nothing, targets)
        losses = [cross_entropy(one, targets[:, place], ignore_index=UNSURE) for place, one in enumerate(scores)]
        return torch.stack(losses).sum()


@torch.no_grad()
def reading_accuracy(network: SceneNetwork, cells: LabelledCells, batch_size: int = 256) -> dict[str, float]:
    """How well the labels of every object are read from the cell in which its middle lies.

    Returns:
        share of objects whose value is right for each attribute; `all`: all of them; `accuracy`: the mean over
        attributes; `empty`: share of the untouched cells in which nothing is seen.
    """
    scores = [network.logits(network(part.to(network.device))) for part in cells.pixels.split(batch_size)]
    whole = [torch.cat(parts).cpu() for parts in zip(*scores, strict=True)]
    scene, row, column, *truths = cells.objects.T
    right = torch.stack(
        [one[scene, :, row, column].argmax(1) == truth for one, truth in zip(whole, truths, strict=True)]
    )
    shares = right.double().mean(1).tolist()
    free = cells.targets[:, 0] == NOTHING
    seen = whole[0].argmax(1)[free] != whole[0].shape[1] - 1
    return {
        **dict(zip(network.labels, shares, strict=True)),
        "all": float(right.all(0).double().mean()),
        "accuracy": float(np.mean(shares)),
        "empty": float(1 - seen.double().mean()),
    }


def train_scene_network(
    scenes: Dataset,
    validation: Dataset,
    output: Path,
    training: TrainingSettings,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
) -> SceneNetwork:
    """Train a network on the objects of scenes; it ends with the epoch of best mean accuracy on `validation`.

    Args:
        scenes: to train on; see `LabelledCells`.
        validation: to choose the epoch by.
        output: the network and its checkpoints are kept in OUTPUT/encoder.
        training: how; batches of 32, a learning rate of 0.003 with decay and a weight decay of 0.05 suit the drawn
            scenes.
        seed: of the first weights and the order of scenes.
        device: where the network is put at the end; `fit` chooses where it is trained.
        resume: read the finished network in `output`, or go on from its newest checkpoint.
    Raises:
        ValueError: a label that is not one of LABELS; a batch is larger than the data.
    """
    folder = output / "encoder"
    if resume and (folder / "config.json").is_file():
        return SceneNetwork.from_pretrained(folder).to(device).eval()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SceneNetwork(list(LABELS), list(LABELS.values()))
    cells = LabelledCells(scenes, LABELS, network.side)
    unseen = LabelledCells(validation, LABELS, network.side)

    def validate(module: nn.Module) -> Mapping[str, float]:
        return reading_accuracy(network, unseen)

    fit(CellLoss(network, seed), cells, training, validate, "accuracy", folder, seed, resume, "scene network")
    if launched().is_main_process:
        save_pretrained(network, folder)
    launched().wait_for_everyone()
    return network.to(device).eval()
