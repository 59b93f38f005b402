"""Claims about splitting captions into words and about the vocabulary made of them."""

import os
from pathlib import Path

import pytest

from data_prep.visual_genome import count_words, read_phrases, vocabulary
from multiturn.tokens import EOS, PAD, SOS, UNK, tokenise

# Each as nltk 3.10.4 splits it, whose word_tokenize is the tokeniser of the released code; but for "u.s.", where its
# sentence splitter, without training, sees an end.
SPLITS = {
    "Größe 日本": "größe 日本",
    "A Red door .": "a red door .",
    "man's hat": "man 's hat",
    "brown hair on man 's head": "brown hair on man 's head",
    "it isn't there": "it is n't there",
    "they've i'm we'll": "they 've i 'm we 'll",
    "red, white, and blue": "red , white , and blue",
    "1,000 people at 10:30": "1,000 people at 10:30",
    "t-shirt w/ counter-top": "t-shirt w/ counter-top",
    "a shirt. the man": "a shirt . the man",
    'the word "stop" here': "the word `` stop '' here",
    "called 'kipf' there": "called ' kipf ' there",
    "the boys' room": "the boys ' room",
    "black & white (old)": "black & white ( old )",
    "u.s. flag": "u.s. flag",
    "who? me!": "who ? me !",
    "wait...": "wait ...",
    "he cannot": "he can not",
    "": "",
}


@pytest.mark.parametrize("caption", SPLITS)
def test_a_caption_is_split_by_the_conventions_of_the_treebank(caption):
    assert tokenise(caption) == SPLITS[caption].split()


def test_a_word_must_come_more_often_than_the_limit():
    captions = ["dog"] * 11 + ["cat"] * 10
    assert vocabulary(captions).words[4:] == ("dog",)
    assert vocabulary(captions, more_than=9).words[4:] == ("dog", "cat")


def test_the_order_of_captions_does_not_change_the_numbers():
    captions = ["b a", "a c", "c b", "a"]
    assert vocabulary(captions, 0).words == vocabulary(captions[::-1], 0).words
    assert vocabulary(captions, 0).words[4:] == ("a", "b", "c")


def test_special_words_have_the_numbers_of_the_released_code():
    assert (PAD, SOS, EOS, UNK) == (0, 1, 2, 3)
    assert vocabulary([]).words == ("<pad>", "<start>", "<end>", "<unk>")


def test_a_query_ends_in_eos_and_unknown_words_are_unk():
    words = vocabulary(["a red dog"], more_than=0)
    assert words.numbers("A blue dog") == [words.words.index("a"), UNK, words.words.index("dog"), EOS]
    assert words.numbers("") == [EOS]


def test_a_caption_cannot_speak_a_special_word():
    words = vocabulary(["a <end> b <pad>"] * 2, more_than=0)
    assert EOS not in words.numbers("a <end> b")[:-1]
    assert PAD not in words.numbers("<pad>")
    assert len(set(words.words)) == len(words)


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set")
def test_the_real_phrases_have_as_many_words_as_nltk_finds():
    phrases = list(read_phrases(Path(os.environ["RETRIEVAL_REAL_DATA"]) / "visual_genome"))
    assert len(phrases) == 40_369
    assert len(count_words(phrases)) == 6_150
    assert len(vocabulary(phrases)) == 1_324
    assert len(vocabulary(phrases, more_than=9)) == 1_375
