"""Claims about random views of faces: what they may change, and what is learned from them."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from data_prep import drawn_faces
from data_prep.faces import Faces
from facefb.attribute_settings import SpaceSettings
from facefb.attribute_space import AttributeSpace
from facefb.attribute_training import SpaceLoss
from facefb.features import FaceFeatures
from facefb.settings import ViewSettings
from facefb.views import DRAWS, ViewEncoder, viewed
from multiturn.draws import uniform
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from multiturn.gallery import Gallery

STILL, WIDE = ViewSettings(shift=0.0), ViewSettings(zoom=1.4, stretch=1.2, shift=0.125)
SIZES = st.tuples(st.integers(16, 40), st.integers(16, 40))


def pictures(height: int, width: int, count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def draws(**fixed: float) -> Tensor:
    """Draws of one picture that leave it as it is, but for those given."""
    middle = {"mirror": 0.0, "down": 0.5, "right": 0.5, "zoom": 0.5, "stretch": 0.5}
    return torch.tensor([list({**middle, **fixed}.values())], dtype=torch.float64)


@pytest.fixture(scope="module")
def faces() -> Faces:
    splits = drawn_faces.load(count=60, size=32)
    parts = splits["train"].train_test_split(0.3, seed=0)
    return Faces(parts["train"], parts["test"], splits["test"], "60 drawn faces", {})


def encoder() -> SEResNetEncoder:
    torch.manual_seed(0)
    return SEResNetEncoder(SEResNet(["a"], channels=[8, 8, 8, 16], height=32, width=32))


@given(SIZES, st.integers(0, 9))
def test_a_view_without_zoom_and_shift_is_the_picture_or_its_mirror_image(size, seed):
    before, drawn = pictures(*size), uniform(seed, torch.arange(6), 0, DRAWS)
    mirrored = drawn[:, 0] >= 0.5
    expected = torch.where(mirrored[:, None, None, None], before.flip(3), before)
    assert torch.equal(viewed(before, drawn, STILL), expected)


@given(SIZES, st.integers(0, 9))
def test_a_shift_moves_whole_pixels_and_repeats_the_edge(size, seed):
    before, drawn = pictures(*size), uniform(seed, torch.arange(6), 0, DRAWS)
    seen = viewed(before, drawn, ViewSettings())
    for picture, view, (mirror, down, right, *_) in zip(before, seen, drawn.tolist(), strict=True):
        places = []
        for draw, length in zip((down, right), size, strict=True):
            most = length // 16
            places.append((torch.arange(length) + int(draw * (2 * most + 1)) - most).clamp(0, length - 1))
        # A mirrored view moves the other way.
        rows, columns = places[0], places[1] if mirror < 0.5 else (size[1] - 1 - places[1])
        assert torch.equal(view, picture[:, rows][:, :, columns])


@given(SIZES, st.integers(0, 9))
def test_the_view_of_a_picture_depends_on_its_row_and_the_epoch_alone(size, seed):
    before, rows = pictures(*size), torch.arange(6)
    whole = viewed(before, uniform(seed, rows, 3, DRAWS), WIDE)
    alone = viewed(before[4:5], uniform(seed, rows[4:5], 3, DRAWS), WIDE)
    assert torch.equal(whole[4:5], alone)
    assert not torch.equal(whole, viewed(before, uniform(seed, rows, 4, DRAWS), WIDE))


@given(SIZES, st.integers(0, 9))
def test_a_view_has_no_colour_that_the_picture_has_not(size, seed):
    before = pictures(*size) // 2 + 40
    seen = viewed(before, uniform(seed, torch.arange(6), 0, DRAWS), WIDE)
    assert seen.amin() >= before.amin() and seen.amax() <= before.amax()


@pytest.mark.parametrize(("zoom", "side"), [(1 - 1e-12, 12), (0.0, 3), (0.5, 6)])
def test_the_middle_appears_so_many_times_as_large_or_as_small(zoom, side):
    spot = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    spot[:, :, 13:19, 13:19] = 255
    seen = viewed(spot, draws(zoom=zoom), ViewSettings(zoom=2.0))
    assert (seen[0, 0] > 127).any(1).sum() == (seen[0, 0] > 127).any(0).sum() == pytest.approx(side, abs=1)


def test_a_stretched_view_is_higher_and_narrower():
    spot = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    spot[:, :, 24:40, 24:40] = 255
    seen = viewed(spot, draws(stretch=1 - 1e-12), ViewSettings(stretch=4.0))[0, 0] > 127
    assert seen.any(1).sum() == pytest.approx(32, abs=1) and seen.any(0).sum() == pytest.approx(8, abs=1)


def test_impossible_views_are_refused():
    for change in ({"zoom": 0.9}, {"stretch": 0.0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            ViewSettings(**change)
    with pytest.raises(ValueError, match="shift is a share of the picture"):
        ViewSettings(shift=1.0)
    with pytest.raises(ValueError, match="views must be at least 0"):
        SpaceSettings(views=-1)


def test_an_encoder_of_views_keeps_the_contract_but_for_the_order_of_rows(faces: Faces):
    one, still = ViewEncoder(encoder(), WIDE, 1, 0), ViewEncoder(encoder(), STILL, 1, 0)
    whole = one.encode(faces.train)
    assert torch.allclose(one.encode(faces.train, batch_size=7), whole, atol=1e-4)
    assert not torch.allclose(ViewEncoder(encoder(), WIDE, 1, 1).encode(faces.train), whole, atol=1e-2)
    prints = {ViewEncoder(encoder(), view, seed, 0).fingerprint for view in (WIDE, STILL) for seed in (1, 2)}
    assert len(prints | {one.fingerprint, encoder().fingerprint}) == 5 and still.dim == encoder().dim


def test_views_of_the_training_faces_stand_in_the_order_of_the_gallery(faces: Faces, tmp_path: Path):
    features = FaceFeatures(encoder(), faces, tmp_path, 16, torch.device("cpu"))
    features.standardise(tmp_path / "standardise.safetensors")
    views, plain = features.views(3, STILL, 0), features.gallery("train").vectors
    assert views.shape == (3, *plain.shape)
    # Each is the face or its mirror image, so that over three views most faces were seen as they are.
    assert (views - plain).abs().amax(2).lt(1e-3).any(0).double().mean() > 0.7
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("**/train-view-*"))]
    assert torch.equal(features.views(3, STILL, 0), views) and len(times) == 3
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("**/train-view-*"))] == times
    assert features.views(0, STILL, 0).shape == (0, *plain.shape)


def test_a_face_is_learned_from_its_views_and_as_it_is_about_as_often():
    faces, names = 300, ["Male", "Smiling", "Young"]
    attributes = torch.ones(faces, 3, dtype=torch.int8)
    # What a view shows is told by its number.
    gallery = Gallery.of([f"{i:03d}" for i in range(faces)], torch.zeros(faces, 4), "enc", "s")
    views = torch.arange(1, 3).float()[:, None, None].expand(2, faces, 4)
    torch.manual_seed(0)
    space = AttributeSpace(names, "enc", 4, 5, 8)
    seen: list[Tensor] = []
    space.image_tower.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    loss = SpaceLoss(space, gallery, attributes, SpaceSettings(views=2, hard_negatives=0), 0, views)
    rows = torch.arange(faces)
    for batch, epoch in ((rows, 0), (rows.flip(0), 0), (rows, 1)):
        loss(batch, epoch)
    numbers = [one[:, 0].long() for one in seen]
    assert min(numbers[0].bincount().tolist()) > 70 and len(numbers[0].bincount()) == 3
    assert torch.equal(numbers[0], numbers[1].flip(0)) and not torch.equal(numbers[0], numbers[2])
