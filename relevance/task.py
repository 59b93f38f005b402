"""The cub-relevance task: classes, frozen features, degraded examples, the methods and their measures put together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from jaxtyping import Float64, Int
from torch import Tensor, nn

from multiturn.building import build_gallery
from multiturn.encoders import Encoder
from multiturn.encoders.catalogue import make_encoder
from multiturn.encoders.se_resnet import SEResNet, SEResNetEncoder
from multiturn.files import first_with
from multiturn.gallery import Gallery
from multiturn.processes import launched, own_device
from multiturn.replies import ImageReply, RelevanceReply
from multiturn.session import Turn
from multiturn.targets import Targets
from multiturn.task import Exam, ReplyForm, Role, Stage, example_of
from multiturn.training import save_pretrained
from multiturn.trial import RANKED, Outcome, Trial
from relevance.classes import ClassImages, load_classes
from relevance.degraded import DegradedImages
from relevance.measures import ClassSearch
from relevance.methods import TITLES, RelevanceModel
from relevance.settings import Method, RelevanceFeedbackSettings
from relevance.training import HeadLoss, train_network
from relevance.users import RelevanceUser
from relevance.words import read_judgements

CONTROL: Method = "no feedback"


class RelevanceFeedback:
    """Search by a degraded example and by likes and dislikes: implements `multiturn.task.Task`, `Staged`, `Searchable`.

    The methods learn within a session alone. What can be trained before is a map of the frozen vectors (`head`), one
    stage; without it there is none, and train.py saves the method's name and reports.

    Turn 0 shows the clean image that a session's example is a picture of, and nobody has said anything: so it counts
    as seen and leaves the pool, which is the leave-one-out. Turn 1 answers the example: the source's iteration 0.

    Args:
        settings: of data, features, examples, methods and evaluation.
        output: folder for the trained network, the galleries and drawn faces.
    Source:
        papers/relevance-feedback-cub.txt.
    """

    primary = "validation_average_precision"
    classes: ClassImages

    def __init__(self, settings: RelevanceFeedbackSettings, output: Path) -> None:
        self.settings, self._output, self._home = settings, output, output
        self._device = own_device()
        self._encoder: Encoder | None = None
        self._galleries: dict[str, Gallery] = {}

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """See `multiturn.task.Task.prepare`."""
        self._home = checkpoint or self._output
        with launched().main_process_first():
            self.classes = load_classes(self.settings.classes, first_with("faces", checkpoint, self._output))
        self._encoder = self._make_encoder(resume or checkpoint is not None)
        self.gallery("test")
        self._examples()
        if self.settings.head.dim and checkpoint is None:
            self.gallery("train")
            self.gallery("validation")

    def gallery(self, part: str) -> Gallery:
        """Frozen vectors of the clean images of 'train', 'validation' or 'test'."""
        return self._encoded(part, part, self._features(), "")

    def new_retriever(self) -> RelevanceModel:
        """See `multiturn.task.Task.new_retriever`."""
        settings, gallery = self.settings, self.gallery("test")
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            model = RelevanceModel(settings.method, gallery.fingerprint, gallery.vectors.shape[1], settings.head.dim)
        return model.to(self._device).eval()

    def load_retriever(self, checkpoint: str) -> RelevanceModel:
        """See `multiturn.task.Task.load_retriever`; the method is the settings' own, the map the checkpoint's."""
        model = RelevanceModel.from_pretrained(checkpoint).to(self._device).eval()
        return model.beside(self.settings.method)

    def stages(self) -> Sequence[Stage]:
        """See `multiturn.task.Staged.stages`: the map of the frozen vectors, if one is wanted."""
        if not self.settings.head.dim:
            return []
        return [Stage("Multi-Similarity map", ".", self.rollout, self.settings.training, self.primary)]

    def rollout(self, retriever: nn.Module) -> HeadLoss:
        """See `multiturn.task.Task.rollout`.

        Raises:
            ValueError: there is no map to train, or pytorch-metric-learning is not installed.
        """
        assert isinstance(retriever, RelevanceModel)
        if retriever.head is None:
            raise ValueError("the methods learn within a session; set head.dim above 0 to train a map before")
        return HeadLoss(retriever, self.gallery("train"), self._labels("train"), self.settings.head)

    def examples(self) -> Targets:
        """See `multiturn.task.Task.examples`."""
        return Targets(len(self.gallery("train")))

    def validation(self, retriever: nn.Module) -> Trial:
        """See `multiturn.task.Task.validation`: clean examples of other classes, the order without feedback."""
        assert isinstance(retriever, RelevanceModel)
        gallery = self.gallery("validation")
        return self._trial(CONTROL, retriever, "validation", gallery, turns=1)

    def exam(self, retriever: nn.Module) -> Exam:
        """See `multiturn.task.Task.exam`: all methods on the same examples, with the same user."""
        assert isinstance(retriever, RelevanceModel)
        queries, evaluation, examples = self.settings.queries, self.settings.evaluation, self._examples()
        trials: dict[Method, Trial] = {}
        for name in (self.settings.method, *self.settings.beside, CONTROL):
            trials.setdefault(name, self._trial(name, retriever, "test", examples, evaluation.turns))
        model, control = trials.pop(self.settings.method), trials.pop(CONTROL, None)
        others: list[tuple[Role, Trial]] = [] if control is None else [("control", control)]
        for trial in trials.values():
            others.append(("reference", trial))
        left_out = {**self.classes.left_out, **self._alone()}
        return Exam(
            model,
            others,
            self.classes.source,
            {
                "example": f"{queries.degradation} degradation, seed {queries.seed}; its own image is out of the list",
                "turn 1": "answers the example (iteration 0); every later turn answers the judgements of a page",
                "wrong judgements": queries.wrong,
                "ranked": "an image of the class drawn at random, in the list of all pages so far and then the rest",
                "vectors": "a trained linear map of frozen ones" if retriever.head is not None else "frozen",
                **({"images left out": str(left_out)} if left_out else {}),
            },
        )

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """See `multiturn.task.Task.pictures`: the examples of some sessions, and what was shown."""
        from relevance.pictures import TITLE, session_sheet

        path = folder / "sessions.png"
        session_sheet(outcome, self._labels("test"), self.images(), self.settings.queries, path)
        return {TITLE: path}

    def candidates(self) -> Gallery:
        """See `multiturn.task.Searchable.candidates`."""
        return self.gallery("test")

    def images(self) -> Dataset:
        """See `multiturn.task.Searchable.images`."""
        return self.classes.test

    def read_reply(self, text: str, turn: Turn) -> ImageReply | RelevanceReply:
        """See `multiturn.task.Searchable.read_reply`: judgements of the page, as in "+1 +3 -2" or "like: ID".

        "example: ID" gives the degraded copy of an image as the example, as the simulated user does.
        """
        return example_of(text, self._examples()) or read_judgements(text, turn.shown[0], self.candidates())

    def form(self) -> ReplyForm:
        """See `multiturn.task.Searchable.form`: likes and dislikes of the page."""
        return ReplyForm("judgements")

    def targets(self, part: str, count: int) -> Int[Tensor, " session"]:
        """Positions of at most `count` images, spread evenly over those of a part whose class has another image."""
        labels = self._labels(part)
        mated = (labels[:, None] == labels).sum(1).gt(1).nonzero()[:, 0]
        chosen = torch.linspace(0, len(mated) - 1, min(count, len(mated)), dtype=torch.float64).round().long()
        return mated[chosen.to(mated.device)]

    def _trial(self, method: Method, retriever: RelevanceModel, part: str, examples: Gallery, turns: int) -> Trial:
        queries, gallery, labels = self.settings.queries, self.gallery(part), self._labels(part)
        model = retriever if part == "test" and method == self.settings.method else retriever.beside(method)
        search = ClassSearch(model, gallery, labels, queries.page, queries.seed)
        targets = self.targets(part, queries.count)
        return Trial(
            TITLES[method],
            model,
            gallery,
            RelevanceUser(labels, examples, gallery, queries.wrong, queries.seed),
            targets,
            turns,
            queries.page,
            self.settings.evaluation.seen,
            targets[:, None],
            search.ranks,
            search.measures,
            search.to_be_shown,
            search.unlisted,
            header={RANKED: "another image of the target's class"},
        )

    def _examples(self) -> Gallery:
        """Vectors of the degraded test images, under the ids of the clean ones."""
        queries = self.settings.queries
        degraded = DegradedImages(self._features(), queries.degradation, queries.gamma, queries.seed)
        found = self._encoded(
            f"examples-{queries.degradation}", "test", degraded, f", {queries.degradation} degradation"
        )
        return Gallery(found.ids, found.vectors, self._features().fingerprint, found.source)

    def _encoded(self, name: str, part: str, encoder: Encoder, how: str) -> Gallery:
        """Vectors of a part: kept by a run before, or made now and kept."""
        if name not in self._galleries:
            rows = getattr(self.classes, part)
            ids, source = list(rows["id"]), f"{self.classes.source}, {part} part{how}"
            kept, path = (folder / "galleries" / f"{name}.safetensors" for folder in (self._home, self._output))
            found = Gallery.load(kept) if kept.is_file() else None
            same = (tuple(sorted(ids)), encoder.fingerprint, source)
            if found is None or (found.ids, found.fingerprint, found.source) != same:
                found = build_gallery(encoder, rows, ids, source, path, self.settings.features.batch_size)
            self._galleries[name] = found.to(self._device)
        return self._galleries[name]

    def _features(self) -> Encoder:
        assert self._encoder is not None, "prepare comes first"
        return self._encoder

    def _make_encoder(self, kept: bool) -> Encoder:
        """The encoder of the settings; a network is trained on the training classes, or read where it was kept."""
        settings, folder = self.settings.features, self._home / "encoder"
        if settings.kind == "encoder":
            # One that makes regions is refused by its settings, or else by the methods.
            encoder: Any = make_encoder(settings.encoder, self._device)
            return encoder
        if kept and (folder / "config.json").is_file():
            return SEResNetEncoder(SEResNet.from_pretrained(str(folder)).to(self._device))
        network = train_network(
            self.classes.train,
            self.classes.validation,
            settings,
            folder,
            self.settings.seed,
            kept,
            self._device,
        )
        if launched().is_main_process:
            save_pretrained(network, folder)
        return SEResNetEncoder(network)

    def _labels(self, part: str) -> Int[Tensor, " candidate"]:
        """Classes in the order of a gallery, which is that of ids."""
        rows = getattr(self.classes, part)
        pairs = sorted(zip(rows["id"], rows["label"], strict=True))
        return torch.tensor([label for _, label in pairs], device=self._device)

    def _alone(self) -> dict[str, int]:
        """How many test images are alone in their class, candidates but nobody's example."""
        alone = len(self.classes.test) - len(self.targets("test", len(self.classes.test)))
        return {"alone in its class, so no example": alone} if alone else {}
