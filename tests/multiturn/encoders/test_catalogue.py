"""Claims about choosing an encoder by name: what a command line can say, and what it is told."""

import subprocess
import sys
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from multiturn.encoders.catalogue import KINDS, EncoderSettings, make_encoder

FACES = dict(kind="faces", embedder="mobilefacenet", weights="m.pt", detector="none")
GRID = dict(kind="squeezenet", regions="grid")


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("open-clip", "open_clip"),
        ("openclip", "open_clip"),
        ("Timm", "timm"),
        ("sentence-transformer", "sentence_transformers"),
        ("clip", "open_clip"),
        ("dinov2", "transformers"),
        ("face", "faces"),
        ("seresnet", "se_resnet"),
        ("detector", "faster_rcnn"),
    ],
)
def test_an_unknown_kind_suggests_the_one_that_was_meant(kind: str, meant: str):
    with pytest.raises(ValueError, match=rf"the kinds are open_clip, .*did you mean {meant}\?"):
        EncoderSettings(kind, "x")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(kind="timm"), "needs a name"),
        (dict(kind="se_resnet"), "needs a name"),
        (dict(kind="open_clip", name="x", pooling="mean"), "takes no pooling"),
        (dict(kind="sentence_transformers", name="x", workers=2), "takes no workers"),
        (dict(kind="sentence_transformers", name="x", regions="grid"), "takes no regions"),
        (dict(kind="squeezenet", detector="mtcnn"), "kind squeezenet takes no detector"),
        (dict(kind="faster_rcnn", dtype="bfloat16"), "takes no dtype"),
        (FACES | dict(normalise=True), "takes no normalise"),
        (dict(kind="transformers", name="x", pooling="last"), "is for texts"),
        (dict(kind="timm", name="x", height=3), "height must be at least 16"),
        (dict(kind="timm", name="x", workers=-1), "workers must be at least 0"),
        (GRID | dict(rows=0), "rows must be at least 1"),
        (dict(kind="squeezenet", rows=6), "those of a grid; add regions 'grid'"),
        (dict(kind="torchvision", name="resnet18"), "no vector of a whole image; add regions 'grid'"),
        (dict(kind="transformers", name="x", regions="grid", pooling="mean"), "a grid is not pooled"),
        (dict(kind="faster_rcnn", least_score=2.0), r"a probability in \[0, 1\], not 2"),
        (dict(kind="faster_rcnn", boxes=0), "boxes must be at least 1"),
        (dict(kind="faces", detector="none"), "needs an embedder: mobilefacenet, "),
        (dict(kind="faces", embedder="onnx"), "needs a detector: mtcnn or yunet, or none"),
        (dict(kind="faces", embedder="onnx", detector="none"), "faces need weights: the file of onnx"),
        (FACES | dict(detector="mtcnn"), r"need detector_weights: the folder of pnet\.pt"),
        (FACES | dict(detector="yunet"), "need detector_weights: yunet's ONNX file"),
        (FACES | dict(choose="largest"), "detector 'none' take no choose"),
        (FACES | dict(detector="mtcnn", crop=(0, 0, 1, 1)), "detector 'mtcnn' take no crop"),
        (FACES | dict(detector="mtcnn", least_score=0.5), "detector 'mtcnn' take no least_score"),
        (FACES | dict(channels="BGR"), "embedder 'mobilefacenet' take no channels"),
        (FACES | dict(detector="mtcnn", detector_weights=".", margin=3), "a margin goes around a box"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        EncoderSettings(**settings)


def test_a_face_network_that_was_trained_on_boxes_is_given_boxes():
    options = dict(weights="w", detector="mtcnn", detector_weights=".")
    assert EncoderSettings("faces", embedder="inception_resnet_v1", **options).found_by == "box"  # type: ignore[arg-type]
    assert EncoderSettings("faces", embedder="mobilefacenet", **options).found_by == "landmarks"  # type: ignore[arg-type]


def test_every_setting_is_taken_by_some_kind():
    taken = frozenset().union(*(takes for _, takes in KINDS.values()))
    assert taken == set(EncoderSettings.__dataclass_fields__) - {"kind"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--encoder.kind", "squeezenet", "--encoder.regions", "grid", "--encoder.rows", "6", "--encoder.columns", "6"],
        [
            *("--encoder.kind", "faces", "--encoder.embedder", "mobilefacenet", "--encoder.weights", "m.pt"),
            *("--encoder.detector", "none", "--encoder.crop", "[72, 58, 178, 182]"),
        ],
    ],
)
def test_a_command_line_and_the_yaml_that_it_prints_choose_the_same(arguments: list[str], tmp_path: Path):
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(EncoderSettings, "encoder")
    read = parser.parse_args(arguments)
    (tmp_path / "encoder.yaml").write_text(parser.dump(read))
    again = parser.parse_args(["--config", str(tmp_path / "encoder.yaml")])
    chosen: EncoderSettings = parser.instantiate(read).encoder
    assert chosen == parser.instantiate(again).encoder
    assert chosen.crop == (72, 58, 178, 182) or (chosen.rows, chosen.columns) == (6, 6)


