"""Claims about degraded example images."""

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Value
from datasets import Image as ImageColumn
from PIL import Image

from multiturn.contracts import check_encoder
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from relevance.degraded import DegradedImages, degrade

GREY = Image.new("RGB", (299, 299), (100, 100, 100))


def pixels(*arguments, **options) -> np.ndarray:
    return np.asarray(degrade(*arguments, **options))


def test_the_cut_out_is_100_by_100_pixels_of_a_picture_of_299():
    black = (pixels(GREY, "a", "cutout") == 0).all(2)
    rows, columns = np.flatnonzero(black.any(1)), np.flatnonzero(black.any(0))
    assert black.sum() == 100 * 100 and len(rows) == len(columns) == 100


def test_the_cut_out_is_a_third_of_each_side_of_another_picture():
    black = (pixels(Image.new("RGB", (60, 120), "white"), "a", "cutout") == 0).all(2)
    assert (black.any(1).sum(), black.any(0).sum()) == (40, 20)


def test_the_place_of_the_cut_out_differs_from_image_to_image():
    places = {np.flatnonzero((pixels(GREY, name, "cutout") == 0).all(2))[0] for name in "abcdefgh"}
    assert len(places) == 8


def test_gamma_makes_some_pictures_darker_and_some_brighter_within_its_bounds():
    values = [int(pixels(GREY, str(name), "gamma")[0, 0, 0]) for name in range(60)]
    low, high = (round(255 * (100 / 255) ** power) for power in (2.5, 1 / 2.5))
    assert low <= min(values) < 80 and 120 < max(values) <= high


def test_gamma_leaves_black_and_white_as_they_are():
    assert (pixels(Image.new("RGB", (4, 4), "white"), "a", "gamma") == 255).all()
    assert (pixels(Image.new("RGB", (4, 4), "black"), "a", "gamma") == 0).all()


def test_both_is_a_cut_out_of_the_picture_after_gamma():
    both, gamma, cut = (pixels(GREY, "a", how) for how in ("both", "gamma", "cutout"))
    assert (both == np.where(cut == 0, 0, gamma)).all()


def test_the_same_id_and_seed_give_the_same_picture_and_another_seed_another():
    assert (pixels(GREY, "a", "both", seed=1) == pixels(GREY, "a", "both", seed=1)).all()
    assert not (pixels(GREY, "a", "both", seed=1) == pixels(GREY, "a", "both", seed=2)).all()


def test_none_changes_nothing():
    assert (pixels(GREY, "a", "none") == 100).all()


def test_a_power_below_one_is_refused():
    with pytest.raises(ValueError, match=r"gamma is the largest power, 1 or more, not 0\.5"):
        degrade(GREY, "a", "gamma", gamma=0.5)


def test_it_keeps_the_promises_of_an_encoder():
    torch.manual_seed(0)
    noise = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    features = Features(id=Value("string"), image=ImageColumn())
    rows = Dataset.from_dict({"id": list("abcde"), "image": [Image.fromarray(one) for one in noise]}, features=features)
    network = SEResNet(["a"], channels=[8, 8, 8, 16], height=32, width=32)
    degraded = DegradedImages(SEResNetEncoder(network), "both")
    check_encoder(degraded, rows)
    assert not torch.equal(degraded.encode(rows), SEResNetEncoder(network).encode(rows))
