"""Claims about searching galleries by words: the paired text tower reads them, and what has none is refused."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from data_prep import encode
from facefb.word_query import open_for_words
from multiturn.encoders.catalogue import EncoderSettings, make_encoder
from multiturn.faiss_index import IndexSettings, build_index
from multiturn.gallery import Gallery
from tests.multiturn.encoders.tiny import (
    open_clip_folder,
    pictures,
    sentence_folder,
    timm_weights,
    transformers_folder,
)

WORDS = "the bird on the grass"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for row in pictures(5):
        row["image"].save(tmp_path / "photos" / row["id"])  # pyright: ignore
    return tmp_path / "photos"


def made(root: Path, kind: str, **encoder: str) -> Path:
    """A gallery, as data_prep.encode makes it."""
    chosen = [word for name, value in encoder.items() for word in (f"--encoder.{name}", value)]
    output = root.parent / "g"
    encode.main(["--data.root", str(root), "--encoder.kind", kind, *chosen, "--output", str(output)])
    return output


def cosines(gallery: Gallery, settings: EncoderSettings) -> torch.Tensor:
    read = make_encoder(settings).encode([WORDS])
    assert isinstance(read, torch.Tensor)
    return normalize(gallery.vectors.double(), dim=1) @ normalize(read.double(), dim=1)[0]


@pytest.mark.parametrize("kind", ["open_clip", "clip", "siglip"])
def test_images_are_found_by_their_cosine_to_the_vector_of_the_paired_text_tower(photos: Path, kind: str):
    open_clip = kind == "open_clip"
    folder = photos.parent / "model"
    name = open_clip_folder(folder) if open_clip else transformers_folder(folder, kind)
    family = "open_clip" if open_clip else "transformers"
    searched = open_for_words(made(photos, family, name=name))
    found = searched.by([WORDS], 20)
    expected = cosines(searched.gallery, EncoderSettings(f"{family}_text", name))
    assert found.positions[0].tolist() == expected.argsort(descending=True).tolist()
    assert torch.allclose(found.scores[0], expected.sort(descending=True).values, atol=1e-5)


def test_a_gallery_of_texts_is_searched_by_its_own_encoder(tmp_path: Path):
    lines = ["a red house", WORDS, "two trees and a dog"]
    rows = [json.dumps({"id": f"t{place}", "text": line}) for place, line in enumerate(lines)]
    (tmp_path / "texts.jsonl").write_text("\n".join(rows))
    name = sentence_folder(tmp_path / "model")
    searched = open_for_words(made(tmp_path / "texts.jsonl", "sentence_transformers", name=name))
    found = searched.by([WORDS], 2)
    assert searched.gallery.ids[int(found.positions[0, 0])] == "t1" and float(found.scores[0, 0]) == pytest.approx(1)


def test_several_texts_are_searched_by_the_mean_of_their_directions(photos: Path):
    searched = open_for_words(made(photos, "open_clip", name=open_clip_folder(photos.parent / "model")))
    one, other, both = (searched.by(texts, 5) for texts in (["a dog"], ["two cats"], ["a dog", "two cats"]))
    summed = sum(found.scores[0][found.positions[0].argsort()] for found in (one, other))
    assert both.positions[0].tolist() == torch.as_tensor(summed).argsort(descending=True).tolist()


def test_an_index_of_cosines_proposes_and_one_of_distances_is_refused(photos: Path):
    searched = open_for_words(made(photos, "open_clip", name=open_clip_folder(photos.parent / "model")))
    index = build_index(searched.gallery, IndexSettings("Flat", "cosine"))
    assert torch.equal(searched.by([WORDS], 3, index).positions, searched.by([WORDS], 3).positions)
    with pytest.raises(ValueError, match="made for l2, the retriever scores by cosine"):
        searched.by([WORDS], 3, build_index(searched.gallery, IndexSettings("Flat", "l2")))


def test_images_of_a_network_without_a_text_tower_are_refused(photos: Path):
    gallery = made(photos, "timm", name="test_resnet", weights=timm_weights(photos.parent))
    with pytest.raises(ValueError, match=r"encoded by timm, which reads no words; search by --image"):
        open_for_words(gallery)


@pytest.mark.parametrize(
    ("kind", "encoder", "said"),
    [
        ("dinov2", {}, "that no text is compared with; search by --image"),
        ("clip", {"pooling": "mean"}, "pooled as 'mean', which no text is compared with"),
        ("clip", {"regions": "grid"}, "holds regions"),
    ],
)
def test_vectors_that_no_text_is_compared_with_are_refused(photos: Path, kind: str, encoder: dict[str, str], said: str):
    name = transformers_folder(photos.parent / "model", kind)
    with pytest.raises(ValueError, match=said):
        open_for_words(made(photos, "transformers", name=name, **encoder))


def test_other_weights_than_those_of_the_gallery_are_refused(photos: Path):
    gallery = made(photos, "open_clip", name=open_clip_folder(photos.parent / "model"))
    open_clip_folder(photos.parent / "model", seed=1)
    with pytest.raises(ValueError, match="was made by encoder"):
        open_for_words(gallery)


def test_a_model_that_has_moved_is_named(photos: Path):
    gallery = made(photos, "open_clip", name=open_clip_folder(photos.parent / "model"))
    (photos.parent / "there").mkdir()
    new = (photos.parent / "model").rename(photos.parent / "there" / "model")
    with pytest.raises(ValueError, match=r"knows no model .*--encoder\.name"):
        open_for_words(gallery)
    assert open_for_words(gallery, moved={"name": str(new)}).by([WORDS], 3).positions.shape == (1, 3)
