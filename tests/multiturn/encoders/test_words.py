"""Claims about words, vocabularies and the GRU that reads queries."""

import json
from pathlib import Path

import pytest
import torch

from multiturn.encoders.catalogue import load_word_gru
from multiturn.encoders.words import WordGRU, WordGRUEncoder
from multiturn.tokens import EOS, PAD, SPECIAL, UNK, Vocabulary
from tests.multiturn.encoders.tiny import TEXTS, WORDS


def gru(seed: int = 0, words: list[str] = WORDS) -> WordGRU:
    torch.manual_seed(seed)
    return WordGRU(words, 24, 12)


def test_a_query_ends_in_eos_and_unknown_words_share_one_number():
    vocabulary = Vocabulary(WORDS)
    assert vocabulary.numbers("zebra a giraffe") == [UNK, 4, UNK, EOS]
    assert vocabulary.numbers("") == [EOS]


def test_a_text_that_spells_a_special_word_does_not_become_one():
    assert EOS not in Vocabulary(WORDS).numbers("a <end> <pad>")[:-1]
    assert PAD not in Vocabulary(WORDS).numbers("a <end> <pad>")


@pytest.mark.parametrize("words", [["a", "dog", "a"], ["a", "<unk>"]])
def test_a_word_that_is_twice_in_a_vocabulary_is_named(words: list[str]):
    with pytest.raises(ValueError, match=f"'{words[-1]}' is twice"):
        Vocabulary(words)


def test_special_words_may_lead_the_list_or_not():
    with_them, without = Vocabulary([*SPECIAL, *WORDS]), Vocabulary(WORDS)
    assert with_them.words == without.words == (*SPECIAL, *WORDS)
    assert len(with_them) == 4 + len(WORDS) and with_them.numbers("a dog") == without.numbers("a dog")


def test_the_vocabulary_travels_with_the_weights(tmp_path: Path):
    before = gru()
    before.save_pretrained(tmp_path)
    after = load_word_gru(str(tmp_path))
    assert json.loads((tmp_path / "config.json").read_text())["words"] == WORDS
    assert after.vocabulary.words == (*SPECIAL, *WORDS) and after.fingerprint == before.fingerprint
    assert torch.equal(WordGRUEncoder(after).encode(TEXTS), WordGRUEncoder(before).encode(TEXTS))


def test_the_fingerprint_changes_with_the_words():
    one, other = gru(), gru(words=[*WORDS[1:], WORDS[0]])
    other.load_state_dict(one.state_dict())
    assert one.fingerprint != other.fingerprint


def test_a_folder_without_a_gru_and_weights_for_other_words_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load_word_gru(str(tmp_path))
    gru().save_pretrained(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"words": WORDS[:3]}))
    with pytest.raises(ValueError, match=r"do not fit its configuration.*(.|\n)*embed.weight"):
        load_word_gru(str(tmp_path))


def test_the_vector_is_the_state_after_the_end_of_the_query():
    network = gru()
    with torch.no_grad():
        numbers = torch.tensor([network.vocabulary.numbers("a red house")])
        _, state = network.gru(network.embed(numbers))
        together = network.vectors(["two trees and a dog on the grass", "a red house", ""])
    assert torch.allclose(together[1], state[0, 0], atol=1e-6)


def test_weights_begin_as_in_the_released_code():
    network = WordGRU([f"w{i}" for i in range(2000)], 128)
    bound = (6 / (2004 + 300)) ** 0.5
    assert network.embed.weight.abs().max() <= bound
    assert float(network.embed.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert not network.gru.bias_ih_l0.any() and not network.gru.bias_hh_l0.any()


def test_it_has_as_many_parameters_as_the_text_part_of_the_paper():
    network = WordGRU([f"w{i}" for i in range(14_280)], 128)
    assert sum(p.numel() for p in network.parameters()) == 14_284 * 300 + 3 * 128 * (300 + 128 + 2)


def test_it_learns():
    network = gru()
    loss = network.vectors(["a dog", "a cat"]).sum()
    loss.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
