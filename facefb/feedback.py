"""The celeba-feedback task: faces, frozen features, witness, GRU and baselines put together."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float64, Int8
from torch import Tensor, nn

from data_prep.attributes import ATTRIBUTES
from facefb.comparisons import read_comparison
from facefb.display import random_faces
from facefb.features import attributes_of, prepared_features
from facefb.matching import AttributeMatching
from facefb.retriever import FeedbackRetriever
from facefb.rollout import Rollout, Seeds, triplet_loss
from facefb.settings import AttributeFeedbackSettings
from facefb.users import FULL, SILENT, AttributeUser, Disclosure, matching_attributes
from multiturn.gallery import Gallery
from multiturn.processes import own_device
from multiturn.replies import AttributeReply
from multiturn.session import Turn
from multiturn.targets import Targets
from multiturn.task import Exam, ReplyForm, Role
from multiturn.trial import Outcome, Trial


class AttributeFeedback:
    """Facial image retrieval with progressive attribute feedback: implements `multiturn.task.Task` and `Searchable`.

    Args:
        settings: of data, features, witness, retriever and evaluation.
        output: folder for the trained encoder, the galleries and drawn faces.
    Source:
        papers/facial-progressive-feedback.txt.
    """

    primary = "percentile"

    def __init__(self, settings: AttributeFeedbackSettings, output: Path) -> None:
        self.settings, self._output = settings, output
        self._device = own_device()
        self._disclosure = Disclosure(
            tuple(settings.witness.masked), settings.witness.nested, settings.witness.candidate
        )
        # Validation and test draw from other seeds than training.
        self._train_seeds, self._test_seeds = Seeds(2 * settings.seed), Seeds(2 * settings.seed + 1)

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """See `multiturn.task.Task.prepare`."""
        settings = self.settings
        self.features = prepared_features(
            settings.faces, settings.features, settings.seed, self._output, self._device, resume, checkpoint
        )
        self.faces = self.features.faces

    def variant(self, settings: AttributeFeedbackSettings) -> "AttributeFeedback":
        """The same faces and features with other settings of witness, retriever or training."""
        task = AttributeFeedback(settings, self._output)
        task.faces, task.features = self.faces, self.features
        return task

    def new_retriever(self) -> FeedbackRetriever:
        """See `multiturn.task.Task.new_retriever`."""
        gru, gallery = self.settings.gru, self.features.gallery("train")
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            retriever = FeedbackRetriever(
                list(ATTRIBUTES),
                gallery.fingerprint,
                self.features.dim,
                gru.hidden,
                gru.fusion,
                float(gallery.norms.mean()),
            )
        return retriever.to(self._device)

    def load_retriever(self, checkpoint: str) -> FeedbackRetriever:
        """See `multiturn.task.Task.load_retriever`."""
        return FeedbackRetriever.from_pretrained(checkpoint).to(self._device)

    def rollout(self, retriever: nn.Module) -> Rollout:
        """See `multiturn.task.Task.rollout`."""
        assert isinstance(retriever, FeedbackRetriever)
        settings, gallery = self.settings, self.features.gallery("train")
        user = AttributeUser(attributes_of(self.faces.train, gallery), self._disclosure, self._train_seeds.user)
        gru = settings.gru
        return Rollout(retriever, gallery, user, gru.turns, gru.margin, gru.nearest, self._train_seeds)

    def examples(self) -> Targets:
        """See `multiturn.task.Task.examples`."""
        return Targets(len(self.features.gallery("train")))

    def validation(self, retriever: nn.Module) -> Trial:
        """See `multiturn.task.Task.validation`."""
        return self._trial("validation", retriever, self.features.gallery("validation"), self.faces.validation)

    def exam(self, retriever: nn.Module) -> Exam:
        """See `multiturn.task.Task.exam`: the GRU, its control without feedback, and the classifier baseline."""
        faces, gallery = self.faces.test, self.features.gallery("test")
        model = self._trial("attribute-feedback GRU", retriever, gallery, faces)
        others: list[tuple[Role, Trial]] = [
            ("control", self._trial("the same GRU without feedback", retriever, gallery, faces, SILENT))
        ]
        predictions = self.features.predictions("test")
        if predictions is not None:
            others += self._baselines(predictions, faces)
        return Exam(
            model,
            others,
            self.faces.source,
            {
                "masked": list(self._disclosure.masked),
                "nested": self._disclosure.nested,
                **({"images left out": self.faces.left_out} if self.faces.left_out else {}),
            },
        )

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """See `multiturn.task.Task.pictures`: like the paper's figure 6."""
        from facefb.pictures import pick_sessions, session_picture

        path = folder / "sessions.png"
        session_picture(outcome, self.faces.test, pick_sessions(outcome, 6, self.settings.seed, unheard), path)
        return {"Sessions: the target, then the face shown in each turn": path}

    def candidates(self) -> Gallery:
        """See `multiturn.task.Searchable.candidates`."""
        return self.features.gallery("test")

    def images(self) -> Dataset:
        """See `multiturn.task.Searchable.images`."""
        return self.faces.test

    def read_reply(self, text: str, turn: Turn) -> AttributeReply:
        """See `multiturn.task.Searchable.read_reply`: how the target compares with the first shown face.

        As in "same: Smiling, Young; differs: Male"; or what the target has and lacks, as in "Smiling, not Male", then
        "also Young". What the shown face has is known, as it is to the simulated witness.

        Raises:
            ValueError: no face is shown, or the text cannot be understood.
        """
        if not turn.shown.shape[1]:
            raise ValueError(
                "no face is shown that the target could be compared with; give the session an opening page, with one "
                "face at least"
            )
        about, known = turn.shown[:, 0], self._shown
        candidate, before = known[about], None
        if isinstance(turn.reply, AttributeReply):
            before = turn.reply.relevance[0].cpu() * known[turn.reply.about[0]].cpu()
        relevance = read_comparison(text, candidate[0], ATTRIBUTES, before)[None].to(candidate.device)
        said = candidate if self._disclosure.candidate else torch.zeros_like(candidate)
        return AttributeReply(about, said, relevance)

    @cached_property
    def _shown(self) -> Int8[Tensor, "candidate attribute"]:
        """What the candidates have, which is looked up at every turn of a live search."""
        return attributes_of(self.faces.test, self.candidates())

    def form(self) -> ReplyForm:
        """See `multiturn.task.Searchable.form`: attributes in which the target is like the shown face, or differs."""
        return ReplyForm("comparison", tuple(ATTRIBUTES))

    def _trial(
        self,
        name: str,
        retriever: nn.Module,
        gallery: Gallery,
        faces: Dataset,
        disclosure: Disclosure | None = None,
    ) -> Trial:
        """A trial with every face of a gallery as a target once, each opening with its own random face."""
        assert isinstance(retriever, FeedbackRetriever)
        attributes = attributes_of(faces, gallery)
        targets = torch.arange(len(gallery), device=self._device)
        evaluation, seeds = self.settings.evaluation, self._test_seeds

        def measures(turn: Turn, target: Tensor) -> Mapping[str, Tensor]:
            return {
                "loss": triplet_loss(turn, target, gallery, self.settings.gru.margin, seeds.negatives),
                "matching_attributes": matching_attributes(attributes, turn.shown[:, 0], target),
            }

        return Trial(
            name,
            retriever,
            gallery,
            AttributeUser(attributes, disclosure or self._disclosure, seeds.user),
            targets,
            evaluation.turns,
            seen=evaluation.seen,
            opening=random_faces(seeds.opening, targets, 0, len(gallery))[:, None],
            measures=measures,
            header={"attributes": ATTRIBUTES},
        )

    def _baselines(self, predictions: Gallery, faces: Dataset) -> list[tuple[Role, Trial]]:
        """The attribute classifier, told all 40 attributes at once."""
        user = AttributeUser(attributes_of(faces, predictions), FULL)
        targets = torch.arange(len(predictions), device=self._device)
        counting, likelihood = (
            Trial(f"attribute classifier, {how}", matching, predictions, user, targets, turns=1)
            for how, matching in (
                ("counting matches", AttributeMatching("matches")),
                ("adding log-likelihoods", AttributeMatching("likelihood")),
            )
        )
        return [("baseline", counting), ("reference", likelihood)]
