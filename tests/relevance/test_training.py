"""Claims about what is trained before any session."""

import sys

import pytest
import torch

from multiturn.encoders.se_resnet import SEResNet
from multiturn.settings import TrainingSettings
from multiturn.targets import Targets
from multiturn.training import fit
from relevance.methods import RelevanceModel
from relevance.settings import HeadSettings
from relevance.training import HeadLoss, NetworkLoss, nearest_right


def test_a_map_trained_with_multi_similarity_finds_neighbours_of_the_class_more_often(flock, tmp_path):
    torch.manual_seed(0)
    model = RelevanceModel("svm", "encoder", 16, 8)
    # Half of the coordinates are noise that says nothing of the class.
    vectors = torch.cat([flock.gallery.vectors[:, :8], 6 * torch.randn(120, 8)], 1)
    gallery = type(flock.gallery)(flock.gallery.ids, vectors, "encoder", "dots and noise")

    def right() -> float:
        return nearest_right(model(vectors).detach(), flock.labels)

    before = right()
    loss = HeadLoss(model, gallery, flock.labels, HeadSettings(8))
    training = TrainingSettings(epochs=15, batch_size=60, learning_rate=1e-2)
    loss(torch.arange(60), 0).backward()
    assert all(weight.grad is not None for weight in loss.parameters() if weight.requires_grad)
    loss.zero_grad()
    fit(loss, Targets(len(gallery)), training, lambda module: {"right": right()}, "right", tmp_path)
    assert right() > before + 0.1


def test_without_its_library_the_loss_says_what_to_install(flock, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(ValueError, match=r"pip install 'multiturn-retrieval\[metric\]', or set head.dim to 0"):
        HeadLoss(RelevanceModel("svm", "encoder", 16, 8), flock.gallery, flock.labels, HeadSettings(8))


@pytest.mark.parametrize("name", ["classes", "multi-similarity"])
def test_a_network_learns_the_training_classes_with_either_loss(name):
    generator = torch.Generator().manual_seed(2)
    colours = 255 * torch.rand(4, 3, 1, 1, generator=generator)
    labels = torch.arange(24) % 4
    pixels = (colours[labels] + 40 * torch.randn(24, 3, 16, 16, generator=generator)).clamp(0, 255).to(torch.uint8)
    torch.manual_seed(0)
    network = SEResNet(list("abcd"), channels=[8, 8, 8, 16], height=16, width=16, independent=False)
    loss, rows = NetworkLoss(network, name, seed=0), torch.arange(24)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-2)
    before = loss([rows, pixels, labels], 0).item()
    for _ in range(15):
        optimizer.zero_grad()
        loss([rows, pixels, labels], 0).backward()
        optimizer.step()
    # Several processes would wait for one that never comes.
    assert all(weight.grad is not None for weight in loss.parameters() if weight.requires_grad)
    assert loss([rows, pixels, labels], 0).item() < 0.8 * before
    assert nearest_right(network.eval()(pixels).detach(), labels) == 1
