"""Claims about the checkers: they let good parts pass and name what is wrong with bad ones."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from multiturn.contracts import check_encoder, check_retriever, check_user
from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.replies import RelevanceReply, TextReply
from multiturn.scoring import DenseScores, VectorScores

GALLERY = Gallery.of(
    [f"{i:03d}" for i in range(60)], torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), "f", "s"
)
TARGETS = torch.tensor([5, 30, 59])
WORDS = ["a", "bc", "", "abcdef", "xyz"]


class Letters:
    """Encodes a word by its letters; each fault breaks one promise."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.calls = fault, 0
        self.dim = 4 if fault == "width" else 3

    @property
    def fingerprint(self) -> str:
        return {"nameless": " ", "renamed": f"letters {self.calls}"}.get(self.fault, "letters")

    def encode(self, items, batch_size=64, show_progress=False):
        self.calls += 1
        vectors = torch.tensor([[len(item), item.count("a") + 1.0, len(set(item))] for item in items])
        match self.fault:
            case "nan":
                vectors[0, 0] = torch.nan
            case "moody":
                vectors += self.calls
            case "padded":
                vectors[:, 0] /= batch_size
            case "sorted":
                vectors = vectors[vectors[:, 0].argsort()]
            case "short":
                vectors = vectors[1:]
            case "numpy":
                return vectors.numpy()
        return vectors


def test_a_good_encoder_passes():
    check_encoder(Letters(), WORDS)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("nameless", "name the encoder, its weights"),
        ("renamed", "the fingerprint changed from"),
        ("width", "dim is said to be 4"),
        ("numpy", r"encode returned numpy\.ndarray; return a torch\.Tensor"),
        ("short", r"5 items became vectors of shape \(4, 3\)"),
        ("nan", "NaN or infinity"),
        ("moody", "the second time"),
        ("padded", "depend on the batch size"),
        ("sorted", "depend on the batch size|order of the items"),
    ],
)
def test_a_bad_encoder_is_told_what_to_do(fault, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_encoder(Letters(fault), WORDS)


class Likes:
    """Likes and dislikes by the first coordinate, with some noise; each fault breaks one promise."""

    def __init__(self, fault: str = "") -> None:
        self.fault, self.calls = fault, 0

    def reply(self, turn, target):
        self.calls += 1
        shown = turn.shown
        near = (GALLERY.vectors[shown, 0] - GALLERY.vectors[target, 0][:, None]).abs() < 0.5
        errs = uniform(1, turn.sessions, turn.number, shown.shape[1]) < 0.1
        liked = torch.where(near ^ errs, 1, -1).to(torch.int8)
        match self.fault:
            case "moody":
                liked = torch.full_like(liked, 1 if self.calls % 2 else -1)
            case "herd":
                liked = liked * (1 if turn.sessions[0] == 1000 else 0)
            case "clairvoyant":
                shown = target[:, None].expand_as(shown).contiguous()
            case "scribbler":
                shown.fill_(0)
            case "curt":
                return RelevanceReply(shown[1:], liked[1:])
            case "inexact":
                return Inexact(tuple("ab"[turn.number % 2] for _ in shown))
        return RelevanceReply(shown, liked)


@dataclass(frozen=True)
class Inexact(TextReply):
    def rows(self, ids):
        return [{"kind": "text", "text": text, "loud": True} for text in self.text]


def test_a_good_user_passes():
    check_user(Likes(), GALLERY, TARGETS)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("moody", "something else when asked again"),
        ("herd", "in another batch"),
        ("clairvoyant", r"speaks of \['005'\], which turn 0 does not show"),
        ("scribbler", "wrote to what turn 0 shows"),
        ("curt", "2 replies for 3 sessions"),
        ("inexact", "on its way through JSON"),
    ],
)
def test_a_bad_user_is_told_what_to_do(fault, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_user(Likes(fault), GALLERY, TARGETS)


class Recurrent(nn.Module):
    """A small recurrent retriever; each fault breaks one promise."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fault, self.told = fault, 0
        self.cell, self.aim, self.drop = nn.GRUCell(4, 8), nn.Linear(8, 4), nn.Dropout(0.5)
        if fault != "dropout":
            self.eval()

    def start(self, sessions, gallery):
        return [torch.zeros(sessions, 8)]

    def update(self, state, reply, gallery):
        heard = (gallery.vectors[reply.judged] * reply.liked[:, :, None]).sum(1)
        match self.fault:
            case "herd":
                heard = heard - heard.mean(0)
            case "places":
                heard = heard + reply.judged.sum(1, keepdim=True) / 100
            case "counting":
                self.told += 1
                heard = heard + self.told
        memory = self.cell(heard, state[0])
        if self.fault == "in place":
            state[0].copy_(memory)
            return state
        if self.fault == "aside":  # leaves scores of the old state alone until its next update
            state.append(memory)
            return [memory + len(state)]
        return [memory]

    def score(self, state, gallery):
        query = self.drop(self.aim(state[0]))
        match self.fault:
            case "rough":
                return Rough(query @ gallery.vectors.T)
            case "half":
                return DenseScores((query @ gallery.vectors.T)[:, :30])
            case "first":
                return DenseScores(query @ gallery.vectors.T - torch.arange(len(gallery)))
        return VectorScores(query, gallery.vectors, gallery.norms)


class Rough(DenseScores):
    def block(self, first, last):
        return super().block(first, last) + 0.01


def test_a_good_retriever_passes():
    check_retriever(Recurrent(), GALLERY, Likes(), TARGETS)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("dropout", "evaluation mode"),
        ("in place", "never writes to the old one"),
        ("aside", "taking back the reply of turn 3"),
        ("counting", "taking back the reply of turn 3"),
        ("herd", "has other scores alone than in a batch, at turn 1"),
        ("places", "do not follow the candidates"),
        ("first", "do not follow the candidates"),
        ("rough", "more than `slack`"),
        ("half", "30 candidates were scored in a gallery of 60"),
    ],
)
def test_a_bad_retriever_is_told_what_to_do(fault, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_retriever(Recurrent(fault), GALLERY, Likes(), TARGETS)
