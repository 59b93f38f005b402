"""Training the SE-ResNet that reads attributes, or knows people, from face pixels; its use is elsewhere."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset as TorchDataset

from data_prep.attributes import attribute_matrix
from facefb.settings import ViewSettings
from facefb.views import DRAWS, viewed
from multiturn.draws import uniform
from multiturn.encoders.images import PixelDataset, pixel_batches
from multiturn.encoders.se_resnet import SEResNet
from multiturn.settings import TrainingSettings
from multiturn.training import fit


class LabelledFaces(TorchDataset[tuple[int, Tensor, Tensor]]):
    """Row number, pixels and label of each face: 40 attributes as 0 or 1, or the number of the person."""

    def __init__(self, faces: Dataset, labels: Tensor, height: int, width: int) -> None:
        self._pixels, self._labels = PixelDataset(faces, height, width), labels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, row: int) -> tuple[int, Tensor, Tensor]:
        return *self._pixels[row], self._labels[row]


class ClassifierLoss(nn.Module):
    """The training loss of a classifier, on a random view of each picture.

    Args:
        network: to be trained.
        seed: of the views; that of a picture depends on its row and the epoch alone.
        view: how far views may differ from the pictures.
    """

    def __init__(self, network: SEResNet, seed: int = 0, view: ViewSettings | None = None) -> None:
        super().__init__()
        self.network, self._seed, self._view = network, seed, view or ViewSettings()

    def forward(self, batch: Sequence[Tensor], epoch: int) -> Float[Tensor, ""]:
        """Mean binary cross-entropy over attributes, or cross-entropy over people.

        Args:
            batch: rows, pixels and labels, as a loader of `LabelledFaces` gives them.
            epoch: counted from 0.
        """
        rows, pixels, labels = batch
        seen = viewed(pixels, uniform(self._seed, rows, epoch, DRAWS), self._view)
        logits = self.network.logits(self.network(seen))
        if self.network.independent:
            return nn.functional.binary_cross_entropy_with_logits(logits, labels)
        return nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)


@torch.no_grad()
def predict(
    network: SEResNet, faces: Dataset, batch_size: int = 256, title: str = "predicting", workers: int = 0
) -> tuple[Float[Tensor, "face feature"], Float[Tensor, "face label"]]:
    """Features and label scores of faces, on the CPU."""
    network.eval()
    device = network.classify.weight.device
    features, logits = [], []
    for pixels in pixel_batches(faces, network.height, network.width, batch_size, title, workers=workers):
        feature = network(pixels.to(device))
        features.append(feature.float().cpu())
        logits.append(network.logits(feature).float().cpu())
    return torch.cat(features), torch.cat(logits)


def train_attribute_classifier(
    network: SEResNet,
    train: Dataset,
    validation: Dataset,
    settings: TrainingSettings,
    output: Path,
    seed: int = 0,
    resume: bool = False,
    view: ViewSettings | None = None,
) -> list[dict[str, float]]:
    """Train `network` to read the 40 attributes; it ends with the epoch of best mean accuracy on `validation`.

    Returns:
        one dict an epoch: loss, mean accuracy, and the accuracy of always giving the more frequent answer.
    """
    labels = torch.from_numpy((attribute_matrix(train) > 0).astype(np.float32))
    truth = torch.from_numpy(attribute_matrix(validation) > 0)
    majority = float((truth == (labels.mean(0) > 0.5)).double().mean())

    def validate(module: nn.Module) -> Mapping[str, float]:
        _, logits = predict(network, validation, settings.batch_size, "validating", settings.workers)
        return {"accuracy": float(((logits > 0) == truth).double().mean()), "majority_accuracy": majority}

    examples = LabelledFaces(train, labels, network.height, network.width)
    loss = ClassifierLoss(network, seed, view)
    title = "attribute classifier"
    return fit(loss, examples, settings, validate, "accuracy", output, seed, resume, title).history


def train_identity_classifier(
    network: SEResNet,
    train: Dataset,
    settings: TrainingSettings,
    output: Path,
    seed: int = 0,
    resume: bool = False,
    view: ViewSettings | None = None,
) -> list[dict[str, float]]:
    """Train `network` to tell apart the people in `train`; it ends with the epoch of lowest training loss.

    Args:
        network: with as many labels as there are people (`people`).
    Returns:
        one dict an epoch.
    """
    labels = torch.from_numpy(np.unique(_identities(train), return_inverse=True)[1])
    examples = LabelledFaces(train, labels, network.height, network.width)
    loss = ClassifierLoss(network, seed, view)
    sample = examples_sample(examples)

    def validate(module: nn.Module) -> Mapping[str, float]:
        device = network.classify.weight.device
        with torch.no_grad():
            logits = network.logits(network(sample[0].to(device))).cpu()
        return {"accuracy": float((logits.argmax(1) == sample[1]).double().mean())}

    title = "identity classifier"
    return fit(loss, examples, settings, validate, "accuracy", output, seed, resume, title).history


def people(faces: Dataset) -> list[str]:
    """Names of the people in a data set, as labels of a network."""
    return [str(person) for person in np.unique(_identities(faces))]


def examples_sample(examples: LabelledFaces, size: int = 512) -> tuple[Tensor, Tensor]:
    """Pixels and labels of evenly spaced examples."""
    rows = np.linspace(0, len(examples) - 1, min(size, len(examples))).astype(int)
    picked = [examples[int(row)] for row in rows]
    return torch.stack([pixels for _, pixels, _ in picked]), torch.stack([label for *_, label in picked])


def _identities(faces: Dataset) -> np.ndarray:
    return np.asarray(faces.with_format("numpy")["identity"])
