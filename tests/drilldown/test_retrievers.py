"""Claims about the five models: each turn's scores are what a slow loop finds, and a retriever's promises are kept."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from jaxtyping import Int
from torch import Tensor

from drilldown.model_settings import Kind, ModelSettings
from drilldown.models import new_model
from drilldown.rank_fusion import ranks_of_all
from multiturn.contracts import check_retriever
from multiturn.gallery import Gallery
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.regions import Regions
from multiturn.replies import RelevanceReply, TextReply
from multiturn.session import Session, Turn, play

WORDS = ["a", "dog", "cat", "red", "tree", "under", "the", "small"]
WIDE, PICTURES, TURNS = 6, 40, 5
GENERATOR = torch.Generator().manual_seed(2)
COUNTS = torch.randint(1, 5, (PICTURES,), generator=GENERATOR).tolist()
REGIONS = Regions.of([torch.randn(count, WIDE, generator=GENERATOR) for count in COUNTS], None)
GALLERY = Gallery.of([f"{i:02d}" for i in range(PICTURES)], REGIONS, "enc", "s")
TARGETS = torch.tensor([4, 30, 11])
KINDS: list[Kind] = ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]


class Sayer:
    """Says random words of the vocabulary and a word beyond it, fixed for a target and turn."""

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> TextReply:
        return TextReply(tuple(said(place, turn.number) for place in target.tolist()))


def said(place: int, turn: int) -> str:
    generator = torch.Generator().manual_seed(100 * place + turn)
    return " ".join([*WORDS, "zebra"][i] for i in torch.randint(0, 9, (3 + turn % 2,), generator=generator).tolist())


def model(kind: Kind = "drill-down", **changes: Any) -> Any:
    torch.manual_seed(0)
    settings = replace(ModelSettings(kind, states=2, dim=7, embedding_dim=4), **changes)
    return new_model(settings, WORDS, "enc", WIDE, seed=5).eval()


class ByHand:
    """The five models for one session in float64, one number after the other where torch's float32 would batch."""

    def __init__(self, net: Any, settings: ModelSettings) -> None:
        self.net, self.settings = net, settings
        self.weights = {name: value.double() for name, value in net.state_dict().items()}

    def gru(self, x: Tensor, h: Tensor, start: str, end: str) -> Tensor:
        wx, wh, bx, bh = (
            self.weights[f"{start}{one}{end}"] for one in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        gates_x, gates_h = (wx @ x + bx).chunk(3), (wh @ h + bh).chunk(3)
        reset, keep = torch.sigmoid(gates_x[0] + gates_h[0]), torch.sigmoid(gates_x[1] + gates_h[1])
        return (1 - keep) * torch.tanh(gates_x[2] + reset * gates_h[2]) + keep * h

    def read(self, text: str, h: Tensor) -> Tensor:
        numbers = {word: number for number, word in enumerate(["<pad>", "<start>", "<end>", "<unk>", *WORDS])}
        for word in [*text.split(), "<end>"]:
            h = self.gru(
                self.weights["queries.words.embed.weight"][numbers.get(word, 3)], h, "queries.words.gru.", "_l0"
            )
        return h

    def regions(self, picture: int) -> Tensor:
        vectors = REGIONS.vectors[picture, : COUNTS[picture]].double()
        return vectors @ self.weights["projection.map.weight"].T + self.weights["projection.map.bias"]

    def similarity(self, x: Tensor, picture: int) -> float:
        cosines = [float(x @ v / x.norm() / v.norm()) for v in self.regions(picture)]
        paper = self.settings.score == "paper"
        weights = [math.exp(cosine / 9 if paper else cosine * 9) for cosine in cosines]
        attended = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
        return attended / len(cosines) if paper else attended

    def slot(self, turn: int, states: list[Tensor], query: Tensor) -> int:
        if turn < self.settings.states:
            return turn
        if self.settings.policy == "learned":
            logits = []
            for state in states:
                x = torch.cat([state, query])
                for number in (0, 2, 4):
                    x = (
                        self.weights[f"learned.layers.{number}.weight"] @ x
                        + self.weights[f"learned.layers.{number}.bias"]
                    )
                    x = x.clamp(min=0) if number < 4 else x
                logits.append(float(x))
            return max(range(len(states)), key=logits.__getitem__)
        return {"fixed": turn % self.settings.states, "first": 0}[self.settings.policy]

    def scores(self, texts: Sequence[str]) -> list[float]:
        """Of every picture, after all texts."""
        zero = torch.zeros(self.settings.dim, dtype=torch.float64)
        return getattr(self, self.settings.kind.replace("-", "_"))(texts, zero)

    def drill_down(self, texts: Sequence[str], zero: Tensor) -> list[float]:
        states = [zero] * self.settings.states
        for turn, text in enumerate(texts):
            query = self.read(text, zero)
            slot = self.slot(turn, states, query)
            states[slot] = self.gru(query, states[slot], "cell.", "")
        full = states[: min(len(texts), self.settings.states)]
        count = len(states) if self.settings.score == "paper" else len(full)
        return [sum(self.similarity(state, picture) for state in full) / count for picture in range(PICTURES)]

    def context(self, texts: Sequence[str], zero: Tensor) -> Tensor:
        h = zero
        for text in texts:
            h = self.gru(self.read(text, zero), h, "cell.", "")
        return h

    def hre(self, texts: Sequence[str], zero: Tensor) -> list[float]:
        x, found = self.context(texts, zero), []
        for picture in range(PICTURES):
            mean = REGIONS.vectors[picture, : COUNTS[picture]].double().mean(0)
            v = self.weights["projection.map.weight"] @ mean + self.weights["projection.map.bias"]
            found.append(float(x @ v / x.norm() / v.norm()))
        return found

    def r_hre(self, texts: Sequence[str], zero: Tensor) -> list[float]:
        x = self.context(texts, zero)
        return [self.similarity(x, picture) for picture in range(PICTURES)]

    def r_re(self, texts: Sequence[str], zero: Tensor) -> list[float]:
        h = zero
        for text in texts:
            h = self.read(text, h)
        return [self.similarity(h, picture) for picture in range(PICTURES)]

    def r_rankfusion(self, texts: Sequence[str], zero: Tensor) -> list[float]:
        total = [0.0] * PICTURES
        for text in texts:
            query = self.read(text, zero)
            scores = [self.similarity(query, picture) for picture in range(PICTURES)]
            for picture in range(PICTURES):
                total[picture] += 1 + sum(other > scores[picture] for other in scores)
        return [-one / len(texts) for one in total]


CASES = [
    *[(kind, {}) for kind in KINDS],
    *[("drill-down", {"policy": policy}) for policy in ("learned", "first")],
    *[("drill-down", {"states": states}) for states in (1, TURNS + 2)],
    *[(kind, {"score": "paper"}) for kind in KINDS if kind != "hre"],
    ("drill-down", {"score": "paper", "states": TURNS + 2}),
]


@pytest.mark.parametrize(("kind", "changes"), CASES)
def test_the_scores_of_every_turn_agree_with_a_slow_loop_in_float64(kind, changes):
    net = model(kind, **changes)
    by_hand = ByHand(net, replace(ModelSettings(kind, states=2, dim=7, embedding_dim=4), **changes))
    with torch.no_grad():
        for turn in play(Session(net, GALLERY, TARGETS), Sayer(), TARGETS, TURNS):
            if turn.number == 0:
                continue
            scores = net.score(turn.state, GALLERY)
            for session, target in enumerate(TARGETS.tolist()):
                rows = torch.full((PICTURES,), session)
                expected = by_hand.scores([said(target, number) for number in range(turn.number)])
                found = scores.exact(rows, torch.arange(PICTURES))
                torch.testing.assert_close(found, torch.tensor(expected).double(), atol=2e-6, rtol=0)


@pytest.mark.parametrize(("kind", "changes"), [*CASES, ("drill-down", {"policy": "random"})])
def test_it_keeps_the_promises_of_a_retriever(kind, changes):
    check_retriever(model(kind, **changes), GALLERY, Sayer(), TARGETS, turns=TURNS)


@pytest.mark.parametrize("kind", KINDS)
def test_before_anything_was_said_all_candidates_tie(kind):
    net = model(kind)
    scores = net.score(net.start(2, GALLERY), GALLERY)
    assert len(set(scores.exact(torch.zeros(PICTURES).long(), torch.arange(PICTURES)).tolist())) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("texts", [("", ""), ("xylophone quartz", "zebra"), ("a dog " * 200, "!?")])
def test_a_text_that_is_empty_or_unknown_or_long_is_scored_like_any_other(kind, texts):
    net = model(kind)
    state = net.update(net.start(2, GALLERY), TextReply(texts), GALLERY)
    scores = net.score(state, GALLERY)
    assert bool(torch.isfinite(scores.exact(torch.zeros(PICTURES).long(), torch.arange(PICTURES))).all())


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_one_region_is_searched_like_any_other(kind):
    one = Regions(REGIONS.vectors[:, :1], None, REGIONS.mask[:, :1])
    gallery = Gallery.of(GALLERY.ids, one, "enc", "s")
    check_retriever(model(kind), gallery, Sayer(), TARGETS, turns=2)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "hre"])
