"""Encoders by name, as YAML files and command lines choose them; importing this module loads nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multiturn.encoders.kinds import KINDS, EncoderSettings, ItemKind

if TYPE_CHECKING:
    import torch

    from multiturn.encoders import Encoder
    from multiturn.encoders.faces import FaceDetector, FaceEmbedder
    from multiturn.encoders.faces.encoder import FaceEncoder
    from multiturn.encoders.regions import RegionEncoder
    from multiturn.encoders.words import WordGRU

__all__ = ["KINDS", "EncoderSettings", "ItemKind", "load_word_gru", "make_encoder"]


def make_encoder(
    settings: EncoderSettings, device: torch.device | str = "cpu"
) -> Encoder | RegionEncoder | FaceEncoder:
    """Make the encoder that `settings` describe, with its weights on `device`.

    Returns:
        one whose `encode` gives a vector an item; with `regions`, and of kind 'faster_rcnn', `Regions`. That of 'faces'
        refuses images without a face, and has `encode_faces` besides, which lists them.
    Raises:
        FileNotFoundError: no weights where the settings say, and none in the Hub's cache.
        ValueError: no such model, weights that do not fit it, or more cells than its map has.
        ImportError: faces by OpenCV or onnxruntime, which are not installed.
    """
    makers = {
        "open_clip": _open_clip,
        "open_clip_text": _open_clip,
        "timm": _timm,
        "torchvision": _torchvision,
        "transformers": _transformers,
        "transformers_text": _transformers,
        "sentence_transformers": _sentence_transformers,
        "squeezenet": _squeezenet,
        "se_resnet": _se_resnet,
        "faster_rcnn": _faster_rcnn,
        "faces": _faces,
        "words": _words,
    }
    made = makers[settings.kind](settings, device)
    return made if settings.regions is None else _grid(made, settings, device)


def load_word_gru(folder: str) -> WordGRU:
    """Read a `WordGRU` from a folder or the Hub.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: its weights do not fit its words.
    """
    from multiturn.encoders.weights import load_ours
    from multiturn.encoders.words import WordGRU

    return load_ours(WordGRU, folder, "word GRU")


def _grid(network: Any, settings: EncoderSettings, device: torch.device | str) -> RegionEncoder:
    import torch

    from multiturn.encoders.regions.grid import GridEncoder
    from multiturn.encoders.towers import workers_beside

    workers = workers_beside(torch.device(device)) if settings.workers is None else settings.workers
    return GridEncoder(network, settings.rows or 0, settings.columns or 0, settings.normalise, workers)


def _whole(settings: EncoderSettings) -> bool:
    """Whether the network itself scales its vectors to length 1; of a grid, each cell's is scaled instead."""
    return settings.normalise and settings.regions is None


def _size(settings: EncoderSettings, height: int, width: int) -> tuple[int, int]:
    """Height and width of the input: as given, a single number for both, or else the network's own."""
    if settings.height is None and settings.width is None:
        return height, width
    return settings.height or settings.width or height, settings.width or settings.height or width