def test_choosing_an_encoder_loads_nothing_heavy():
    heavy = {"torch", "transformers", "open_clip", "timm", "sentence_transformers", "datasets", "torchvision", "PIL"}
    code = f"import multiturn.encoders.catalogue, sys; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(kind="open_clip", name="ViT-B-32", weights="{}/w.pt"), "download those of ViT-B-32 from"),
        (dict(kind="open_clip_text", name="ViT-B-32", weights="{}/w.pt"), "download those of ViT-B-32 from"),
        (dict(kind="open_clip", name="ViT-B-32", weights="openai"), "download them where there is a network"),
        (dict(kind="timm", name="test_resnet", weights="{}/w.pt"), r"hf download timm/test_resnet\.r160_in1k"),
        (dict(kind="timm", name="test_resnet"), r"hf download timm/test_resnet\.r160_in1k"),
        (dict(kind="torchvision", name="resnet18", weights="{}/w.pt", regions="grid"), "state dict of resnet18"),
        (dict(kind="torchvision", name="resnet18", regions="grid"), r"download \S+/resnet18-\S+ where there is a net"),
        (dict(kind="transformers", name="{}/none"), "hf download .*name the folder it was put in"),
        (dict(kind="transformers", name="nobody/nothing"), "hf download nobody/nothing"),
        (dict(kind="transformers_text", name="nobody/nothing"), "hf download nobody/nothing"),
        (dict(kind="sentence_transformers", name="nobody/nothing"), "hf download nobody/nothing"),
        (dict(kind="squeezenet", weights="{}/w.npz"), r"download SqueezeNet 1\.1 .*put the file there"),
        (dict(kind="se_resnet", name="nobody/nothing"), "hf download nobody/nothing"),
        (dict(kind="se_resnet", name="{}/none"), "no SE-ResNet called"),
        (dict(kind="se_resnet", name="{}"), r"holds no config\.json of a SE-ResNet"),
        (dict(kind="words", name="{}/none"), "no word GRU called"),
        (dict(kind="words", name="{}"), r"holds no config\.json of a word GRU"),
        (dict(kind="faster_rcnn", weights="{}/w.pt"), "download the state dict of fasterrcnn_resnet50_fpn"),
        (dict(kind="faster_rcnn"), r"download \S+/fasterrcnn_resnet50_fpn_coco-\S+ where there is a network"),
        (FACES | dict(weights="{}/w.pt"), "download a state dict of MobileFaceNet"),
        (FACES | dict(weights="{}/w.pt", embedder="inception_resnet_v1"), "download 20180402-114759-vggface2.pt"),
    ],
)
def test_weights_that_are_nowhere_are_said_to_be_missing_and_how_to_get_them(
    settings: dict, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("offline")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setattr("open_clip.factory.download_pretrained", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    placed = {key: value.format(tmp_path) if isinstance(value, str) else value for key, value in settings.items()}
    with pytest.raises(FileNotFoundError, match=message):
        make_encoder(EncoderSettings(**placed))