def test_a_gallery_without_regions_is_refused_by_models_that_look_at_them(kind):
    plain = Gallery(GALLERY.ids, REGIONS.vectors[:, 0], "enc", "pictures")
    with pytest.raises(ValueError, match=r"looks at regions, and the gallery \(pictures\).*choose the model hre"):
        model(kind).start(1, plain)


def test_hre_searches_a_gallery_of_one_vector_a_picture():
    plain = Gallery(GALLERY.ids, REGIONS.vectors[:, 0], "enc", "pictures")
    check_retriever(model("hre"), plain, Sayer(), TARGETS, turns=2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        (lambda regions: Gallery.of(GALLERY.ids, regions, "other", "s"), r"'other'.*'enc'"),
        (
            lambda regions: Gallery.of(GALLERY.ids, Regions(regions.vectors[..., :5], None, regions.mask), "enc", "s"),
            r"have 5 numbers, the retriever was made for 6",
        ),
    ],
)
def test_a_gallery_of_another_encoder_or_width_is_refused(
    kind: Kind, change: Callable[[Regions], Gallery], said_of_it: str
):
    with pytest.raises(ValueError, match=said_of_it):
        model(kind).start(1, change(REGIONS))


@pytest.mark.parametrize("kind", KINDS)
def test_a_reply_that_is_no_text_is_refused(kind):
    net = model(kind)
    judged = RelevanceReply(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, 1, dtype=torch.int8))
    with pytest.raises(ValueError, match="text replies, not RelevanceReply"):
        net.update(net.start(1, GALLERY), judged, GALLERY)


def test_the_state_tells_which_slot_took_each_query():
    net, slots = model(states=2), []
    with torch.no_grad():
        for turn in play(Session(net, GALLERY, TARGETS), Sayer(), TARGETS, 4):
            slots = turn.state.states.slots.tolist()
    assert slots == [[0, 1, 0, 1]] * 3


def test_candidates_that_tie_share_the_mean_of_their_ranks():
    vectors = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    start = StateScores.start(1, 1, RegionVectors(vectors, torch.ones(4, 1, dtype=torch.bool)), RegionFormula())
    scores = start.after(torch.tensor([0]), torch.tensor([[1.0, 0.0]]))
    assert ranks_of_all(scores).tolist() == [[1.5, 4.0, 1.5, 3.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_two_texts_for_one_session_are_refused(kind):
    net = model(kind)
    with pytest.raises(ValueError, match="2 texts for 1 sessions; give one text a session"):
        net.update(net.start(1, GALLERY), TextReply(("a dog", "a cat")), GALLERY)
