"""Claims about noisy users: at rate 0 they are the clean user, at other rates they change what they say they change."""

import pytest
import torch

from drilldown.noise import CHANGES, SEEDS, Noisy, WrongCaption, drop_words, mistype, noisy, paraphrase, shuffle_words
from drilldown.settings import NoiseSettings
from drilldown.synonyms import SYNONYMS
from drilldown.users import CaptionUser
from multiturn.contracts import check_user
from multiturn.gallery import Gallery
from multiturn.replies import RelevanceReply
from multiturn.session import Turn, User

COUNT, TURNS, SESSIONS = 20, 4, 3000
IDS = [f"{number:02d}.jpg" for number in range(COUNT)]
CAPTIONS = [
    [f"a small dog number{number} runs  across place{place} near the large house" for place in range(TURNS)]
    for number in range(COUNT)
]
CLEAN = CaptionUser(IDS, CAPTIONS, TURNS)
GALLERY = Gallery.of(IDS, torch.randn(COUNT, 4, generator=torch.Generator().manual_seed(0)), "f", "s")
KINDS = [*CHANGES, "wrong"]


def spoilt(kind: str, rate: float) -> User:
    if kind == "wrong":
        return WrongCaption(CLEAN, rate, TURNS, COUNT, seed=7)
    return Noisy(CLEAN, CHANGES[kind], rate, seed=7)


def texts(user: User, number: int = 1) -> tuple[list[str], list[str]]:
    """What 3,000 sessions hear in a turn, and what the clean user says."""
    sessions, shown = torch.arange(SESSIONS), torch.zeros(SESSIONS, 1, dtype=torch.long)
    turn, target = Turn(number, sessions, shown, shown.double(), None, None, None), sessions % COUNT
    return [*user.reply(turn, target).text], [*CLEAN.reply(turn, target).text]  # type: ignore[attr-defined]


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_every_noisy_user_keeps_the_promises_of_users(kind: str, rate: float):
    check_user(spoilt(kind, rate), GALLERY, torch.tensor([0, 5, 9, 13]), TURNS)


@pytest.mark.parametrize("kind", KINDS)
def test_at_rate_0_every_word_is_the_clean_users(kind: str):
    heard, clean = texts(spoilt(kind, 0.0))
    assert heard == clean


@pytest.mark.parametrize("kind", KINDS)
def test_at_rate_1_captions_change(kind: str):
    heard, clean = texts(spoilt(kind, 1.0))
    assert sum(one != other for one, other in zip(heard, clean, strict=True)) > 0.2 * SESSIONS


def changed_words(kind: str, rate: float, which: set[str]) -> float:
    """Share of the words in `which` that a user at `rate` changed."""
    heard, clean = texts(spoilt(kind, rate))
    pairs = [
        (before, after)
        for one, other in zip(clean, heard, strict=True)
        for before, after in zip(one.split(), other.split(), strict=True)
        if before in which
    ]
    return sum(before != after for before, after in pairs) / len(pairs)


def test_typos_come_at_their_rate_and_only_in_longer_words():
    assert abs(changed_words("mistyped", 0.3, {"small", "across", "large"}) - 0.3) < 0.03
    assert changed_words("mistyped", 1.0, {"a", "dog", "the"}) == 0


def test_a_typo_is_one_slip_of_the_fingers():
    for kind in range(4):
        slip = mistype(["playing"], 1.0, [0.0, kind / 4, 0.5, 0.0])[0]
        assert slip != "playing"
        assert abs(len(slip) - len("playing")) <= 1
        assert slip[0] == "p"


def test_words_are_dropped_at_their_rate_and_the_others_keep_their_order():
    heard, clean = texts(spoilt("dropped", 0.25))
    kept = sum(len(one.split()) for one in heard) / sum(len(one.split()) for one in clean)
    assert abs(kept - 0.75) < 0.01
    for one, other in zip(heard[:200], clean[:200], strict=True):
        rest = iter(other.split())
        assert all(word in rest for word in one.split())


