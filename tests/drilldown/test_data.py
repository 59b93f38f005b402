"""Claims about captioned images: the parts of each data set, what is left out, and the words that are known."""

import json
import os
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from data_prep import flickr8k
from drilldown.data import CaptionedParts, load_captions
from drilldown.settings import CaptionSettings
from multiturn.tokens import SPECIAL

REAL = os.environ.get("RETRIEVAL_REAL_DATA")
DRAWN = CaptionSettings(count=60, size=64, captions=4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="module")
def drawn(cache: Path) -> CaptionedParts:
    return load_captions(DRAWN, 4, cache)


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    """Twelve images with 2 to 5 captions and no pixels."""
    phrases = {number: [f"Thing {place}  of {number}" for place in range(2 + number % 4)] for number in range(1, 13)}
    regions = [
        {
            "id": number,
            "regions": [
                {"region_id": 100 * number - place, "phrase": text, "x": 0, "y": 0, "width": 1, "height": 1}
                for place, text in enumerate(said)
            ],
        }
        for number, said in phrases.items()
    ]
    (tmp_path / "region_descriptions.json").write_text(json.dumps(regions))
    (tmp_path / "splits").mkdir()
    for name, numbers in {"train": range(1, 7), "val": range(7, 10), "test": range(10, 13)}.items():
        (tmp_path / "splits" / f"vg_{name}.txt").write_text("\n".join(map(str, numbers)))
    return tmp_path


def vg(root: Path) -> CaptionSettings:
    return CaptionSettings("visual_genome", str(root), pixels=False)


def test_images_stand_in_the_order_of_a_gallery_with_their_own_captions(drawn: CaptionedParts):
    for name in ("train", "validation", "test"):
        part = drawn.part(name)
        assert list(part.ids) == sorted(part.ids)
        told = {row["id"]: tuple(caption["text"] for caption in row["captions"]) for row in part.images}
        assert dict(zip(part.ids, part.captions, strict=True)) == told
        assert len(part) == len(part.captions)


def test_no_image_is_in_two_parts(drawn: CaptionedParts):
    names = [name for part in ("train", "validation", "test") for name in drawn.part(part).ids]
    assert len(set(names)) == len(names) == 60


def test_visual_genome_gives_captions_by_region_id_in_lower_case(genome: Path):
    train = load_captions(vg(genome), 2, genome).train
    assert train.captions[train.ids.index("1")] == ("thing 2  of 1", "thing 1  of 1", "thing 0  of 1")


def test_images_with_fewer_captions_than_turns_are_left_out_and_counted(genome: Path):
    whole, less = (load_captions(vg(genome), turns, genome) for turns in (2, 3))
    assert [len(whole.part(name)) for name in ("train", "validation", "test")] == [6, 3, 3]
    assert all(len(said) >= 3 for name in ("train", "validation", "test") for said in less.part(name).captions)
    assert less.left_out["image has fewer captions than asked for"] == sum(
        len(whole.part(n)) - len(less.part(n)) for n in ("train", "validation", "test")
    )


def test_flickr8k_has_five_captions_an_image_in_lower_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sides = {"train": ["c.jpg", "a.jpg"], "dev": ["d.jpg", "e.jpg"], "test": ["f.jpg", "b.jpg"]}
    (tmp_path / "images").mkdir()
    for side, names in sides.items():
        (tmp_path / f"{side}.txt").write_text("\n".join(names))
        for name in names:
            Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    lines = [f"{name},A Dog {place} ." for names in sides.values() for name in names for place in range(5)]
    (tmp_path / "captions.csv").write_text("\n".join(["image,caption", *lines]))
    monkeypatch.setattr(flickr8k, "load", partial(flickr8k.load, expected=None))
    parts = load_captions(CaptionSettings("flickr8k", str(tmp_path)), 5, tmp_path)
    assert parts.test.ids == ("b.jpg", "f.jpg")
    assert parts.train.captions[0] == tuple(f"a dog {place} ." for place in range(5))


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no folder with real data")
def test_flickr8k_as_released_gives_a_gallery_of_a_thousand_test_images():
    parts = load_captions(CaptionSettings("flickr8k", f"{REAL}/flickr8k"), 5, Path())
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (6000, 1000, 1000)
    assert {len(said) for said in parts.test.captions} == {5}


def test_the_vocabulary_is_that_of_the_training_captions_alone(drawn: CaptionedParts):
    words = drawn.vocabulary(0).words
    training = {word for said in drawn.train.captions for caption in said for word in caption.split()}
    testing = {word for said in drawn.test.captions for caption in said for word in caption.split()}
    assert testing - training, "the test part has words of its own"
    assert set(words) == training | set(SPECIAL)


def test_rare_words_are_unknown(drawn: CaptionedParts):
    captions = [word for said in drawn.train.captions for caption in said for word in caption.split()]
    known = set(drawn.vocabulary(5).words) - set(SPECIAL)
    assert known == {word for word in set(captions) if captions.count(word) > 5}


def test_a_vocabulary_without_a_word_is_refused(drawn: CaptionedParts):
    with pytest.raises(ValueError, match=r"no word .* comes more than 100000 times; lower data\.more_than"):
        drawn.vocabulary(100_000)


def test_more_turns_than_captions_is_refused_with_the_remedy(drawn: CaptionedParts, cache: Path):
    with pytest.raises(
        ValueError, match=r"drawn scenes have data\.captions 4, too few for 5 turns; lower evaluation\.turns"
    ):
        load_captions(DRAWN, 5, cache)


def test_a_folder_for_drawn_scenes_is_refused():
    with pytest.raises(ValueError, match=r"data\.root is there, but scenes are drawn; set data\.source"):
        CaptionSettings(root="there")


def test_a_data_set_without_a_folder_is_refused():
    with pytest.raises(ValueError, match=r"data\.source flickr8k is read from a folder; give it as data\.root"):
        CaptionSettings("flickr8k")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_captions(CaptionSettings("flickr8k", str(tmp_path / "nowhere")), 5, tmp_path)


def test_an_empty_caption_is_refused_by_the_loader(tmp_path: Path):
    (tmp_path / "images").mkdir()
    for side in ("train", "dev", "test"):
        (tmp_path / f"{side}.txt").write_text("")
    lines = ["image,caption", *(f"a.jpg,{text}" for text in ("a dog", " ", "c", "d", "e"))]
    (tmp_path / "captions.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="caption is empty"):
        load_captions(CaptionSettings("flickr8k", str(tmp_path)), 5, tmp_path)


def test_a_part_of_one_image_is_refused(genome: Path):
    with pytest.raises(ValueError, match="1 images for train; at least two"):
        load_captions(vg(genome), 5, genome)
