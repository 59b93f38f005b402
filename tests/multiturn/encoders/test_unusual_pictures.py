"""Claims about pictures out of the ordinary: large, sideways, of other kinds, or broken, to the encoders of images."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from multiturn.encoders.regions.grid import GridEncoder
from multiturn.pictures import read_picture
from tests.multiturn.encoders.test_image_encoders import make_open_clip, make_timm


def encoded(image: Pillow.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rows_of(*files: bytes) -> Dataset:
    features = Features({"id": Value("string"), "image": Image()})
    images = [{"bytes": file, "path": None} for file in files]
    return Dataset.from_dict({"id": [f"name-{i}" for i in range(len(files))], "image": images}, features=features)


NOISE = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8))
UNUSUAL = {
    "1 x 1": encoded(Pillow.new("RGB", (1, 1), (9, 8, 7)), "PNG"),
    "16-bit gray": encoded(Pillow.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40), "PNG"),
    "CMYK": encoded(NOISE.convert("CMYK"), "JPEG"),
    "palette": encoded(NOISE.convert("P"), "PNG", transparency=3),
    "animated": encoded(NOISE, "GIF", save_all=True, append_images=[NOISE.rotate(90)]),
    "gray with alpha": encoded(NOISE.convert("LA"), "PNG"),
    "one bit": encoded(NOISE.convert("1"), "PNG"),
}
GOOD = encoded(NOISE, "PNG")
BAD = {"empty": b"", "truncated": encoded(NOISE, "JPEG")[:900], "no picture": b"hello" * 50, "cut PNG": GOOD[:2000]}


@pytest.mark.slow
def test_a_picture_of_100_megapixels_is_encoded(tmp_path: Path):
    large = encoded(Pillow.new("L", (10_000, 10_000)), "JPEG")
    assert torch.isfinite(make_timm(tmp_path).encode(rows_of(large))).all()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_of_100_megapixels_that_cannot_be_decoded_smaller_is_refused_by_name(workers: int, tmp_path: Path):
    large = encoded(Pillow.new("1", (10_000, 10_000)), "PNG")
    with pytest.raises(ValueError, match=r"image 'name-1' cannot be decoded .*100 megapixels, over the limit of 80"):
        make_timm(tmp_path, workers=workers).encode(rows_of(GOOD, large))


def test_a_picture_taken_sideways_is_encoded_upright(tmp_path: Path):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned, upright = encoded(NOISE, "PNG", exif=exif), encoded(NOISE.rotate(-90, expand=True), "PNG")
    assert torch.equal(*make_timm(tmp_path).encode(rows_of(turned, upright)))


def test_a_picture_is_the_same_to_every_way_of_encoding_it(tmp_path: Path):
    """To a tower, to a grid of regions and to a list of opened pictures: all decode by one function."""
    encoder = GridEncoder(make_timm(tmp_path))
    for kind, file in UNUSUAL.items():
        listed = encoder.encode([Pillow.open(io.BytesIO(file))])
        assert torch.equal(encoder.encode(rows_of(file)).vectors, listed.vectors), kind
        assert torch.allclose(listed.vectors.mean(1), make_timm(tmp_path).encode(rows_of(file)), atol=1e-5), kind


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_picture_is_encoded(kind: str, tmp_path: Path):
    vectors = make_open_clip(tmp_path).encode(rows_of(UNUSUAL[kind]))
    assert vectors.shape == (1, 16) and torch.isfinite(vectors).all()


def test_sixteen_bits_of_gray_keep_their_shades():
    deep = Pillow.open(io.BytesIO(UNUSUAL["16-bit gray"]))
    assert np.array_equal(np.asarray(read_picture(deep))[..., 0], np.asarray(deep) >> 8)


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_decoded_is_named(kind: str, workers: int, tmp_path: Path):
    rows = rows_of(GOOD, BAD[kind])
    with pytest.raises(ValueError, match=r"^image 'name-1' cannot be decoded"):
        make_timm(tmp_path, workers=workers).encode(rows, 4)
