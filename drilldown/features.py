"""Frozen regions of images: their encoder is trained or loaded, and each part of the data is encoded once and kept."""

from pathlib import Path

import torch

from drilldown.data import PARTS, CaptionedParts
from drilldown.scenes_network import SceneNetwork, train_scene_network
from drilldown.settings import RegionSettings
from multiturn.building import kept_gallery
from multiturn.encoders.catalogue import make_encoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.encoders.regions.grid import GridEncoder
from multiturn.encoders.standardised import Scale
from multiturn.encoders.weights import load_ours
from multiturn.gallery import Gallery, kept_at
from multiturn.hub import local_checkpoint
from multiturn.processes import launched
from multiturn.regions import Regions
from multiturn.training import save_pretrained

STANDARDISE = "standardise.safetensors"
_SAMPLE = 1 << 17  # regions that mean and standard deviation are taken from: 256 MB of float32 at 512 numbers


class RegionFeatures:
    """Galleries of regions, one for each part of the data, made when first asked for.

    Args:
        encoder: makes the regions; None where they are read from `precomputed`.
        images: in parts.
        folder: where galleries are kept; one that an equal encoder made of the same images is read again.
        batch_size: images at once.
        device: where galleries are put.
        precomputed: path of galleries; see `drilldown.settings.RegionSettings`.
    """

    def __init__(
        self,
        encoder: RegionEncoder | None,
        images: CaptionedParts,
        folder: Path,
        batch_size: int,
        device: torch.device,
        precomputed: str | None = None,
    ) -> None:
        self.images = images
        self._encoder, self._precomputed = encoder, precomputed
        self._folder, self._batch_size, self._device = folder, batch_size, device
        self._made: dict[str, Gallery] = {}
        self._scale: Scale | None = None
        self._standardised = False

    def standardise(self, path: Path) -> None:
        """Standardise all regions by the statistics in `path`, or by those of the training images, kept in `path`."""
        self._standardised = True
        if path.is_file():
            self._scale = Scale.load(path, self._width())
            return
        train = self._raw("train")
        assert train.mask is not None  # `_raw` sees to it
        # Evenly spread images, as many as the sample has room for.
        step = max(1, train.mask.numel() // _SAMPLE)
        self._scale = Scale.fit(train.vectors[::step][train.mask[::step]].float().cpu())
        if launched().is_main_process:
            self._scale.save(path)

    def gallery(self, part: str) -> Gallery:
        """Regions of the images in 'train', 'validation' or 'test'; also kept as PART.safetensors in the folder.

        Raises:
            ValueError: a region is not finite, or the precomputed ones lack an image; the image is named.
        """
        if part not in self._made:
            raw = self._raw(part)
            self._made[part] = (raw if self._scale is None else self._standard(raw, self._scale, part)).to(self._device)
        return self._made[part]

    def _standard(self, raw: Gallery, scale: Scale, part: str) -> Gallery:
        fingerprint = scale.fingerprint(raw.fingerprint)
        path = self._folder / f"{part}.safetensors"
        if (kept := kept_at(path, fingerprint, raw.ids)) is not None:
            return kept
        assert raw.mask is not None
        # What only fills up the table stays zero.
        vectors = scale.apply(raw.vectors.float()) * raw.mask[..., None]
        gallery = Gallery.of(raw.ids, Regions(vectors, raw.boxes, raw.mask), fingerprint, raw.source)
        if launched().is_main_process:
            gallery.save(path)
        return gallery

    def _width(self) -> int:
        """Length of a region's vector."""
        return self._raw("test").vectors.shape[-1] if self._encoder is None else self._encoder.dim

    def _raw(self, part: str) -> Gallery:
        """Regions as they were encoded."""
        images, source = self.images.part(part), f"{self.images.source}, {part} part"
        if self._encoder is None:
            assert self._precomputed is not None  # one of the two is there
            return precomputed_gallery(self._precomputed, part, images.ids, source)
        folder = self._folder / "as-encoded" if self._standardised else self._folder
        path = folder / f"{part}.safetensors"
        return kept_gallery(self._encoder, images.images, images.ids, source, path, self._batch_size)


def prepared_features(
    images: CaptionedParts,
    settings: RegionSettings,
    seed: int,
    output: Path,
    device: torch.device,
    resume: bool = False,
    checkpoint: Path | None = None,
) -> RegionFeatures:
    """Get the frozen regions ready, with the scene network trained first where it is one to train.

    Args:
        images: in parts.
        settings: of the regions.
        seed: of the scene network's weights.
        output: folder of a training: the scene network and the galleries are kept there.
        device: where regions are computed and galleries lie.
        resume: go on from what `output` holds.
        checkpoint: output folder of a training whose encoder is to be used as it is.
    """
    folder = checkpoint or output
    encoder = region_encoder(images, settings, seed, folder, device, resume or checkpoint is not None)
    features = RegionFeatures(encoder, images, output / "galleries", settings.batch_size, device, settings.path)
    # The other processes read what the first one has encoded.
    with launched().main_process_first():
        if settings.standardise:
            features.standardise(folder / "encoder" / STANDARDISE)
        if checkpoint is None:
            for part in PARTS[:2]:
                features.gallery(part)
    return features


def region_encoder(
    images: CaptionedParts, settings: RegionSettings, seed: int, folder: Path, device: torch.device, resume: bool
) -> RegionEncoder | None:
    """The encoder that settings ask for; None where the regions are there already.

    Args:
        folder: a scene network that is trained is kept in its folder `encoder`.
        resume: read what the folder holds.
    Raises:
        ValueError: weights that do not fit.
        FileNotFoundError: no weights or checkpoint where the settings say.
    """
    if settings.kind == "precomputed":
        return None
    if settings.kind == "encoder":
        encoder = make_encoder(settings.encoder, device)
        assert isinstance(encoder, RegionEncoder)  # the settings see to it
        return encoder
    kept = folder / "encoder"
    if settings.checkpoint is not None and not (resume and (kept / "config.json").is_file()):
        encoder = local_checkpoint(settings.checkpoint) / "encoder"
        network = load_ours(SceneNetwork, str(encoder), "scene network").to(device).eval()
        if launched().is_main_process:
            save_pretrained(network, kept)
    else:
        train, validation = images.train.images, images.validation.images
        network = train_scene_network(train, validation, folder, settings.training, seed, device, resume)
    return GridEncoder(network)


def check_precomputed(path: str) -> None:
    """Raise FileNotFoundError, before anything else is done, unless the galleries of all parts are there."""
    for part in PARTS:
        if not (file := Path(path.replace("{part}", part))).is_file():
            raise FileNotFoundError(
                f"no gallery at {file}, which regions.path names; convert the released regions first"
            )


def precomputed_gallery(path: str, part: str, ids: tuple[str, ...], source: str) -> Gallery:
    """The regions of some images from a gallery that may hold more of them.

    Args:
        path: of the gallery; {part} in it becomes the name of the part.
    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no regions, or lacks an image; the first is named.
    """
    file = Path(path.replace("{part}", part))
    whole = Gallery.load(file)
    if whole.mask is None:
        raise ValueError(f"{file} has one vector an image; vg-drilldown needs regions, as the converter writes them")
    held = set(whole.ids)
    if missing := [name for name in ids if name not in held]:
        raise ValueError(
            f"{file} has no regions of {len(missing)} of the {len(ids)} {part} images, the first {missing[0]!r}; "
            "convert those too, or leave the images out of the data"
        )
    if whole.ids == ids:
        return whole
    chosen = whole.positions(ids)
    boxes = None if whole.boxes is None else whole.boxes[chosen]
    return Gallery(ids, whole.vectors[chosen], whole.fingerprint, source, whole.mask[chosen], boxes)
