"""The celeba-attributes task: faces, frozen features, queries, the common space and its references put together."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float64
from torch import Tensor, nn

from data_prep.attributes import ATTRIBUTES
from facefb.attribute_queries import AttributeQueries, SilentQueries, list_measures, read_query
from facefb.attribute_settings import AttributeSearchSettings
from facefb.attribute_space import AttributeSpace
from facefb.attribute_training import SpaceLoss
from facefb.features import FaceFeatures, attributes_of, prepared_features
from facefb.matching import AttributeMatching
from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.processes import launched, own_device
from multiturn.replies import WantedReply
from multiturn.session import Retriever, Turn, User
from multiturn.targets import Targets
from multiturn.task import Exam, ReplyForm, Role
from multiturn.trial import Outcome, Trial


class AttributeSearch:
    """Search of faces by attributes: implements `multiturn.task.Task`.

    Args:
        settings: of data, features, space, queries and evaluation.
        output: folder for the trained encoder, the galleries and drawn faces.
    Source:
        papers/face-attribute-retrieval.txt.
    """

    primary = "validation_average_precision"

    def __init__(self, settings: AttributeSearchSettings, output: Path) -> None:
        self.settings, self._output, self._device = settings, output, own_device()
        self.features: FaceFeatures

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """See `multiturn.task.Task.prepare`."""
        settings = self.settings
        self.features = prepared_features(
            settings.faces, settings.features, settings.seed, self._output, self._device, resume, checkpoint
        )

    def new_retriever(self) -> AttributeSpace:
        """See `multiturn.task.Task.new_retriever`."""
        space, fingerprint = self.settings.space, self.features.gallery("train").fingerprint
        names, classifier = list(ATTRIBUTES), self.features.teacher()
        likelihood = 0.0 if classifier is None else space.likelihood
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            made = AttributeSpace(names, fingerprint, self.features.dim, space.dim, space.hidden, likelihood)
        if classifier is not None and made.classify is not None:
            made.classify.load_state_dict(classifier.state_dict())
        return made.to(self._device)

    def load_retriever(self, checkpoint: str) -> AttributeSpace:
        """See `multiturn.task.Task.load_retriever`."""
        return AttributeSpace.from_pretrained(checkpoint).to(self._device)

    def rollout(self, retriever: nn.Module) -> SpaceLoss:
        """See `multiturn.task.Task.rollout`."""
        assert isinstance(retriever, AttributeSpace)
        gallery = self.features.gallery("train")
        attributes = attributes_of(self.features.faces.train, gallery)
        space, seed = self.settings.space, self.settings.seed
        # The other processes read what the first one has encoded.
        with launched().main_process_first():
            views = self.features.views(space.views, self.settings.features.view, ~seed)
        teacher = self.features.teacher()
        return SpaceLoss(retriever, gallery, attributes, space, 2 * seed, views, teacher and teacher.forward)

    def examples(self) -> Targets:
        """See `multiturn.task.Task.examples`."""
        return Targets(len(self.features.gallery("train")))

    def validation(self, retriever: nn.Module) -> Trial:
        """See `multiturn.task.Task.validation`."""
        assert isinstance(retriever, AttributeSpace)
        return self._trial("validation", retriever, self.features.gallery("validation"), "validation")

    def exam(self, retriever: nn.Module) -> Exam:
        """See `multiturn.task.Task.exam`: the space, told nothing, the classifier, and the true attributes."""
        assert isinstance(retriever, AttributeSpace)
        gallery = self.features.gallery("test")
        others: list[tuple[Role, Trial]] = [
            (
                "control",
                self._trial("the same, told nothing", retriever, gallery, "test", SilentQueries(len(ATTRIBUTES))),
            )
        ]
        if (predictions := self.features.predictions("test")) is not None:
            counting, likelihood = AttributeMatching("matches"), AttributeMatching("likelihood")
            others.append(
                ("baseline", self._trial("attribute classifier, counting matches", counting, predictions, "test"))
            )
            others.append(
                ("reference", self._trial("attribute classifier, log-likelihoods", likelihood, predictions, "test"))
            )
        truth = Gallery(gallery.ids, self._attributes("test", gallery).float(), "true attributes", gallery.source)
        others.append(("reference", self._trial("true attributes", AttributeMatching("matches"), truth, "test")))
        faces = self.features.faces
        return Exam(
            self._trial("attribute space", retriever, gallery, "test"),
            others,
            faces.source,
            {
                "attributes told by each turn": self.settings.queries.told,
                "relevant": "agrees on all that was told; the image that a query was made of does not count",
                "chance level of P@10 and average precision": "the prevalence",
                **({"images left out": faces.left_out} if faces.left_out else {}),
            },
        )

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """See `multiturn.task.Task.pictures`: the first faces of some queries."""
        from facefb.attribute_pictures import queries_picture

        path = folder / "queries.png"
        queries = self._queries("test", outcome.trial.gallery)
        queries_picture(outcome, queries, self.images(), ATTRIBUTES, path)
        return {"Queries, and the faces that are found first": path}

    def candidates(self) -> Gallery:
        """See `multiturn.task.Searchable.candidates`."""
        return self.features.gallery("test")

    def images(self) -> Dataset:
        """See `multiturn.task.Searchable.images`."""
        return self.features.faces.test

    def read_reply(self, text: str, turn: Turn) -> WantedReply:
        """See `multiturn.task.Searchable.read_reply`: attributes, as in "Smiling, not Male" or then "also Young"."""
        before = turn.reply.wanted[0] if isinstance(turn.reply, WantedReply) else None
        return WantedReply(read_query(text, ATTRIBUTES, before)[None])

    def form(self) -> ReplyForm:
        """See `multiturn.task.Searchable.form`: attributes that the face has or lacks."""
        return ReplyForm("wanted", tuple(ATTRIBUTES))

    def _trial(self, name: str, retriever: Retriever, gallery: Gallery, part: str, user: User | None = None) -> Trial:
        """A trial with random faces of a gallery as targets, the same whoever is tried."""
        queries = self._queries(part, gallery)
        everyone = torch.arange(len(gallery), device=self._device)
        chosen = uniform(2 * self.settings.seed + 1, everyone, 1, 1)[:, 0].argsort()[: self.settings.queries.count]
        return Trial(
            name,
            retriever,
            gallery,
            user or queries,
            chosen.sort().values,
            self.settings.evaluation.turns,
            page_size=min(10, len(gallery)),
            seen=self.settings.evaluation.seen,
            measures=partial(list_measures, retriever, gallery, queries),
            header={"attributes": ATTRIBUTES},
        )

    def _queries(self, part: str, gallery: Gallery) -> AttributeQueries:
        return AttributeQueries(self._attributes(part, gallery), self.settings.queries.told, 2 * self.settings.seed + 1)

    def _attributes(self, part: str, gallery: Gallery) -> Tensor:
        return attributes_of(getattr(self.features.faces, part), gallery)
