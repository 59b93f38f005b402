"""The lfw-reverse task: people, galleries of two embedders, example photos and the open set put together."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float64
from torch import Tensor, nn

from facefb.reverse_open_set import curve, halves, rates, summary
from facefb.reverse_people import People, build_gallery, load_people, make_embedder, same_candidates
from facefb.reverse_pictures import CURVE_TITLE, PAGES_TITLE, chosen_people, page_rows, write_curves, write_pages
from facefb.reverse_query import read_examples
from facefb.reverse_retriever import ExampleRetriever
from facefb.reverse_settings import Combine, EmbedderSettings, ReverseSearchSettings, Saying
from facefb.reverse_users import Album, ExampleUser, list_measures, other_photos
from multiturn.encoders import Encoder
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.files import first_with, write_text
from multiturn.gallery import Gallery
from multiturn.processes import launched, own_device
from multiturn.replies import ImageReply, RelevanceReply
from multiturn.report.tables import markdown_table
from multiturn.report.task_tables import write_task_table
from multiturn.session import Turn
from multiturn.targets import Targets
from multiturn.task import Exam, ReplyForm, Stage, example_of
from multiturn.trial import Outcome, Trial

NOT = "not:"
OPEN_SET_NOTE = "In parentheses: the FPIR on the people tested, whose thresholds come from other people."
NETWORKS = {"identities": "network trained to tell people apart", "attributes": "network trained to read attributes"}
SELF_HIT = {
    "leave_out": "photos given as examples are out of the list and not counted",
    "keep": "KEPT IN THE INDEX, as in the source: the first hit is the query itself, and hit@K says nothing",
}


class ReverseSearch:
    """Search for a person by example photos: implements `multiturn.task.Task`, `Staged` and `Searchable`.

    The embedder is what is trained, where it is one to train, and `prepare` does it. The retriever learns nothing, so
    that there is no stage of training: train.py saves it, with the fingerprint of its embedder, and reports.

    Args:
        settings: of people, embedders, examples, open set and evaluation.
        output: folder for trained embedders, galleries and drawn faces.
    Source:
        papers/reverse-visual-search.txt.
    """

    primary = "validation_average_precision"
    people: People
    album: Album

    def __init__(self, settings: ReverseSearchSettings, output: Path) -> None:
        self.settings, self._output, self._device = settings, output, own_device()
        self.galleries: dict[str, Gallery] = {}
        self._embedder: Encoder | RegionEncoder | FaceEncoder | None = None
        self._left_out: dict[str, int] = {}

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """See `multiturn.task.Task.prepare`; both galleries are made here, over the pictures that have a face.

        Raises:
            ValueError: nobody has two photos, or `pages.people` names somebody who is not there.
        """
        settings, home = self.settings, checkpoint or self._output
        with launched().main_process_first():
            self.people = load_people(settings.faces, first_with("faces", checkpoint, self._output))
        self._left_out = dict(self.people.left_out)
        made = {}
        for name, chosen in self._chosen().items():
            kept = resume or checkpoint is not None
            encoder = make_embedder(chosen, self.people, home / name, self._device, settings.seed, kept)
            path, old = (folder / "galleries" / f"{name}.safetensors" for folder in (self._output, home))
            made[name], without = build_gallery(encoder, self.people, path, chosen.batch_size, old)
            self._left_out |= without
            if name == "embedder":
                self._embedder = encoder
        self.galleries = {name: gallery.to(self._device) for name, gallery in same_candidates(made).items()}
        ids = self.galleries["embedder"].ids
        self.album = Album([self.people.person[name] for name in ids], self._device)
        if len(self.album.mated) == 0:
            raise ValueError(f"{self.people.source}: nobody has two photos with a face, so that nobody can be found")
        chosen_people(self.album, settings.pages.people)

    def new_retriever(self) -> ExampleRetriever:
        """See `multiturn.task.Task.new_retriever`."""
        return self._retriever("embedder", self.settings.examples.combine)

    def load_retriever(self, checkpoint: str) -> ExampleRetriever:
        """See `multiturn.task.Task.load_retriever`.

        A checkpoint binds it to its embedder; how it takes examples is as the settings say now.
        """
        examples = self.settings.examples
        return ExampleRetriever(
            ExampleRetriever.from_pretrained(checkpoint).fingerprint, examples.combine, examples.self_hit
        )

    def stages(self) -> Sequence[Stage]:
        """See `multiturn.task.Staged.stages`: none, for nothing of the retriever is trained."""
        return []

    def rollout(self, retriever: nn.Module) -> nn.Module:
        """See `multiturn.task.Task.rollout`.

        Raises:
            ValueError: always; there is nothing to train.
        """
        raise ValueError("a retriever by examples has no weights; train its embedder (embedder.network) instead")

    def examples(self) -> Targets:
        """See `multiturn.task.Task.examples`."""
        return Targets(len(self.galleries["embedder"]))

    def validation(self, retriever: nn.Module) -> Trial:
        """See `multiturn.task.Task.validation`: the trial of the report, since nothing is chosen by it."""
        return self.exam(retriever).model

    def exam(self, retriever: nn.Module) -> Exam:
        """See `multiturn.task.Task.exam`: the embedder, the same with one example, and the baseline."""
        assert isinstance(retriever, ExampleRetriever)
        examples = self.settings.examples
        silent: list[Saying] = ["example" if said == "example" else "nothing" for said in examples.says]
        first, baseline = self._retriever("embedder", "first"), self._retriever("baseline", examples.combine)
        titles = self._titles()
        return Exam(
            self._trial(titles["embedder"], "embedder", retriever, examples.says),
            [
                ("control", self._trial("the first example alone", "embedder", first, silent)),
                ("baseline", self._trial(titles["baseline"], "baseline", baseline, examples.says)),
            ],
            self.people.source,
            {
                "said by turn": list(examples.says),
                "several examples": retriever.combine,
                "the query": SELF_HIT[retriever.self_hit],
                "relevant": "the person's other photos; sessions are all photos of people with two or more",
                "the target of R@K": "one of these, never given as an example",
                **(
                    {"images left out": [f"{count} ({why})" for why, count in self._left_out.items()]}
                    if self._left_out
                    else {}
                ),
            },
        )

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """See `multiturn.task.Task.pictures`: pages of some people, and the open set, whose table is printed too."""
        pages, titles = self.settings.pages, self._titles()
        places = chosen_people(self.album, pages.people)
        sheets = [
            page_rows(titles[name], self._retriever(name, "first"), gallery, self.album, places, pages.top)
            for name, gallery in self.galleries.items()
        ]
        write_pages(sheets, self.people.images, folder / "pages.png")
        drawn = {PAGES_TITLE: folder / "pages.png"}
        if self._open_set(folder):
            drawn[CURVE_TITLE] = folder / "open_set.png"
        return drawn

    def candidates(self) -> Gallery:
        """See `multiturn.task.Searchable.candidates`."""
        return self.galleries["embedder"]

    def images(self) -> Dataset:
        """See `multiturn.task.Searchable.images`."""
        return self.people.images

    def read_reply(self, text: str, turn: Turn) -> ImageReply | RelevanceReply:
        """See `multiturn.task.Searchable.read_reply`: the path of a photo, or words about faces of the gallery.

        "example: ID" gives one of them as an example, "not: ID, ID" says which are somebody else.
        """
        if text.startswith(NOT):
            others = self.candidates().positions([name.strip() for name in text.removeprefix(NOT).split(",")])
            return RelevanceReply(others[None], -torch.ones_like(others[None], dtype=torch.int8))
        if (own := example_of(text, self.candidates())) is not None:
            return own
        assert self._embedder is not None
        (example,) = read_examples(self._embedder, [Path(text)])
        return example.reply()

    def form(self) -> ReplyForm:
        """See `multiturn.task.Searchable.form`: the shown face that is closest."""
        return ReplyForm("example")

    def _chosen(self) -> dict[str, EmbedderSettings]:
        return {"embedder": self.settings.embedder, "baseline": self.settings.baseline}

    def _titles(self) -> dict[str, str]:
        """What tables call each embedder."""

        def title(chosen: EmbedderSettings) -> str:
            if chosen.kind == "network":
                return NETWORKS.get(chosen.network.kind, f"{chosen.network.kind} network")
            encoder = chosen.encoder
            return " ".join(filter(None, [encoder.name or encoder.embedder or encoder.kind, _finding(chosen)]))

        embedder, baseline = map(title, self._chosen().values())
        return {"embedder": embedder, "baseline": baseline if baseline != embedder else f"other {baseline}"}

    def _retriever(self, name: str, combine: Combine) -> ExampleRetriever:
        return ExampleRetriever(self.galleries[name].fingerprint, combine, self.settings.examples.self_hit)

    def _trial(self, title: str, name: str, retriever: ExampleRetriever, says: Sequence[Saying]) -> Trial:
        """A trial with every photo of a person with two or more as the target once, and as the first example once."""
        gallery, evaluation = self.galleries[name], self.settings.evaluation
        return Trial(
            title,
            retriever,
            gallery,
            ExampleUser(gallery, self.album, says),
            self.album.mated,
            evaluation.turns,
            page_size=min(self.settings.pages.top, len(gallery)),
            seen=evaluation.seen,
            measures=partial(list_measures, retriever, gallery, self.album),
            relevant=partial(other_photos, self.album),
        )

    def _open_set(self, folder: Path) -> bool:
        """Write and print misses and false alarms of both embedders; False where there are too few people."""
        wanted, evaluation = self.settings.open_set, self.settings.evaluation
        curves, levels, told, fewest = {}, {}, {}, 0
        table = [["Open set", *(f"FNIR at FPIR {share:g}, %" for share in wanted.fpir)]]
        for name, title in self._titles().items():
            both = halves(self.galleries[name], self.album, wanted.seed)
            if both is None:
                print("open set: too few people have two photos")
                return False
            curves[title] = curve(both)
            levels[title] = rates(both, wanted.fpir, evaluation.resamples, evaluation.confidence, wanted.seed)
            told[title] = summary(both, levels[title])
            fewest = min(len(half.strangers) for half in both)
            table.append([title, *(_cell(level.fnir, level.fnir_interval, level.fpir) for level in levels[title])])
        write_text(folder / "open_set.json", json.dumps(told, indent=1))
        write_curves(curves, levels, folder / "open_set.png")
        people = next(iter(told.values()))
        few = [f"{share:g}" for share in wanted.fpir if share * fewest < 1]
        note = (
            f"{OPEN_SET_NOTE} {people['enrolled people']:,} people enrolled with one photo each and "
            f"{people['searches for them']:,} searches for them; {people['strangers']:,} strangers and "
            f"{people['searches for strangers']:,} searches for these. Brackets: {100 * evaluation.confidence:g} % "
            "bootstrap intervals over people."
        )
        if few:
            note += f" With {fewest} searches for strangers, no stranger may pass at FPIR {', '.join(few)}."
        write_task_table(folder / "open_set.table.json", "Open set: FNIR at wanted FPIR", table, note)
        print(f"{markdown_table(table, note)}\n")
        return True


def _finding(chosen: EmbedderSettings) -> str:
    """How the encoder of an embedder finds faces."""
    detector = chosen.encoder.detector
    return "" if detector is None else "on faces as they are" if detector == "none" else f"on faces of {detector}"


def _cell(fnir: float, interval: tuple[float, float], fpir: float) -> str:
    low, high = interval
    return f"{100 * fnir:.2f} [{100 * low:.2f}, {100 * high:.2f}] ({100 * fpir:.2f})"
