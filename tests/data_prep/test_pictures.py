"""Claims about checking the pictures of a data set; tests/multiturn/test_pictures.py has those about decoding."""

import inspect
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Pillow

from data_prep.pictures import check_pictures, find_faults

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    def write(name: str, picture: Pillow.Image, **options) -> Path:
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and ends where they would begin."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 1_000) + b"IDAT"


def as_rows(*paths: Path) -> Dataset:
    columns = {"id": [path.name for path in paths], "image": [str(path) for path in paths]}
    return Dataset.from_dict(columns, features=Features(id=Value("string"), image=Image()))


def test_checking_finds_what_reading_refuses(save, tmp_path):
    good = save("good.png", Pillow.fromarray(NOISE))
    bad = [cut(save("cut.jpg", Pillow.fromarray(NOISE)), 0.5), save("float.tif", Pillow.new("F", (4, 4)))]
    (tmp_path / "huge.png").write_bytes(png_header(10_000, 10_000))
    faults = find_faults(as_rows(good, *bad, tmp_path / "huge.png", tmp_path / "none.png"))
    assert [(row, name) for row, (name, _) in faults.items()] == [
        (1, "cut.jpg"),
        (2, "float.tif"),
        (3, "huge.png"),
        (4, "none.png"),
    ]
    assert "megapixels" in faults[3][1]


def test_bad_pictures_stop_or_are_left_out(save):
    rows = as_rows(save("good.png", Pillow.fromarray(NOISE)), cut(save("cut.png", Pillow.fromarray(NOISE)), 0.5))
    with pytest.raises(ValueError, match=r"1 of 2 images cannot be decoded, first cut\.png"):
        check_pictures(rows)
    kept, bad = check_pictures(rows, "skip")
    assert (kept["id"][:], bad) == (["good.png"], ["cut.png"])
    with pytest.raises(ValueError, match="choose error or skip"):
        inspect.unwrap(check_pictures)(rows, "ignore")
