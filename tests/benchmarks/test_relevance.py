"""Claims about the benchmark of relevance feedback: both ways play the same sessions."""

import json

import pytest

from benchmarks import refitting
from benchmarks.relevance import LOOPS, _targets, at_once, birds, one_by_one, relevance


@pytest.mark.parametrize("method", ["rocchio", "pichunter", "svm"])
def test_the_loop_finds_what_the_batch_finds(method):
    user = birds(120, 6, 8, 0)
    _, found = at_once(method, user, 6, 4, 4, 0)
    _, looped = one_by_one(method, user, 6, 4, 4, 0)
    assert found == pytest.approx(looped, abs=0.02)


def test_the_loop_shows_no_image_twice():
    user = birds(40, 4, 8, 0)
    seen = []

    def fit(example, judged, liked, unit):
        seen.append(judged)
        return unit @ example

    targets = _targets(user, 1, 0).numpy()
    vectors, labels = user.gallery.vectors.numpy(), user.labels.numpy()
    refitting.looped(fit, vectors, labels, vectors[targets], targets, 5, 4)
    assert len(set(seen[-1])) == len(seen[-1]) and targets[0] not in seen[-1]


@pytest.mark.slow
def test_it_writes_the_times_of_every_method(tmp_path):
    relevance(sessions=4, iterations=2, images=80, classes=4, dim=8, loop_sessions=1, output=tmp_path)
    written = json.loads((tmp_path / "relevance.json").read_text())
    assert set(written["methods"]) == set(LOOPS)
    assert all(way["times_faster"] > 0 for way in written["methods"].values())


def test_more_pages_than_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match="15 pages of 8 need more than 100 images; raise --images"):
        relevance(images=100, output=tmp_path)
