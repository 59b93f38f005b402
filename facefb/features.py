"""Frozen features of faces: the encoder is trained or loaded, and each part of the data encoded once and kept."""

from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float, Int8
from torch import Tensor, nn

from data_prep.attributes import ATTRIBUTES, attribute_matrix
from data_prep.faces import Faces, FaceSettings, load_faces
from facefb.classifier import people, train_attribute_classifier, train_identity_classifier
from facefb.settings import FeatureSettings, ViewSettings
from facefb.views import ViewEncoder
from multiturn.building import kept_gallery
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from multiturn.encoders.standardised import Standardised
from multiturn.encoders.timm_backbone import TimmEncoder
from multiturn.encoders.towers import ImageTower
from multiturn.encoders.weights import load_ours
from multiturn.files import first_with
from multiturn.gallery import Gallery, kept_at
from multiturn.hub import local_checkpoint
from multiturn.processes import launched
from multiturn.training import save_pretrained

STANDARDISE = "standardise.safetensors"


class FaceFeatures:
    """Galleries of frozen features, one for each part of the data, made when first asked for.

    Args:
        encoder: makes the features.
        faces: in parts.
        folder: where galleries are kept; one that an equal encoder made of the same faces is read again.
        batch_size: images at once.
        device: where galleries are put.
    """

    def __init__(self, encoder: ImageTower, faces: Faces, folder: Path, batch_size: int, device: torch.device) -> None:
        self._encoder, self.faces, self._folder = encoder, faces, folder
        self._batch_size, self._device = batch_size, device
        self._made: dict[str, Gallery] = {}
        self._standard: Standardised | None = None
        self._standardised = False

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self._encoder.dim

    @property
    def fingerprint(self) -> str:
        """Of the encoder, standardised or not."""
        return (self._standard or self._encoder).fingerprint

    def standardise(self, path: Path) -> None:
        """Standardise all features by the statistics in `path`, or by those of the training faces, kept in `path`."""
        self._standardised = True
        if path.is_file():
            self._standard = Standardised.load(self._encoder, path)
        else:
            self._standard = Standardised.fit(self._encoder, self._raw("train").vectors.cpu())
            if launched().is_main_process:
                self._standard.save(path)

    def gallery(self, part: str) -> Gallery:
        """Features of the faces in 'train', 'validation' or 'test'; also kept as PART.safetensors in the folder.

        Raises:
            ValueError: a feature is not finite; the image is named.
        """
        if part not in self._made:
            gallery = self._raw(part)
            if self._standard is not None:
                vectors = self._standard.apply(gallery.vectors)
                gallery = Gallery(gallery.ids, vectors, self._standard.fingerprint, gallery.source)
                if launched().is_main_process:
                    gallery.save(self._folder / f"{part}.safetensors")
            self._made[part] = gallery.to(self._device)
        return self._made[part]

    def views(self, count: int, view: ViewSettings, seed: int) -> Float[Tensor, "view candidate feature"]:
        """Features of the training faces in random views, in the order of their gallery; kept likewise.

        Args:
            count: views of each face; each takes as much memory as the gallery.
            view: how far they may differ from the pictures.
            seed: of the views.
        """
        found = []
        for number in range(count):
            raw = self._viewed(ViewEncoder(self._encoder, view, seed, number), f"train-view-{number + 1}")
            found.append(raw.vectors if self._standard is None else self._standard.apply(raw.vectors))
        plain = self.gallery("train").vectors
        return torch.stack(found).to(plain.device) if found else plain.new_empty(0, *plain.shape)

    def predictions(self, part: str) -> Gallery | None:
        """Logits of the 40 attributes as a gallery; None if the encoder is no attribute classifier."""
        network = self._classifier()
        if network is None:
            return None
        raw = self._raw(part)
        with torch.no_grad():
            logits: Tensor = network.logits(raw.vectors.to(network.classify.weight.device))
        return Gallery(raw.ids, logits.to(self._device), f"{raw.fingerprint}-logits", raw.source)

    def teacher(self) -> nn.Linear | None:
        """What gives the logits of `predictions`, of features as galleries have them, not trained; None likewise."""
        network = self._classifier()
        if network is None:
            return None
        layer, scale = network.classify, self._standard and self._standard.scale
        weight, bias = layer.weight.detach(), layer.bias.detach()
        if scale is not None:
            mean, std = scale.mean.to(weight.device), scale.std.to(weight.device)
            weight, bias = weight * std, bias + weight @ mean
        made = nn.Linear(weight.shape[1], weight.shape[0], device=self._device).requires_grad_(False)
        made.weight.copy_(weight)
        made.bias.copy_(bias)
        return made

    def _classifier(self) -> SEResNet | None:
        encoder = self._encoder
        if isinstance(encoder, SEResNetEncoder) and encoder.network.labels == ATTRIBUTES:
            return encoder.network
        return None

    def _raw(self, part: str) -> Gallery:
        """Features as they were encoded."""
        faces, source = getattr(self.faces, part), f"{self.faces.source}, {part} part"
        return kept_gallery(self._encoder, faces, list(faces["id"]), source, self._path(part), self._batch_size)

    def _viewed(self, encoder: ViewEncoder, name: str) -> Gallery:
        """Those of a view of the training faces, which depends on their rows: it is encoded in one go."""
        path, ids = self._path(name), list(self.faces.train["id"])
        if (kept := kept_at(path, encoder.fingerprint, ids)) is not None:
            return kept
        vectors = encoder.encode(self.faces.train, self._batch_size, show_progress=True)
        gallery = Gallery.of(ids, vectors, encoder.fingerprint, f"{self.faces.source}, train part")
        if launched().is_main_process:
            gallery.save(path)
        return gallery

    def _path(self, name: str) -> Path:
        return (self._folder / "as-encoded" if self._standardised else self._folder) / f"{name}.safetensors"


