"""Claims about the text side: words are read as a GRU does, and a frozen encoder is asked once a text."""

from dataclasses import asdict

import pytest
import torch

import drilldown.queries as queries
from drilldown.queries import FrozenQueries, WordQueries, query_encoder
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.encoders.words import WordGRU
from multiturn.training import save_pretrained

WORDS = ["a", "dog", "cat", "red"]


def reader() -> WordQueries:
    torch.manual_seed(0)
    return WordQueries(WORDS, 6, 4)


@pytest.fixture
def frozen(tmp_path):
    """Settings of a frozen encoder that needs no download."""
    torch.manual_seed(1)
    save_pretrained(WordGRU(WORDS, 5, 3), tmp_path / "gru")
    return asdict(EncoderSettings("words", str(tmp_path / "gru")))


def test_reading_on_equals_reading_all_at_once():
    words, said = reader(), [["a dog", "red"], ["", "a red red cat dog"], ["cat", "zebra"]]
    whole = words.continued(said)
    first = words.continued([[one] for one, _ in said])[:, 0]
    second = words.continued([[two] for _, two in said], first)[:, 0]
    torch.testing.assert_close(whole, torch.stack([first, second], 1))


def test_the_first_query_is_read_as_if_it_were_alone():
    words, texts = reader(), ["a dog", "", "red red cat"]
    torch.testing.assert_close(words.continued([[text, "a"] for text in texts])[:, 0], words(texts))


def test_reading_on_has_gradients_for_words_and_gru():
    words = reader()
    words.continued([["a dog", "red"]]).sum().backward()
    assert all(weight.grad is not None and bool(weight.grad.any()) for weight in words.parameters())


def test_only_the_map_of_a_frozen_encoder_is_trained_and_saved(frozen):
    net = FrozenQueries(frozen, 7)
    assert {name for name, _ in net.named_parameters()} == {"map.weight", "map.bias"} == set(net.state_dict())
    assert net(["a dog", ""]).shape == (2, 7)


def test_a_frozen_encoder_reads_a_text_once(frozen, monkeypatch):
    net, read = FrozenQueries(frozen, 7), []
    inner = net._encoder.encode

    def encode(texts, **options):
        read.extend(texts)
        return inner(texts, **options)

    monkeypatch.setattr(net._encoder, "encode", encode)
    first = net(["a dog", "cat", "a dog"])
    again = net(["cat", "red"])
    assert sorted(read) == ["a dog", "cat", "red"]
    torch.testing.assert_close(first[1], again[0])


def test_texts_beyond_those_that_are_kept_have_the_same_vectors(frozen, monkeypatch):
    texts = ["a", "dog", "a dog", "red", "a cat"]
    expected = FrozenQueries(frozen, 7)
    net = FrozenQueries(frozen, 7)
    net.load_state_dict(expected.state_dict())
    monkeypatch.setattr(queries, "_KEPT", 2)
    for first in (0, 1, 2, 0):
        torch.testing.assert_close(net(texts[first : first + 3]), expected(texts)[first : first + 3])
        assert len(net._known) <= 3


def test_another_encoder_than_in_training_is_refused(frozen):
    with pytest.raises(ValueError, match=r"was 'other' in training; give the one of the training"):
        FrozenQueries(frozen | {"fingerprint": "other"}, 7)
    FrozenQueries(frozen | {"fingerprint": FrozenQueries(frozen, 7).fingerprint}, 7)


def test_a_model_has_one_text_side():
    with pytest.raises(ValueError, match="none given"):
        query_encoder(None, None, 4, 3)
    with pytest.raises(ValueError, match="both given"):
        query_encoder(["a"], {"kind": "words"}, 4, 3)
