"""Claims about pictures of every kind: decoded as a viewer shows them, or refused by name."""

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFile

from multiturn.pictures import MOST_PIXELS, fault_of, read_picture, to_rgb

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    def write(name: str, picture: Pillow.Image, **options) -> Path:
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return write


def corner(picture: Pillow.Image) -> tuple[int, ...]:
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises so many pixels and ends where they would begin."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 1_000) + b"IDAT"


def test_a_picture_taken_sideways_is_turned_upright(save):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    path = save("turned.jpg", Pillow.fromarray(NOISE), exif=exif)
    assert Pillow.open(path).size == (60, 40)
    assert read_picture(path).size == (40, 60)


def test_sixteen_bits_keep_their_upper_eight(save):
    ramp = Pillow.fromarray(np.array([[0xABCD, 0x0012]], dtype=np.uint16))
    for name in ("deep.png", "deep.tif", "deep.pgm"):
        picture = read_picture(save(name, ramp))
        assert corner(picture) == (0xAB, 0xAB, 0xAB)
        assert picture.getpixel((1, 0)) == (0, 0, 0)


def test_transparent_places_become_white(save):
    clear = Pillow.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert corner(read_picture(save("clear.png", clear))) == (255, 255, 255)
    palette = Pillow.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert corner(read_picture(save("clear-palette.png", palette, transparency=0))) == (255, 255, 255)
    assert corner(read_picture(save("palette.png", palette))) == (10, 20, 30)


def test_cmyk_and_gray_become_rgb(save):
    assert corner(read_picture(save("print.jpg", Pillow.new("CMYK", (8, 8), (0, 0, 0, 0))))) == (255, 255, 255)
    assert corner(read_picture(save("gray.png", Pillow.new("L", (8, 8), 7)))) == (7, 7, 7)
    assert corner(read_picture(save("black.png", Pillow.new("1", (8, 8), 0)))) == (0, 0, 0)


@pytest.mark.parametrize("name", ["moving.gif", "moving.png", "moving.webp"])
def test_an_animation_shows_its_first_frame(save, name):
    frames = [Pillow.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = save(name, frames[0], save_all=True, append_images=frames[1:])
    red, green, blue = corner(read_picture(path))
    assert red > 200
    assert max(green, blue) < 50


def test_one_pixel_is_a_picture(save):
    path = save("dot.png", Pillow.new("RGB", (1, 1), "blue"))
    assert read_picture(path).size == (1, 1)
    assert fault_of(str(path)) == ""


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp", "a.tif"])
def test_a_file_cut_short_is_refused_by_name(save, name, share):
    path = cut(save(name, Pillow.fromarray(NOISE)), share)
    with pytest.raises(ValueError, match=f"{name} cannot be decoded .*copy or convert the file again"):
        read_picture(path)


def test_a_process_that_tolerates_cut_files_still_refuses_them(save, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ValueError, match="cannot be decoded"):
        read_picture(cut(save("a.jpg", Pillow.fromarray(NOISE)), 0.5))
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_page_of_text_is_no_picture(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"page\.jpg cannot be decoded \(UnidentifiedImageError"):
        read_picture(tmp_path / "page.jpg")


def test_bytes_are_decoded_and_named(save):
    path = save("a.png", Pillow.new("RGB", (2, 2), "red"))
    assert corner(read_picture(path.read_bytes())) == (255, 0, 0)
    with pytest.raises(ValueError, match=r"upload 3 cannot be decoded"):
        read_picture(b"", name="upload 3")


def test_a_missing_file_is_missing_and_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.jpg"):
        read_picture(tmp_path / "none.jpg")


def test_floating_point_and_32_bits_are_refused_with_the_remedy(save):
    with pytest.raises(ValueError, match=r"float\.tif .*kind 'F'; save it as RGB with 8 bits"):
        read_picture(save("float.tif", Pillow.new("F", (4, 4), 0.5)))
    with pytest.raises(ValueError, match=r"wide\.tif .*from 70,000 to 70,000; save it with 8 bits"):
        read_picture(save("wide.tif", Pillow.new("I", (4, 4), 70_000)))
    assert to_rgb(Pillow.new("I", (1, 1), 0x1234)).getpixel((0, 0)) == (0x12, 0x12, 0x12)


@pytest.mark.parametrize("sides", [(10_000, 10_000), (40_000, 40_000)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, sides):
    (tmp_path / "huge.png").write_bytes(png_header(*sides))
    with pytest.raises(
        ValueError, match=r"huge\.png .*(100 megapixels, over the limit of 80: make|decompression bomb)"
    ):
        read_picture(tmp_path / "huge.png")


def test_a_jpeg_with_too_many_pixels_is_decoded_smaller(save):
    path = save("large.jpg", Pillow.fromarray(NOISE).resize((600, 400)))
    assert read_picture(path, most_pixels=600 * 400).size == (600, 400)
    assert read_picture(path, most_pixels=600 * 400 - 1).size == (300, 200)
    assert read_picture(path, most_pixels=9_999).size == (75, 50)
    with pytest.raises(ValueError, match="over the limit"):
        read_picture(path, most_pixels=1_000)


@pytest.mark.slow
def test_a_photograph_of_100_megapixels_is_decoded_at_half_its_size(save):
    path = save("huge.jpg", Pillow.new("L", (10_000, 10_000), 90))
    assert MOST_PIXELS < 10_000 * 10_000
    assert read_picture(path).size == (5_000, 5_000)
    assert fault_of(str(path)) == ""


def test_nothing_is_logged_about_good_pictures(save, caplog):
    with caplog.at_level(logging.WARNING):
        read_picture(save("good.png", Pillow.fromarray(NOISE)))
    assert caplog.text == ""


def test_an_opened_picture_is_read_as_its_file_is(save):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    for path in (save("turned.jpg", Pillow.fromarray(NOISE), exif=exif), save("p.png", Pillow.fromarray(NOISE))):
        assert read_picture(Pillow.open(path)).tobytes() == read_picture(path).tobytes()


def test_reading_an_opened_picture_leaves_it_as_it_is():
    picture = Pillow.fromarray(NOISE)
    read_picture(picture).paste("red", (0, 0, 60, 40))
    assert np.array_equal(np.asarray(picture), NOISE)


def test_an_opened_jpeg_with_too_many_pixels_is_decoded_smaller(save):
    path = save("large.jpg", Pillow.fromarray(NOISE).resize((600, 400)))
    assert read_picture(Pillow.open(path), most_pixels=600 * 400 - 1).size == (300, 200)
    with pytest.raises(ValueError, match=r"picture of 600 x 400 pixels cannot be decoded .*over the limit"):
        read_picture(Pillow.new("RGB", (600, 400)), most_pixels=9_999)


def test_a_fault_is_what_reading_says(save):
    path = cut(save("a.png", Pillow.fromarray(NOISE)), 0.5)
    with pytest.raises(ValueError) as refused:
        read_picture(path)
    assert fault_of(str(path)) in str(refused.value)
    assert fault_of(path.read_bytes()) == fault_of(str(path)) != ""