def _open_clip(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.open_clip_towers import OpenClipImages, OpenClipTexts

    name, weights, dtype, normalise = settings.name or "", settings.weights, settings.dtype, _whole(settings)
    if settings.items == "text":
        return OpenClipTexts(name, weights, device, dtype, normalise)
    return OpenClipImages(name, weights, device, dtype, settings.workers, normalise)


def _timm(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.timm_backbone import TimmEncoder

    options = (device, settings.dtype, settings.workers, _whole(settings))
    return TimmEncoder(settings.name or "", settings.weights, *_size(settings, 224, 224), *options)


def _torchvision(settings: EncoderSettings, device: torch.device | str) -> Any:
    from multiturn.encoders.regions.torchvision_maps import TorchvisionMaps

    return TorchvisionMaps(settings.name or "", settings.weights, *_size(settings, 224, 224), device=device)


def _transformers(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.transformers_towers import TransformersImages, TransformersTexts

    name, dtype, normalise = settings.name or "", settings.dtype, _whole(settings)
    if settings.items == "text":
        return TransformersTexts(name, settings.pooling, device, dtype, normalise)
    assert settings.pooling != "last"
    return TransformersImages(name, settings.pooling, device, dtype, settings.workers, normalise)


def _sentence_transformers(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.sentence import SentenceEncoder

    return SentenceEncoder(settings.name or "", device, settings.dtype, settings.normalise)


def _squeezenet(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.squeezenet import SqueezeNetEncoder

    weights = settings.weights or "squeezenet1.1_notop_oihw.npz"
    options = (device, settings.dtype, settings.workers, _whole(settings))
    return SqueezeNetEncoder(weights, *_size(settings, 227, 227), *options)


def _se_resnet(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
    from multiturn.encoders.weights import load_ours

    network = load_ours(SEResNet, settings.name or "", "SE-ResNet").to(device)
    return SEResNetEncoder(network, settings.dtype, settings.workers, _whole(settings))


def _faster_rcnn(settings: EncoderSettings, device: torch.device | str) -> RegionEncoder:
    from multiturn.encoders.regions.detector import DetectorEncoder

    given = {
        "name": settings.name,
        "regions": settings.boxes,
        "least_score": settings.least_score,
        "short_side": settings.short_side,
        "classes": settings.classes,
    }
    return DetectorEncoder(settings.weights, device=device, normalise=settings.normalise, **_without_none(given))


def _faces(settings: EncoderSettings, device: torch.device | str) -> FaceEncoder:
    from multiturn.encoders.faces.encoder import FaceEncoder

    embedder, detector = _embedder(settings, device), _face_detector(settings, device)
    choose, margin = settings.choose or "central", settings.margin or 0
    return FaceEncoder(embedder, detector, settings.found_by, margin, settings.crop, choose)


def _face_detector(settings: EncoderSettings, device: torch.device | str) -> FaceDetector | None:
    weights = settings.detector_weights or ""
    if settings.detector == "mtcnn":
        from multiturn.encoders.faces.mtcnn import MTCNN, cascade_files

        return MTCNN(*cascade_files(weights), device=device, **_without_none({"least_face": settings.least_face}))
    if settings.detector == "yunet":
        from multiturn.encoders.faces.yunet import YuNet

        return YuNet(weights, **_without_none({"least_score": settings.least_score}))
    return None


def _embedder(settings: EncoderSettings, device: torch.device | str) -> FaceEmbedder:
    weights, mirror = settings.weights or "", _without_none({"mirror": settings.mirror})
    if settings.embedder == "mobilefacenet":
        from multiturn.encoders.faces.embedders import mobilefacenet

        return mobilefacenet(weights, *_size(settings, 112, 96), device=device, **mirror)
    if settings.embedder == "inception_resnet_v1":
        from multiturn.encoders.faces.embedders import inception_resnet_v1

        height, width = _size(settings, 160, 160)
        if height != width:
            raise ValueError(f"inception_resnet_v1 takes square faces, not {height} x {width} pixels")
        return inception_resnet_v1(weights, height, device=device, **mirror)
    from multiturn.encoders.faces.onnx_embedder import OnnxEmbedder

    given: dict[str, Any] = {
        "mean": settings.pixel_mean,
        "std": settings.pixel_std,
        "order": settings.channels,
        "height": settings.height,
        "width": settings.width,
    }
    return OnnxEmbedder(weights, device="cuda" if "cuda" in str(device) else "cpu", **mirror, **_without_none(given))


def _words(settings: EncoderSettings, device: torch.device | str) -> Encoder:
    from multiturn.encoders.words import WordGRUEncoder

    return WordGRUEncoder(load_word_gru(settings.name or "").to(device), settings.dtype, settings.normalise)


def _without_none(given: dict[str, Any]) -> dict[str, Any]:
    """What was given; the rest stays as the class has it."""
    return {name: value for name, value in given.items() if value is not None}
