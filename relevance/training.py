"""What is trained before any session: a network on the training classes, and a map of frozen vectors."""

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
from multiturn.training import fit
from relevance.methods import RelevanceModel
from relevance.settings import FeatureSettings, HeadSettings, NetworkLossName


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


class NetworkLoss(nn.Module):
    """The loss of a network over the training classes, half of the images mirrored.

    Args:
        network: to be trained, with as many labels as there are classes.
        loss: 'classes': cross-entropy of its labels; 'multi-similarity': see `MultiSimilarity`.
        seed: of who is mirrored; a function of the image's row and the epoch.
    Raises:
        ValueError: pytorch-metric-learning is wanted and not installed.
    """

    def __init__(self, network: SEResNet, loss: NetworkLossName, seed: int) -> None:
        super().__init__()
        self.network, self._seed = network, seed
        self._similarity = MultiSimilarity() if loss == "multi-similarity" else None
        # What a loss does not use must not wait for a gradient: several processes would wait for ever.
        network.classify.requires_grad_(loss == "classes")

    def forward(self, batch: Sequence[Tensor], epoch: int) -> Float[Tensor, ""]:
        """The loss of a batch of rows, pixels and classes."""
        rows, pixels, labels = batch
        mirrored = uniform(self._seed, rows, epoch, 1)[:, :, None, None] < 0.5
        vectors = self.network(torch.where(mirrored, pixels.flip(3), pixels))
        if self._similarity is not None:
            return self._similarity(vectors, labels)
        return cross_entropy(self.network.logits(vectors), labels, label_smoothing=0.1)


def train_network(
    train: Dataset,
    validation: Dataset,
    settings: FeatureSettings,
    output: Path,
    seed: int,
    resume: bool,
    device: torch.device,
) -> SEResNet:
    """Train an SE-ResNet on the training classes; the best epoch finds images of the validation classes best.

    Raises:
        ValueError: a loss is wanted whose library is not installed.
    """
    examples, training = LabelledImages(train, settings.size), settings.training
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SEResNet(examples.names, height=settings.size, width=settings.size, independent=False).to(device)
    labels = torch.tensor(validation["label"])

    def validate(module: nn.Module) -> Mapping[str, float]:
        vectors = SEResNetEncoder(network).encode(validation, training.batch_size)
        return {"nearest_right": nearest_right(vectors, labels)}

    loss = NetworkLoss(network, settings.loss, seed)
    fit(loss, examples, training, validate, "nearest_right", output, seed, resume, "class network")
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


class MultiSimilarity(nn.Module):
    """The Multi-Similarity loss of a batch, on the pairs that its miner chooses.

    Args:
        alpha: weight of pairs of one class.
        beta: weight of pairs of different classes.
        base: similarity that is neither high nor low. The defaults are pytorch-metric-learning's own.
    Raises:
        ValueError: pytorch-metric-learning is not installed.
    Source:
        Wang et al., "Multi-similarity loss with general pair weighting for deep metric learning", CVPR 2019, which
        papers/relevance-feedback-cub.txt trains a whole InceptionV3 with. Loss and miner are pytorch-metric-learning's.
    """

    def __init__(self, alpha: int = 2, beta: int = 50, base: float = 0.5) -> None:
        super().__init__()
        try:
            from pytorch_metric_learning.losses import MultiSimilarityLoss
            from pytorch_metric_learning.miners import MultiSimilarityMiner
        except ImportError as reason:
            raise ValueError(
                "the Multi-Similarity loss needs pytorch-metric-learning: pip install 'multiturn-retrieval[metric]', "
                "or set head.dim to 0 and features.loss to classes"
            ) from reason
        self._loss, self._miner = MultiSimilarityLoss(alpha, beta, base), MultiSimilarityMiner()

    def forward(self, vectors: Float[Tensor, "item dim"], labels: Int[Tensor, " item"]) -> Float[Tensor, ""]:
        """The loss of a batch."""
        return self._loss(vectors, labels, self._miner(vectors, labels))


class HeadLoss(nn.Module):
    """The Multi-Similarity loss of a batch of frozen vectors after the model's map.

    Args:
        model: whose map is trained.
        gallery: of the training classes.
        labels: class of each of its candidates.
        settings: of the loss.
    Raises:
        ValueError: pytorch-metric-learning is not installed.
    """

    def __init__(
        self, model: RelevanceModel, gallery: Gallery, labels: Int[Tensor, " candidate"], settings: HeadSettings
    ) -> None:
        super().__init__()
        self.model, self._gallery, self._labels = model, gallery, labels
        self._loss = MultiSimilarity(settings.alpha, settings.beta, settings.base)

    def forward(self, target: Int[Tensor, " item"], epoch: int) -> Float[Tensor, ""]:
        """See `multiturn.task.Task.rollout`; a batch holds positions in the gallery."""
        target = target.to(self._labels.device)
        return self._loss(self.model(self._gallery.vectors[target]), self._labels[target])
