"""What spoils a user's captions, each at a rate: typos, dropped words, synonyms, word order, a wrong caption."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from drilldown.settings import NoiseSettings
from drilldown.synonyms import SYNONYMS
from multiturn.draws import uniform
from multiturn.replies import Reply, TextReply
from multiturn.session import Turn, User

DRAWS = 4  # numbers in [0, 1) that each word of a caption may use
Words = list[str]
Change = Callable[[Words, float, Sequence[float]], Words]

# On the keyboard, to the right, or to the left at the end of a row.
_NEIGHBOURS = {
    letter: row[place + 1] if place + 1 < len(row) else row[place - 1]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place, letter in enumerate(row)
}
_MARKS = ".,;:!?"


def mistype(words: Words, rate: float, draws: Sequence[float]) -> Words:
    """Put a typo into each word at `rate`: two letters swapped, one dropped, doubled, or a neighbour on the keyboard.

    Words of fewer than four characters stay as they are: a typo would make another common word of many.

    Example:
        >>> mistype(["running", "dogs"], 0.5, [0.1, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0])
        ['rnuning', 'dogs']
    """
    return [
        _typo(word, draws[DRAWS * place + 1], draws[DRAWS * place + 2])
        if draws[DRAWS * place] < rate and len(word) > 3
        else word
        for place, word in enumerate(words)
    ]


def _typo(word: str, kind: float, where: float) -> str:
    place = 1 + int(where * (len(word) - 2))  # the first letter is seldom wrong
    before, letter, after = word[:place], word[place], word[place + 1 :]
    swapped = before + after[:1] + letter + after[1:]
    neighbour = before + _NEIGHBOURS.get(letter.lower(), letter) + after
    slip = (swapped, before + after, before + letter + letter + after, neighbour)[int(4 * kind)]
    return slip if slip != word else before + after  # swapped with its like, or no letter


def drop_words(words: Words, rate: float, draws: Sequence[float]) -> Words:
    """Leave out each word at `rate`, but never all of them.

    Example:
        >>> drop_words(["a", "dog"], 1.0, [0.3, 0.0, 0.0, 0.0, 0.4, 0.0, 0.0, 0.0])
        ['dog']
    """
    own = [draws[DRAWS * place] for place in range(len(words))]
    kept = [word for word, draw in zip(words, own, strict=True) if draw >= rate]
    return kept or [words[own.index(max(own))]]


def paraphrase(words: Words, rate: float, draws: Sequence[float]) -> Words:
    """Replace each word that has synonyms (`drilldown.synonyms`) by one of them, at `rate`.

    Example:
        >>> paraphrase(["a", "dog", "runs."], 1.0, [0.0] * 12)
        ['a', 'hound', 'races.']
    """
    replaced = []
    for place, word in enumerate(words):
        bare = word.rstrip(_MARKS)
        others = SYNONYMS.get(bare.lower(), ())
        if others and draws[DRAWS * place] < rate:
            word = others[int(draws[DRAWS * place + 1] * len(others))] + word[len(bare) :]
        replaced.append(word)
    return replaced


def shuffle_words(words: Words, rate: float, draws: Sequence[float]) -> Words:
    """Put the words of a caption in a random order; at `rate` of the captions.

    Example:
        >>> shuffle_words(["a", "dog"], 1.0, [0.3, 0.9, 0.0, 0.0, 0.0, 0.1, 0.0, 0.0])
        ['dog', 'a']
    """
    if draws[0] >= rate:
        return words
    order = sorted(range(len(words)), key=lambda place: draws[DRAWS * place + 1])
    return [words[place] for place in order]


class Noisy:
    """Another user's captions, each changed word by word.

    Args:
        user: says the captions; its replies are text.
        change: one of `mistype`, `drop_words`, `paraphrase` and `shuffle_words`.
        rate: of the change, in [0, 1]; at 0 nothing is changed.
        seed: of the draws; those of a caption depend on the session's number and the turn alone.
    Raises:
        ValueError: a rate outside [0, 1].
    """

    def __init__(self, user: User, change: Change, rate: float, seed: int = 0) -> None:
        self._user, self._change, self._rate, self._seed = user, change, _checked(rate), seed

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> TextReply:
        """See `multiturn.session.User.reply`."""
        said = _text(self._user.reply(turn, target))
        split = [text.split() for text in said]
        draws = uniform(self._seed, turn.sessions, turn.number, DRAWS * max(map(len, split))).tolist()
        changed = [self._change(words, self._rate, row) for words, row in zip(split, draws, strict=True)]
        return TextReply(
            tuple(
                text if before == after else " ".join(after)
                for text, before, after in zip(said, split, changed, strict=True)
            )
        )


class WrongCaption:
    """Another user, who in some sessions says one caption of another image.

    Args:
        user: says the captions; its replies are text.
        rate: share of the sessions in which one is wrong, in [0, 1].
        turns: of a session; the wrong turn is one of them, drawn.
        candidates: in the gallery; the other image is drawn from them and is never the target.
        seed: of the draws; those of a session depend on its number alone.
    Raises:
        ValueError: a rate outside [0, 1].
    """

    def __init__(self, user: User, rate: float, turns: int, candidates: int, seed: int = 0) -> None:
        self._user, self._rate, self._turns = user, _checked(rate), turns
        self._candidates, self._seed = candidates, seed

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> TextReply:
        """See `multiturn.session.User.reply`."""
        said = _text(self._user.reply(turn, target))
        draws = uniform(self._seed, turn.sessions, 0, 3).to(target.device)
        wrong = (draws[:, 0] < self._rate) & ((draws[:, 1] * self._turns).long() == turn.number)
        if not bool(wrong.any()):
            return TextReply(said)
        other = (target + 1 + (draws[:, 2] * (self._candidates - 1)).long()) % self._candidates
        instead = _text(self._user.reply(turn, torch.where(wrong, other, target)))
        return TextReply(instead)


# The changes of words under the names of their settings, in the order in which they are made.
CHANGES: dict[str, Change] = {
    "paraphrased": paraphrase,
    "shuffled": shuffle_words,
    "dropped": drop_words,
    "mistyped": mistype,
}
SEEDS = len(CHANGES) + 1  # that `noisy` uses


def noisy(user: User, settings: NoiseSettings, turns: int, candidates: int, seed: int) -> User:
    """A user with all the noise that settings ask for; the same user where they ask for none.

    Args:
        candidates: in the gallery.
        seed: it and the next `SEEDS` - 1 are used.
    """
    if settings.wrong:
        user = WrongCaption(user, settings.wrong, turns, candidates, seed)
    for offset, (name, change) in enumerate(CHANGES.items(), start=1):
        if rate := getattr(settings, name):
            user = Noisy(user, change, rate, seed + offset)
    return user


def _text(reply: Reply) -> tuple[str, ...]:
    if not isinstance(reply, TextReply):
        raise ValueError(f"noise spoils text replies, not {type(reply).__name__}")
    return reply.text


def _checked(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"a rate of noise lies between 0 and 1, not {rate}")
    return rate
