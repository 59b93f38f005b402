"""A system without a network: twenty candidates of four letters each, searched by saying letters."""

from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.replies import RelevanceReply, Reply, TextReply
from multiturn.scoring import DenseScores
from multiturn.session import Turn
from multiturn.study.systems import System
from multiturn.task import ReplyForm

LETTERS = "abcd"
IDS = tuple(f"{number:02d}.png" for number in range(20))
VECTORS = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
GALLERY = Gallery(IDS, VECTORS, "letters", "twenty toys")


@dataclass
class Letters:
    """Adds up how often each letter was said, and the vectors of what is liked; `forgets` all but the last reply."""

    forgets: bool = False

    def start(self, sessions: int, gallery: Gallery) -> Tensor:
        return torch.zeros(sessions, 4)

    def update(self, state: Tensor, reply: Reply, gallery: Gallery) -> Tensor:
        if isinstance(reply, TextReply):
            said = torch.tensor([[float(text.count(letter)) for letter in LETTERS] for text in reply.text])
        elif isinstance(reply, RelevanceReply):
            said = (gallery.vectors[reply.judged] * reply.liked[:, :, None]).sum(1)
        else:
            raise ValueError(f"this retriever understands letters and likes, not {type(reply).__name__}")
        return said if self.forgets else state + said

    def score(self, state: Tensor, gallery: Gallery) -> DenseScores:
        return DenseScores(state @ gallery.vectors.T)


@dataclass
class LetterTask:
    """Reads letters; '+' likes the first that is shown, 'again' repeats the last reply."""

    gallery: Gallery = GALLERY

    def candidates(self) -> Gallery:
        return self.gallery

    def images(self) -> Dataset:
        pictures = [Image.new("RGB", (8, 8), (12 * number, 90, 200)) for number in range(len(self.gallery))]
        return Dataset.from_dict({"id": list(self.gallery.ids), "image": pictures})

    def form(self) -> ReplyForm:
        return ReplyForm("text")

    def read_reply(self, text: str, turn: Turn) -> Reply:
        if text == "+":
            return RelevanceReply(turn.shown[:, :1], torch.ones(1, 1, dtype=torch.int8))
        if text == "again" and turn.reply is not None:
            return turn.reply
        if not set(text) & set(LETTERS):
            raise ValueError(f"{text!r} has none of the letters {LETTERS}")
        return TextReply((text,))


def toy(name: str = "toy", forgets: bool = False, gallery: Gallery = GALLERY) -> System:
    return System(name, f"runs/{name}", LetterTask(gallery), Letters(forgets), gallery)


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
