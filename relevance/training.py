"""What is trained before any session: a network that names the training classes, and a map with Multi-Similarity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize
from torch.utils.data import Dataset as TorchDataset

from multiturn.draws import uniform
from multiturn.encoders.images import PixelDataset
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from multiturn.gallery import Gallery
from multiturn.settings import TrainingSettings
from multiturn.training import fit
from relevance.methods import RelevanceModel
from relevance.settings import HeadSettings


class LabelledImages(TorchDataset[tuple[int, Tensor, Tensor]]):
    """Row number, pixels and class of each image; classes are numbered from 0."""

    def __init__(self, rows: Dataset, size: int) -> None:
        self._pixels = PixelDataset(rows, size, size)
        names, self.labels = torch.tensor(rows["label"]).unique(return_inverse=True)
        self.names = [str(name) for name in names.tolist()]

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, row: int) -> tuple[int, Tensor, Tensor]:
        return *self._pixels[row], self.labels[row]


class ClassLoss(nn.Module):
    """Cross-entropy over the training classes, half of the images mirrored.

    Args:
        network: to be trained, with as many labels as there are classes.
        seed: of who is mirrored; a function of the image's row and the epoch.
    """

    def __init__(self, network: SEResNet, seed: int) -> None:
        super().__init__()
        self.network, self._seed = network, seed

    def forward(self, batch: Sequence[Tensor], epoch: int) -> Float[Tensor, ""]:
        """The loss of a batch of rows, pixels and classes."""
        rows, pixels, labels = batch
        mirrored = uniform(self._seed, rows, epoch, 1)[:, :, None, None] < 0.5
        pixels = torch.where(mirrored, pixels.flip(3), pixels)
        return cross_entropy(self.network.logits(self.network(pixels)), labels, label_smoothing=0.1)


def train_network(
    train: Dataset,
    validation: Dataset,
    size: int,
    settings: TrainingSettings,
    output: Path,
    seed: int,
    resume: bool,
    device: torch.device,
) -> SEResNet:
    """Train an SE-ResNet to name the training classes; the best epoch finds images of the validation classes best."""
    examples = LabelledImages(train, size)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SEResNet(examples.names, height=size, width=size, independent=False).to(device)
    labels = torch.tensor(validation["label"])

    def validate(module: nn.Module) -> Mapping[str, float]:
        vectors = SEResNetEncoder(network).encode(validation, settings.batch_size)
        return {"nearest_right": nearest_right(vectors, labels)}

    fit(ClassLoss(network, seed), examples, settings, validate, "nearest_right", output, seed, resume, "class network")
    return network


def nearest_right(vectors: Float[Tensor, "item dim"], labels: Int[Tensor, " item"]) -> float:
    """Share of images whose nearest other image, by cosine, is of their class.

    Example:
        >>> nearest_right(torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]), torch.tensor([0, 0, 1]))
        0.666...
    """
    unit = normalize(vectors, dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(1)
    return float((labels[nearest] == labels).double().mean())


class HeadLoss(nn.Module):
    """The Multi-Similarity loss of a batch of frozen vectors after the model's map.

    Args:
        model: whose map is trained.
        gallery: of the training classes.
        labels: class of each of its candidates.
        settings: of the loss.
    Raises:
        ValueError: pytorch-metric-learning is not installed.
    Source:
        Wang et al., "Multi-similarity loss with general pair weighting for deep metric learning", CVPR 2019, which
        papers/relevance-feedback-cub.txt trains a whole InceptionV3 with. Loss and miner are pytorch-metric-learning's.
    """

    def __init__(
        self, model: RelevanceModel, gallery: Gallery, labels: Int[Tensor, " candidate"], settings: HeadSettings
    ) -> None:
        super().__init__()
        try:
            from pytorch_metric_learning.losses import MultiSimilarityLoss
            from pytorch_metric_learning.miners import MultiSimilarityMiner
        except ImportError as reason:
            raise ValueError(
                "the Multi-Similarity loss needs pytorch-metric-learning: pip install 'multiturn-retrieval[metric]', "
                "or set head.dim to 0"
            ) from reason
        self.model, self._gallery, self._labels = model, gallery, labels
        self._loss, self._miner = (
            MultiSimilarityLoss(settings.alpha, settings.beta, settings.base),
            MultiSimilarityMiner(),
        )

    def forward(self, target: Int[Tensor, " item"], epoch: int) -> Float[Tensor, ""]:
        """See `multiturn.task.Task.rollout`; a batch holds positions in the gallery."""
        target = target.to(self._labels.device)
        vectors, labels = self.model(self._gallery.vectors[target]), self._labels[target]
        return self._loss(vectors, labels, self._miner(vectors, labels))