def prepared_features(
    faces: FaceSettings,
    settings: FeatureSettings,
    seed: int,
    output: Path,
    device: torch.device,
    resume: bool = False,
    checkpoint: Path | None = None,
) -> FaceFeatures:
    """Load the faces and get their frozen features ready, with the encoder trained first where it is one to train.

    Args:
        faces: the data.
        settings: of the features.
        seed: of the encoder's weights.
        output: folder of a training: drawn faces, the encoder and the galleries are kept there.
        device: where features are computed and galleries lie.
        resume: go on from what `output` holds.
        checkpoint: output folder of a training whose faces and encoder are to be used as they are.
    """
    with launched().main_process_first():
        loaded = load_faces(faces, first_with("faces", checkpoint, output))
    folder = (checkpoint or output) / "encoder"
    encoder = make_encoder(settings, loaded, folder, device, seed, resume or checkpoint is not None)
    features = FaceFeatures(encoder, loaded, output / "galleries", settings.batch_size, device)
    # The other processes read what the first one has encoded.
    with launched().main_process_first():
        if settings.standardise:
            features.standardise(folder / STANDARDISE)
        if checkpoint is None:
            features.gallery("train")
            features.gallery("validation")
    return features


def attributes_of(faces: Dataset, gallery: Gallery) -> Int8[Tensor, "candidate attribute"]:
    """True attributes of the faces, -1 or +1, in the order of the gallery and where it lies."""
    order = gallery.positions(list(faces["id"])).cpu()
    attributes = torch.empty(len(gallery), len(ATTRIBUTES), dtype=torch.int8)
    attributes[order] = torch.from_numpy(attribute_matrix(faces))
    return attributes.to(gallery.vectors.device)


def make_encoder(
    settings: FeatureSettings, faces: Faces, output: Path, device: torch.device, seed: int, resume: bool
) -> ImageTower:
    """Make the encoder of face features, trained on the training faces where it is one to train.

    The network is kept in `output` (config.json and model.safetensors), wherever it came from, so that a run is
    whole; it is read from there again if `resume` is set.

    Raises:
        ValueError: a checkpoint of a network for other attributes.
        FileNotFoundError: no checkpoint or weights where the settings say.
    """
    if settings.kind == "timm":
        return TimmEncoder(settings.timm_name, settings.timm_weights, settings.height, settings.width, device)
    finished = str(output) if resume and (output / "config.json").is_file() else None
    if checkpoint := finished or settings.checkpoint:
        network = load_network(checkpoint)
        if settings.kind == "attributes" and network.labels != ATTRIBUTES:
            raise ValueError(f"{checkpoint} predicts {len(network.labels)} other labels, not CelebA's 40 attributes")
    else:
        network = _new_network(settings, faces, seed)
        _train(network, settings, faces, output, seed, resume)
    if finished is None and launched().is_main_process:
        save_pretrained(network, output)
    return SEResNetEncoder(network.to(device))


def load_network(checkpoint: str) -> SEResNet:
    """Read an SE-ResNet from a folder or the Hub, by itself or as the encoder of a run.

    Raises:
        FileNotFoundError, ValueError: see `multiturn.encoders.weights.load_ours`.
    """
    folder = local_checkpoint(checkpoint, "SE-ResNet")
    of_run = (folder / "config.yaml").is_file() and (folder / "encoder" / "config.json").is_file()
    return load_ours(SEResNet, str(folder / "encoder" if of_run else folder), "SE-ResNet")


def _new_network(settings: FeatureSettings, faces: Faces, seed: int) -> SEResNet:
    labels = people(faces.train) if settings.kind == "identities" else list(ATTRIBUTES)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SEResNet(
            labels,
            settings.block,
            settings.layers,
            settings.channels,
            height=settings.height,
            width=settings.width,
            independent=settings.kind != "identities",
        )


def _train(network: SEResNet, settings: FeatureSettings, faces: Faces, output: Path, seed: int, resume: bool) -> None:
    if settings.kind == "attributes":
        train_attribute_classifier(
            network, faces.train, faces.validation, settings.training, output, seed, resume, settings.view
        )
    elif settings.kind == "identities":
        train_identity_classifier(network, faces.train, settings.training, output, seed, resume, settings.view)
