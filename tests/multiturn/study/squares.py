"""A study of twelve plain squares that needs no checkpoint: systems for every kind of reply, and a client."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from datasets import Dataset, Features, Image, Value
from fastapi.testclient import TestClient
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.replies import AttributeReply, ImageReply, RelevanceReply, Reply, TextReply, WantedReply
from multiturn.scoring import DenseScores
from multiturn.session import Turn
from multiturn.study.clock import Clock
from multiturn.study.conduct import Study
from multiturn.study.protocol import StudyProtocol
from multiturn.study.server import study_app
from multiturn.study.store import Store
from multiturn.study.systems import System
from multiturn.task import ReplyForm, example_of

IDS = tuple(f"{letter}/secret-{letter}.png" for letter in "abcdefghijkl")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "gray", "white", "navy")


class Adding:
    """Scores by the sum of what was said: a text of letters wants the squares with these letters."""

    def start(self, sessions: int, gallery: Gallery) -> Float[Tensor, "session dim"]:
        return torch.zeros(sessions, gallery.vectors.shape[1])

    def update(self, state: Tensor, reply: Reply, gallery: Gallery) -> Tensor:
        match reply:
            case TextReply(text):
                said = torch.tensor([[float(name[0] in line) for name in gallery.ids] for line in text])
            case WantedReply(wanted):
                said = torch.nn.functional.pad(wanted.float(), (0, len(gallery) - wanted.shape[1]))
            case AttributeReply(about, _, relevance):
                said = gallery.vectors[about] * relevance.sum(1, keepdim=True)
            case RelevanceReply(judged, liked):
                said = (gallery.vectors[judged] * liked[..., None]).sum(1)
            case ImageReply(_, vectors):
                said = vectors
            case _:
                raise AssertionError(reply)
        return state + said

    def score(self, state: Tensor, gallery: Gallery) -> DenseScores:
        return DenseScores(state @ gallery.vectors.T)


@dataclass
class Squares:
    """A task whose images are squares, each with a vector of its own."""

    kind: str = "text"
    gallery: Gallery = field(default_factory=lambda: Gallery(IDS, torch.eye(len(IDS)), "squares", "twelve squares"))

    def candidates(self) -> Gallery:
        return self.gallery

    def images(self) -> Dataset:
        pictures = [Pillow.new("RGB", (16, 16), colour) for colour in COLOURS]
        features = Features({"id": Value("string"), "image": Image()})
        return Dataset.from_dict({"id": list(IDS), "image": pictures}, features=features)

    def form(self) -> ReplyForm:
        return ReplyForm(self.kind, ("Red", "Round") if self.kind in ("wanted", "comparison") else ())

    def read_reply(self, text: str, turn: Turn) -> Reply:
        match self.kind:
            case "text":
                return TextReply((text,))
            case "wanted":
                return WantedReply(torch.tensor([[("Red" in text) - 2 * ("not Red" in text), 0]], dtype=torch.int8))
            case "comparison":
                sign = 1 if text.startswith("same") else -1
                return AttributeReply(
                    turn.shown[:, 0], torch.ones(1, 2, dtype=torch.int8), torch.tensor([[sign, 0]], dtype=torch.int8)
                )
            case "judgements":
                marks = [(int(word[1:]) - 1, 1 if word[0] == "+" else -1) for word in text.split()]
                places, signs = zip(*marks, strict=True)
                return RelevanceReply(turn.shown[:, list(places)], torch.tensor([signs], dtype=torch.int8))
            case _:
                found = example_of(text, self.gallery)
                assert found is not None
                return found


def system(name: str, kind: str = "text") -> System:
    task = Squares(kind)
    return System(name, f"runs/{name}", task, Adding(), task.gallery)


def protocol(**changes: object) -> StudyProtocol:
    plain = {
        "systems": {"one": "runs/one"},
        "targets": 4,
        "turns": 2,
        "page_size": 4,
        "practice": 0,
        "consent": "I agree.",
        "questionnaires": ["tlx", "sus"],
    }
    return StudyProtocol(**{**plain, **changes})  # pyright: ignore


def study(folder: Path, kind: str = "text", clock: Clock | None = None, **changes: object) -> Study:
    asked = protocol(**changes)
    systems = {name: system(name, kind) for name in asked.systems}
    return Study(asked, systems, Store(folder / "study.sqlite"), clock)


class Visitor:
    """A browser without scripts: it sends the forms of the page that it is on."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.client = TestClient(study_app(study), follow_redirects=True)
        self.page = ""

    def get(self, path: str) -> "Visitor":
        self.answer = self.client.get(path)
        self.page = self.answer.text
        return self

    def post(self, path: str, **fields: str) -> "Visitor":
        """Send a form with the hidden fields of the page."""
        names = ("step", "key", "nonce", "signature", "version")
        hidden = {name: found[1] for name in names if (found := re.search(f'name="{name}" value="([^"]*)"', self.page))}
        self.answer = self.client.post(path, data={**hidden, **{k.replace("_", "-"): v for k, v in fields.items()}})
        self.page = self.answer.text
        return self

    def agree(self) -> "Visitor":
        return self.get("/").post("/consent", agree="yes")

    def begin(self) -> "Visitor":
        """Agree, read the instructions and begin the first search."""
        return self.agree().post("/study/begin").post("/study/start")

    def answers(self) -> "Visitor":
        """Fill in the questionnaire of the page with its lowest values."""
        names = dict.fromkeys(re.findall(r'type="radio" name="([^"]+)"', self.page))
        low = {name: re.search(f'name="{name}" value="([^"]+)"', self.page)[1] for name in names}  # pyright: ignore
        key, step = (re.search(f'name="{name}" value="([^"]*)"', self.page)[1] for name in ("key", "step"))  # pyright: ignore
        self.answer = self.client.post("/study/answer", data={"key": key, "step": step, **low})
        self.page = self.answer.text
        return self

    @property
    def who(self):
        """The participant, as the study knows them."""
        found = self.study.who(self.client.cookies["session"])
        assert found is not None
        return found

    @property
    def progress(self):
        """Where they are."""
        return self.study.progress(self.who)

    @property
    def place_of_target(self) -> int | None:
        """Where the page shows the target, from 1."""
        trial = self.progress.trial
        shown = list(trial.turns[-1].page.shown)
        return shown.index(trial.planned.target) + 1 if trial.planned.target in shown else None

    def find(self) -> "Visitor":
        """Name the target by its letter, and claim it."""
        self.post("/study/reply", text=self.progress.trial.planned.target[0])
        return self.post("/study/claim", place=str(self.place_of_target))

    def all_of_it(self) -> "Visitor":
        """Take part from beginning to end, and find everything."""
        self.agree().post("/study/begin")
        while (phase := self.progress.phase) != "done":
            match phase:
                case "target":
                    self.post("/study/start")
                case "search":
                    self.find()
                case _:
                    self.answers()
        return self.get("/study")
