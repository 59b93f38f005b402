"""Claims about the frozen features of faces: what they are bound to, and what is kept."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from data_prep import drawn_faces
from data_prep.attributes import ATTRIBUTES
from data_prep.faces import Faces, FaceSettings, load_faces
from facefb.classifier import ClassifierLoss, people, predict
from facefb.features import FaceFeatures, load_network, make_encoder
from facefb.settings import FeatureSettings
from multiturn.contracts import check_encoder
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from multiturn.encoders.standardised import Standardised
from multiturn.encoders.timm_backbone import TimmEncoder
from multiturn.settings import TrainingSettings

CPU = torch.device("cpu")
TINY = FeatureSettings(height=32, width=32, channels=[8, 8, 8, 16], training=TrainingSettings(epochs=1, batch_size=16))


@pytest.fixture(scope="module")
def faces() -> Faces:
    splits = drawn_faces.load(count=60, size=32)
    parts = splits["train"].train_test_split(0.3, seed=0)
    return Faces(parts["train"], parts["test"], splits["test"], "60 drawn faces", {})


def network(**options: object) -> SEResNet:
    torch.manual_seed(0)
    return SEResNet(list(ATTRIBUTES), channels=[8, 8, 8, 16], height=32, width=32, **options)  # type: ignore[arg-type]


NARROW = """
import torch
from multiturn.encoders.se_resnet import SEResNet
network = SEResNet(["a", "b"], channels=[4, 4, 4, 8], height=32, width=32)
for _ in range(12):
    pixels = torch.randint(256, (32, 3, 32, 32), dtype=torch.uint8)
    network.logits(network(pixels)).square().sum().backward()
    kept = [torch.randn(size) for size in range(7, 107)]
