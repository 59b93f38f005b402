"""Claims about what is trained before any session."""

import sys

import pytest
import torch

from multiturn.settings import TrainingSettings
from multiturn.training import fit
from relevance.methods import RelevanceModel
from relevance.settings import HeadSettings
from relevance.task import Positions
from relevance.training import HeadLoss, nearest_right


def test_a_map_trained_with_multi_similarity_finds_neighbours_of_the_class_more_often(flock, tmp_path):
    pytest.importorskip("pytorch_metric_learning")
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
    fit(loss, Positions(gallery), training, lambda module: {"right": right()}, "right", tmp_path)
    assert right() > before + 0.1


def test_without_its_library_the_loss_says_what_to_install(flock, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    with pytest.raises(ValueError, match=r"pip install 'multiturn-retrieval\[metric\]', or set head.dim to 0"):
        HeadLoss(RelevanceModel("svm", "encoder", 16, 8), flock.gallery, flock.labels, HeadSettings(8))
