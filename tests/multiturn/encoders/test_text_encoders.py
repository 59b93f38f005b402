"""Claims about the encoders of texts, on tiny models with random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from multiturn.contracts import check_encoder
from multiturn.encoders.open_clip_towers import OpenClipTexts
from multiturn.encoders.sentence import SentenceEncoder
from multiturn.encoders.towers import TextTower
from multiturn.encoders.transformers_towers import TransformersTexts
from multiturn.encoders.words import WordGRU, WordGRUEncoder
from tests.multiturn.encoders.tiny import TEXTS, WORDS, open_clip_folder, sentence_folder, transformers_folder

Maker = Callable[..., TextTower]


def make_open_clip(folder: Path, seed: int = 0, **options) -> TextTower:
    return OpenClipTexts(open_clip_folder(folder / str(seed) / "tiny", seed), **options)


def make_transformer(kind: str) -> Maker:
    def make(folder: Path, seed: int = 0, **options) -> TextTower:
        return TransformersTexts(transformers_folder(folder / str(seed) / kind, kind, seed), **options)

    return make


def make_sentence(folder: Path, seed: int = 0, **options) -> TextTower:
    return SentenceEncoder(sentence_folder(folder / str(seed), seed), **options)


def make_words(folder: Path, seed: int = 0, **options) -> TextTower:
    torch.manual_seed(seed)
    return WordGRUEncoder(WordGRU(WORDS, 24, 12), **options)


MAKERS: dict[str, Maker] = {
    "open_clip": make_open_clip,
    "clip": make_transformer("clip"),
    "siglip": make_transformer("siglip"),
    "bert": make_transformer("bert"),
    "sentence": make_sentence,
    "words": make_words,
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@every
def test_it_keeps_the_contract_of_encoders(make: Maker, tmp_path: Path):
    check_encoder(make(tmp_path), TEXTS)


@every
def test_the_fingerprint_changes_with_weights_normalisation_and_precision_and_with_nothing_else(make, tmp_path):
    first = make(tmp_path).fingerprint
    assert make(tmp_path).fingerprint == first
    others = [make(tmp_path, seed=1), make(tmp_path, normalise=True), make(tmp_path, dtype="bfloat16")]
    assert len({first, *(other.fingerprint for other in others)}) == 4


@every
def test_normalised_vectors_have_length_1(make: Maker, tmp_path: Path):
    assert torch.allclose(make(tmp_path, normalise=True).encode(TEXTS).norm(dim=1), torch.ones(len(TEXTS)))


@every
def test_half_precision_gives_nearly_the_same_vectors_in_float32(make: Maker, tmp_path: Path):
    whole, half = make(tmp_path).encode(TEXTS), make(tmp_path, dtype="bfloat16").encode(TEXTS)
    assert half.dtype == torch.float32 and not torch.equal(whole, half)
    assert torch.nn.functional.cosine_similarity(whole, half).min() > 0.98


@every
def test_what_is_no_text_is_refused_and_named(make: Maker, tmp_path: Path):
    encoder = make(tmp_path)
    for wrong, named in ((None, "None"), (7, "7"), (["a"], r"\['a'\]"), (b"a", "b'a'")):
        with pytest.raises(ValueError, match=f"item 1 is {named}, which is not text"):
            encoder.encode(["a dog", wrong])
    with pytest.raises(ValueError, match="not one string"):
        encoder.encode("a dog")
    with pytest.raises(ValueError, match="not a data set"):
        encoder.encode(Dataset.from_dict({"text": ["a dog"]}))


@every
def test_no_text_becomes_an_empty_table_and_an_empty_text_a_vector(make: Maker, tmp_path: Path):
    encoder = make(tmp_path)
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert torch.isfinite(encoder.encode([""])).all()


@every
def test_a_long_text_is_cut_at_its_end_if_at_all(make: Maker, tmp_path: Path):
    encoder = make(tmp_path)
    long, longer, other = "dog " * 5_000, "dog " * 10_000, "cat " * 10_000
    vectors = encoder.encode([long, longer, other])
    assert torch.allclose(vectors[0], vectors[1], atol=1e-5)
    assert not torch.allclose(vectors[1], vectors[2], atol=1e-3)


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@pytest.mark.parametrize("kind", ["clip", "bert"])
def test_every_pooling_keeps_the_contract_and_has_its_own_fingerprint(kind: str, pooling, tmp_path: Path):
    folder = transformers_folder(tmp_path / kind, kind)
    encoder = TransformersTexts(folder, pooling)
    check_encoder(encoder, TEXTS)
    assert f"-{pooling}-" in encoder.fingerprint


def test_a_pooling_that_the_network_lacks_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="no projected vector"):
        TransformersTexts(transformers_folder(tmp_path / "bert", "bert"), "projected")


def test_the_layer_that_masked_language_models_lack_is_left_out_of_vectors_and_fingerprint(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = transformers_folder(tmp_path / "bert", "bert")
    file = tmp_path / "bert" / "model.safetensors"
    save_file({k: v for k, v in load_file(file).items() if "pooler" not in k}, file, {"format": "pt"})
    one, other = TransformersTexts(folder), TransformersTexts(folder)
    assert one.fingerprint == other.fingerprint
    assert torch.equal(one.encode(TEXTS), other.encode(TEXTS))


def test_the_fingerprint_changes_with_the_tokeniser(tmp_path: Path):
    folder = transformers_folder(tmp_path / "bert", "bert")
    before = TransformersTexts(folder).fingerprint
    file = tmp_path / "bert" / "tokenizer.json"
    file.write_text(file.read_text().replace("Lowercase", "NFC"))
    assert TransformersTexts(folder).fingerprint != before


@pytest.mark.parametrize("change", [dict(pooling="cls"), dict(unit=True)])
def test_the_fingerprint_changes_with_the_modules_after_the_network(change: dict, tmp_path: Path):
    one = SentenceEncoder(sentence_folder(tmp_path / "one"))
    other = SentenceEncoder(sentence_folder(tmp_path / "other", **change))
    assert one.fingerprint != other.fingerprint


def test_sentence_vectors_are_those_of_the_library(tmp_path: Path):
    from sentence_transformers import SentenceTransformer

    folder = sentence_folder(tmp_path)
    expected = SentenceTransformer(folder, device="cpu").encode(TEXTS, convert_to_tensor=True)
    assert torch.allclose(SentenceEncoder(folder).encode(TEXTS), expected, atol=1e-5)


def test_a_fingerprint_is_the_same_wherever_the_folder_lies(tmp_path: Path):
    assert make_sentence(tmp_path / "here").fingerprint == make_sentence(tmp_path / "there").fingerprint
    assert make_open_clip(tmp_path / "here").fingerprint == make_open_clip(tmp_path / "there").fingerprint


@pytest.mark.parametrize("make", [TransformersTexts, SentenceEncoder])
def test_a_model_that_is_not_there_says_what_to_download(make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="hf download nobody/nothing"):
        make("nobody/nothing")


def test_image_and_text_tower_of_one_model_have_one_width_and_different_fingerprints(tmp_path: Path):
    from multiturn.encoders.open_clip_towers import OpenClipImages

    folder = open_clip_folder(tmp_path / "tiny")
    images, texts = OpenClipImages(folder), OpenClipTexts(folder)
    assert images.dim == texts.dim == 16
    assert images.fingerprint != texts.fingerprint