def test_a_caption_never_loses_all_its_words():
    assert drop_words(["one"], 1.0, [0.2, 0.0, 0.0, 0.0]) == ["one"]
    assert all(len(one.split()) == 1 for one in texts(spoilt("dropped", 1.0))[0])


def test_only_words_with_synonyms_are_paraphrased_and_at_their_rate():
    assert abs(changed_words("paraphrased", 0.4, {"small", "dog", "house", "large"}) - 0.4) < 0.03
    assert changed_words("paraphrased", 1.0, {"a", "the", "across", "place1"}) == 0


def test_a_paraphrase_keeps_the_mark_after_a_word():
    assert paraphrase(["dog,"], 1.0, [0.0] * 4)[0] in {f"{word}," for word in SYNONYMS["dog"]}


def test_synonyms_stand_for_each_other_and_never_for_themselves():
    for word, others in SYNONYMS.items():
        assert word not in others
        assert len(set(others)) == len(others)
        assert all(word in SYNONYMS[other] for other in others)


def test_the_order_of_words_is_shuffled_in_that_share_of_captions():
    heard, clean = texts(spoilt("shuffled", 0.5))
    assert abs(sum(one != other for one, other in zip(heard, clean, strict=True)) / SESSIONS - 0.5) < 0.03
    assert all(sorted(one.split()) == sorted(other.split()) for one, other in zip(heard, clean, strict=True))


def test_the_word_order_of_one_caption_says_nothing_of_the_next():
    draws = [0.1] * 8
    assert shuffle_words(["a", "b"], 0.05, draws) == ["a", "b"]
    assert sorted(shuffle_words(["a", "b"], 0.5, draws)) == ["a", "b"]


def test_a_wrong_caption_is_another_images_and_there_is_one_a_session():
    user, wrong = spoilt("wrong", 0.6), torch.zeros(SESSIONS)
    for number in range(TURNS):
        heard, clean = texts(user, number)
        for session, (one, other) in enumerate(zip(heard, clean, strict=True)):
            if one != other:
                wrong[session] += 1
                assert any(one == said[number] for said in CAPTIONS)
    assert set(wrong.tolist()) == {0.0, 1.0}
    assert abs(float(wrong.mean()) - 0.6) < 0.04


def test_settings_without_noise_leave_the_user_alone():
    assert noisy(CLEAN, NoiseSettings(), TURNS, COUNT, 0) is CLEAN


def test_all_noise_together_still_keeps_the_promises_and_uses_a_seed_each():
    user = noisy(CLEAN, NoiseSettings(0.5, 0.5, 0.5, 0.2, 0.2), TURNS, COUNT, 11)
    check_user(user, GALLERY, torch.tensor([0, 5, 9, 13]), TURNS)
    seeds = []
    while user is not CLEAN:
        seeds.append(user._seed)  # type: ignore[attr-defined]
        user = user._user  # type: ignore[attr-defined]
    assert sorted(seeds) == list(range(11, 11 + SEEDS))


@pytest.mark.parametrize("rate", [-0.1, 1.5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_rate_is_a_share(kind: str, rate: float):
    with pytest.raises(ValueError, match=f"between 0 and 1, not {rate}"):
        spoilt(kind, rate)


def test_noise_in_the_settings_is_a_share():
    with pytest.raises(ValueError, match=r"noise\.dropped is a rate between 0 and 1, not 3"):
        NoiseSettings(dropped=3.0)


def test_noise_is_for_text():
    class Likes:
        def reply(self, turn, target):
            return RelevanceReply(turn.shown, torch.ones_like(turn.shown, dtype=torch.int8))

    shown = torch.zeros(1, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="text replies, not RelevanceReply"):
        Noisy(Likes(), mistype, 0.5).reply(
            Turn(0, torch.tensor([0]), shown, shown.double(), None, None, None), shown[0]
        )
