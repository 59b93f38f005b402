"""Claims about loading Flickr8k, in the official layout and in that of common copies."""

import os
from pathlib import Path

import datasets
import pytest
from PIL import Image as Pillow

from data_prep.flickr8k import OFFICIAL, flickr8k_features, load, main

COUNTS = {"train": 3, "validation": 1, "test": 1}
NAMES = [f"{number}_a.jpg" for number in range(6)]  # the last is in no split
SIDES = {"train": [NAMES[2], NAMES[0], NAMES[1]], "dev": [NAMES[3]], "test": [NAMES[4]]}


def captions_of(name: str) -> list[str]:
    return [f"Caption {number} of {name}, with a comma ." for number in range(5)]


@pytest.fixture
def root(tmp_path) -> Path:
    """Six images; five of them in a split."""
    root = tmp_path / "flickr8k"
    (root / "images").mkdir(parents=True)
    for place, name in enumerate(NAMES):
        Pillow.new("RGB", (8, 8), (40 * place, 0, 0)).save(root / "images" / name)
    for side, names in SIDES.items():
        (root / f"{side}.txt").write_text("\n".join(names) + "\n")
    lines = ["image,caption", *(f'{name},"{text}"' for name in NAMES for text in captions_of(name))]
    (root / "captions.csv").write_text("\n".join(lines) + "\n")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_each_split_follows_its_list(root):
    flickr = load(root, expected=COUNTS)
    found = {name: part["id"][:] for name, part in flickr.splits.items()}
    assert found == {"train": SIDES["train"], "validation": SIDES["dev"], "test": SIDES["test"]}
    assert flickr.left_out == {"image is in no split": 1}
    assert flickr.source == "Flickr8k, official splits, 5 of 5 images"


def test_each_image_keeps_its_captions_and_pixels(root):
    train = load(root, expected=COUNTS).splits["train"]
    assert train.features == flickr8k_features()
    assert train[0]["captions"] == captions_of(NAMES[2])
    assert round(train[0]["image"].getpixel((0, 0))[0] / 40) == 2


def test_the_official_layout_is_read(root):
    text = root / "Flickr8k_text"
    text.mkdir()
    lines = [f"{name}#{place}\t{told}" for name in NAMES for place, told in enumerate(captions_of(name))]
    # The official file names this image, which the archive of images lacks.
    lines += [f"2258277193_586949ec62.jpg.1#{place}\tA caption ." for place in range(5)]
    (text / "Flickr8k.token.txt").write_text("\n".join(lines))
    (root / "captions.csv").unlink()
    (root / "images").rename(root / "Flicker8k_Dataset")
    for side in SIDES:
        (root / f"{side}.txt").rename(text / f"Flickr_8k.{side}Images.txt")
    flickr = load(root, expected=COUNTS)
    assert flickr.splits["test"][0]["captions"] == captions_of(NAMES[4])
    assert flickr.left_out == {"image is in no split": 2}


def test_missing_images_are_left_out_and_counted(root):
    (root / "images" / NAMES[0]).unlink()
    flickr = load(root, expected=COUNTS)
    assert flickr.left_out == {"image is in no split": 1, "image file is missing": 1}
    assert flickr.splits["train"]["id"][:] == [NAMES[2], NAMES[1]]
    assert flickr.source.endswith("4 of 5 images")


def test_a_bad_image_is_an_error_unless_skipped(root):
    (root / "images" / NAMES[1]).write_bytes(b"")
    with pytest.raises(ValueError, match=f"1 of 5 images cannot be decoded, first {NAMES[1]}"):
        load(root, expected=COUNTS)
    assert load(root, "skip", expected=COUNTS).left_out["image cannot be decoded"] == 1


BAD = {
    "six captions": (
        f'{NAMES[0]},"Caption 0',
        f'{NAMES[0]},More\n{NAMES[0]},"Caption 0',
        "has 6 captions for image 0_a",
    ),
    "an empty caption": ('"Caption 0 of 0_a.jpg, with a comma ."', '""', "line 2: caption is empty"),
    "no caption": (',"Caption 0 of 0_a.jpg, with a comma ."', "", "line 2: caption None is no text"),
    "a long caption": ("Caption 0 of 1_a", "word " * 10_000, "line 7: caption has 10,00. words"),
    "a path": (NAMES[0], "../" + NAMES[0], r"line 2: image id '\.\./0_a\.jpg' leads out"),
    "no header": ("image,caption", "file,text", "columns file, text and lacks image, caption"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_caption_file_is_refused_with_file_and_line(root, case):
    old, new, message = BAD[case]
    edit(root / "captions.csv", old, new)
    with pytest.raises(ValueError, match=rf"captions\.csv.*{message}"):
        load(root, expected=COUNTS)


def test_an_image_in_two_splits_is_refused(root):
    edit(root / "dev.txt", NAMES[3], NAMES[0])
    with pytest.raises(ValueError, match=f"lists of train, dev and test names image '{NAMES[0]}' twice"):
        load(root, expected=COUNTS)


def test_an_image_twice_in_one_list_is_refused(root):
    edit(root / "train.txt", NAMES[1], NAMES[0])
    with pytest.raises(ValueError, match=rf"train\.txt names image '{NAMES[0]}' twice"):
        load(root, expected=COUNTS)


def test_splits_of_other_length_are_refused_unless_asked_for(root):
    with pytest.raises(ValueError, match="train: expected 6,000, found 3"):
        load(root)
    assert len(load(root, expected=None).splits["train"]) == 3


@pytest.mark.parametrize("name", ["captions.csv", "train.txt", "dev.txt", "test.txt", "images"])
def test_what_is_missing_is_named(root, name):
    (root / name).rename(root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"lacks .* looked for .*{name}"):
        load(root, expected=COUNTS)


def test_a_saved_copy_needs_the_original_images_no_more(root, tmp_path):
    from data_prep.splits import save

    save(load(root, expected=COUNTS), tmp_path / "out")
    for name in NAMES:
        (root / "images" / name).unlink()
    saved = datasets.load_from_disk(tmp_path / "out")
    assert saved["test"][0]["image"].size == (8, 8)
    assert "Left out: 1 (image is in no split)" in saved["test"].info.description
    assert saved["test"].info.license.startswith("Non-commercial")


def test_the_verify_command_exits_with_1_on_a_mismatch(root, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--root", str(root)])
    assert end.value.code == 1
    assert "MISMATCH" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set")
def test_the_real_data_set_has_its_published_counts(capsys):
    root = Path(os.environ["RETRIEVAL_REAL_DATA"]) / "flickr8k"
    main(["verify", "--root", str(root)])
    assert "all counts agree" in capsys.readouterr().out
    flickr = load(root)
    assert {name: len(part) for name, part in flickr.splits.items()} == OFFICIAL
    assert flickr.left_out == {"image is in no split": 91}