"""


def test_a_network_of_very_few_channels_trains_in_a_single_thread():
    told = os.environ | {"OMP_NUM_THREADS": "1"}
    assert subprocess.run([sys.executable, "-c", NARROW], env=told, timeout=120, check=False).returncode == 0


def test_the_face_network_keeps_the_contract_of_encoders(faces: Faces):
    check_encoder(SEResNetEncoder(network()), faces.test)


def test_a_timm_backbone_keeps_the_contract_of_encoders(faces: Faces, tmp_path: Path):
    import timm

    weights = tmp_path / "weights.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet").state_dict(), weights)
    check_encoder(TimmEncoder("test_resnet", str(weights), 64, 64), faces.test)


def test_the_standardised_encoder_keeps_the_contract_of_encoders(faces: Faces):
    inner = SEResNetEncoder(network())
    check_encoder(Standardised.fit(inner, inner.encode(faces.train)), faces.test)


def test_a_timm_name_that_does_not_exist_suggests_others():
    with pytest.raises(ValueError, match=r"similar names: .*resnet50"):
        TimmEncoder("esnet50", None, 32, 32)


def test_the_fingerprint_changes_with_weights_size_and_labels():
    one = network().fingerprint
    assert network().fingerprint == one
    changed = network()
    with torch.no_grad():
        changed.classify.bias[0] += 1e-3
    prints = {one, changed.fingerprint, SEResNet(["a"], channels=[8, 8, 8, 16], height=32, width=32).fingerprint}
    larger = network()
    larger.height = 64
    assert len(prints | {larger.fingerprint}) == 4


def test_a_network_comes_back_from_its_folder_with_its_labels_and_its_answers(faces: Faces, tmp_path: Path):
    before = network()
    before.save_pretrained(tmp_path)
    after = load_network(str(tmp_path))
    assert after.labels == ATTRIBUTES and after.fingerprint == before.fingerprint
    assert torch.equal(predict(after, faces.test)[1], predict(before, faces.test)[1])


def test_a_folder_without_a_network_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load_network(str(tmp_path))


def test_a_network_for_other_labels_is_refused_as_attribute_classifier(faces: Faces, tmp_path: Path):
    SEResNet(["left", "right"], channels=[8, 8, 8, 16], height=32, width=32).save_pretrained(tmp_path / "other")
    settings = FeatureSettings(checkpoint=str(tmp_path / "other"))
    with pytest.raises(ValueError, match="2 other labels"):
        make_encoder(settings, faces, tmp_path, CPU, 0, False)


@pytest.mark.parametrize("source", ["network", "run"])
def test_a_run_keeps_the_network_that_it_was_given_and_needs_no_other_folder(source: str, faces: Faces, tmp_path: Path):
    given = network()
    folder = tmp_path / "given" / ("encoder" if source == "run" else "")
    given.save_pretrained(folder)
    if source == "run":
        (tmp_path / "given" / "config.yaml").write_text("task: celeba-feedback\n")
    settings = FeatureSettings(checkpoint=str(tmp_path / "given"))
    made = make_encoder(settings, faces, tmp_path / "kept", CPU, 0, False)
    assert made.fingerprint == given.fingerprint
    shutil.rmtree(tmp_path / "given")
    assert make_encoder(settings, faces, tmp_path / "kept", CPU, 0, True).fingerprint == given.fingerprint


def test_standardised_features_have_mean_0_and_deviation_1_on_the_training_faces(faces: Faces, tmp_path: Path):
    features = FaceFeatures(SEResNetEncoder(network()), faces, tmp_path, 16, CPU)
    features.standardise(tmp_path / "standardise.safetensors")
    vectors = features.gallery("train").vectors
    assert torch.allclose(vectors.mean(0), torch.zeros(256), atol=1e-4)
    assert torch.allclose(vectors.std(0), torch.ones(256), atol=1e-3)
    assert "standardised" in features.gallery("test").fingerprint


def test_galleries_are_kept_and_made_again_when_the_weights_change(faces: Faces, tmp_path: Path):
    def make(encoder: SEResNetEncoder) -> int:
        FaceFeatures(encoder, faces, tmp_path, 16, CPU).gallery("test")
        return (tmp_path / "test.safetensors").stat().st_mtime_ns

    first = make(SEResNetEncoder(network()))
    assert make(SEResNetEncoder(network())) == first
    other = network()
    with torch.no_grad():
        other.embed.bias += 1
    assert make(SEResNetEncoder(other)) > first


def test_a_feature_that_is_not_a_number_names_the_image(faces: Faces, tmp_path: Path):
    broken = network()
    with torch.no_grad():
        broken.embed.bias[3] = math.nan
    with pytest.raises(ValueError, match=r"'drawn-\d+\.png' holds NaN"):
        FaceFeatures(SEResNetEncoder(broken), faces, tmp_path, 16, CPU).gallery("test")


def test_predictions_are_the_logits_of_the_classifier(faces: Faces, tmp_path: Path):
    classifier = network()
    predictions = FaceFeatures(SEResNetEncoder(classifier), faces, tmp_path, 16, CPU).predictions("test")
    assert predictions is not None
    order = predictions.positions(list(faces.test["id"]))
    assert torch.allclose(predictions.vectors[order], predict(classifier, faces.test)[1], atol=1e-5)


@pytest.mark.parametrize("standardised", [False, True])
def test_a_teacher_gives_the_predictions_from_features_as_galleries_have_them(faces, tmp_path, standardised):
    features = FaceFeatures(SEResNetEncoder(network()), faces, tmp_path, 16, CPU)
    if standardised:
        features.standardise(tmp_path / "standardise.safetensors")
    teacher, predictions = features.teacher(), features.predictions("test")
    assert teacher is not None and predictions is not None
    assert torch.allclose(teacher(features.gallery("test").vectors), predictions.vectors, atol=1e-4)
    assert not any(one.requires_grad for one in teacher.parameters())


def test_an_encoder_that_is_no_attribute_classifier_makes_no_predictions(faces: Faces, tmp_path: Path):
    other = SEResNet(people(faces.train), channels=[8, 8, 8, 16], height=32, width=32, independent=False)
    features = FaceFeatures(SEResNetEncoder(other), faces, tmp_path, 16, CPU)
    assert features.predictions("test") is None and features.teacher() is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attributes", "identities", "untrained"])
def test_every_kind_of_face_network_can_be_made_and_is_kept(faces: Faces, tmp_path: Path, kind: str):
    settings = FeatureSettings(
        kind=kind,  # type: ignore[arg-type]
        height=32,
        width=32,
        channels=[8, 8, 8, 16],
        training=TINY.training,
    )
    encoder = make_encoder(settings, faces, tmp_path, CPU, 0, False)
    assert make_encoder(settings, faces, tmp_path, CPU, 0, True).fingerprint == encoder.fingerprint


def test_a_mirrored_and_shifted_face_has_only_pixels_of_the_face():
    pixels = torch.arange(3 * 32 * 32).remainder(256).to(torch.uint8).view(1, 3, 32, 32).repeat(8, 1, 1, 1)
    changed: list[torch.Tensor] = []
    loss = ClassifierLoss(network())
    loss.network.register_forward_pre_hook(lambda module, inputs: changed.append(inputs[0]))
    batch = (torch.arange(8), pixels, torch.zeros(8, 40))
    loss(batch, 0)
    loss(batch, 0)
    loss(batch, 1)
    assert changed[0].shape == pixels.shape
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed[0], changed[2])
    mirrored = pixels.flip(3)
    inside = (slice(None), slice(4, 28), slice(4, 28))
    for face in changed[0]:
        shifts = [(d, r) for d in range(-2, 3) for r in range(-2, 3)]
        assert any(
            torch.equal(face[inside], source[:, 4 + d : 28 + d, 4 + r : 28 + r])
            for source in (pixels[0], mirrored[0])
            for d, r in shifts
        )


def test_every_part_of_the_data_must_hold_faces():
    with pytest.raises(ValueError, match="validation_share"):
        FaceSettings(validation_share=0.0)
    with pytest.raises(ValueError, match="not both"):
        FaceSettings(root="a", hub_id="b")


def test_drawn_faces_are_named_as_drawn_and_parts_do_not_overlap(tmp_path: Path):
    faces = load_faces(FaceSettings(count=80, size=32, validation_share=0.2), tmp_path)
    assert "drawn" in faces.source and "not photographs" in faces.source
    parts: list[Dataset] = [faces.train, faces.validation, faces.test]
    ids = [set(part["id"]) for part in parts]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 80
    assert not set(faces.train["identity"]) & set(faces.test["identity"])
