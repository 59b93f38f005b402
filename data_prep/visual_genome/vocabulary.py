"""How often each word of the captions comes, and the vocabulary that Drill-down makes of them."""

from collections import Counter
from collections.abc import Iterable

from multiturn.tokens import Vocabulary, tokenise


def count_words(captions: Iterable[str]) -> Counter[str]:
    """Count the words of captions, each as often as it comes.

    Args:
        captions: all of them: the paper counts "all region captions", of every split, duplicates included.
    Example:
        >>> count_words(["a dog", "A dog's tail"]).most_common(2)
        [('a', 2), ('dog', 2)]
    """
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(tokenise(caption))
    return counts


def vocabulary(captions: Iterable[str], more_than: int = 10) -> Vocabulary:
    """Make the vocabulary of the words that come more than so many times, by falling count and by alphabet.

    The order of the captions does not matter.

    Args:
        captions: see `count_words`.
        more_than: the paper: "more than 10 times". The script in the released code, commented out, asks for 10 or
            more: `more_than=9`.
    Source:
        Drill-down, "Dataset": 14,284 entries on the whole of Visual Genome, the four special ones included.
    Example:
        >>> words = vocabulary(["a dog", "a cat", "a dog runs"], more_than=1)
        >>> words.words
        ('<pad>', '<start>', '<end>', '<unk>', 'a', 'dog')
        >>> words.numbers("a cat")
        [4, 3, 2]
    """
    counts = count_words(captions)
    return Vocabulary([word for _, word in sorted((-n, word) for word, n in counts.items() if n > more_than)])
