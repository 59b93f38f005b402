"""The vg-drilldown task: captions, frozen regions, user, models and the two stages of training put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float64
from torch import Tensor, nn

from drilldown.data import CaptionedParts, load_captions
from drilldown.drill_down import DrillDown
from drilldown.features import RegionFeatures, check_precomputed, prepared_features
from drilldown.model_settings import ModelSettings
from drilldown.models import load_model, new_model, second_stage
from drilldown.noise import SEEDS, noisy
from drilldown.retriever import TextRetriever
from drilldown.rollout import Rollout, Seeds
from drilldown.settings import DrilldownSettings
from drilldown.users import CaptionUser
from multiturn.experiment import train_retriever
from multiturn.files import first_with
from multiturn.gallery import Gallery
from multiturn.processes import launched, own_device
from multiturn.replies import Reply, TextReply
from multiturn.scoring import DenseScores
from multiturn.session import Retriever, Turn
from multiturn.targets import Targets
from multiturn.task import Exam, ReplyForm, Role, Stage
from multiturn.trial import Outcome, Trial

SINGLE = "single-state"  # folder of the baseline with one state
TITLES = {"hre": "HRE", "r-hre": "R-HRE", "r-re": "R-RE", "r-rankfusion": "R-RankFusion"}


class Unheard:
    """The control without feedback: hears nothing, and ranks the candidates by a digest of their ids.

    A model that was told nothing scores all candidates alike; this breaks the tie, the same way in every session.
    """

    def start(self, sessions: int, gallery: Gallery) -> int:
        """See `multiturn.session.Retriever.start`."""
        return sessions

    def update(self, state: int, reply: Reply, gallery: Gallery) -> int:
        """See `multiturn.session.Retriever.update`."""
        return state

    def score(self, state: int, gallery: Gallery) -> DenseScores:
        """See `multiturn.session.Retriever.score`."""
        order = sorted(range(len(gallery)), key=lambda place: sha256(gallery.ids[place].encode()).digest())
        places = torch.empty(len(gallery))
        places[order] = torch.arange(len(gallery), dtype=torch.float32)
        return DenseScores(places.expand(state, -1).to(gallery.vectors.device))


class Drilldown:
    """Retrieval of scenes with several sentences: implements `multiturn.task.Task`, `Staged` and `Searchable`.

    Args:
        settings: of data, regions, model, training and evaluation.
        output: folder for drawn scenes, the scene network and the galleries.
    Source:
        papers/drill-down.txt.
    """

    images_of: CaptionedParts
    features: RegionFeatures

    def __init__(self, settings: DrilldownSettings, output: Path) -> None:
        self.settings, self._output = settings, output
        # Tables compare by it; the best epoch is chosen as `stages` say.
        self.primary = f"R@{settings.evaluation.recall_at[0]}"
        self._device = own_device()
        self._single: nn.Module | None = None
        # Noise draws from other seeds than training.
        self._seeds = Seeds(2 * settings.seed)
        self._noise_seed = -1 - SEEDS * (1 + settings.seed)

    def prepare(self, resume: bool = False, checkpoint: Path | None = None) -> None:
        """See `multiturn.task.Task.prepare`."""
        settings, turns = self.settings, max(self.settings.loss.turns, self.settings.evaluation.turns)
        if settings.regions.path is not None:
            check_precomputed(settings.regions.path)
        with launched().main_process_first():
            self.images_of = load_captions(settings.data, turns, first_with("scenes", checkpoint, self._output))
        self.features = prepared_features(
            self.images_of, settings.regions, settings.seed, self._output, self._device, resume, checkpoint
        )

        self._single = self._single_state(resume, checkpoint) if settings.compared else None

    def variant(self, settings: DrilldownSettings) -> "Drilldown":
        """The same images and regions with other settings of model, loss or training."""
        task = Drilldown(settings, self._output)
        task.images_of, task.features = self.images_of, self.features
        return task

    def new_retriever(self) -> TextRetriever:
        """See `multiturn.task.Task.new_retriever`; for stage 2 alone it is the model that stage 1 has trained."""
        settings, gallery = self.settings, self.features.gallery("train")
        if settings.stage == 2:
            model: TextRetriever = second_stage(settings.model, settings.stage1)
            gallery.check_made_by(model.fingerprint)
            return model.to(self._device)
        words = None if settings.model.text else self.images_of.vocabulary(settings.data.more_than).words
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            retriever = new_model(
                self.acting, words, gallery.fingerprint, gallery.vectors.shape[-1], self._seeds.policy
            )
        return retriever.to(self._device)

    def load_retriever(self, checkpoint: str) -> TextRetriever:
        """See `multiturn.task.Task.load_retriever`."""
        return load_model(self.settings.model.kind, checkpoint).to(self._device)

    @property
    def acting(self) -> ModelSettings:
        """The model with the policy that it ends up with: stage 1 alone trains with the fixed one."""
        model = self.settings.model
        return replace(model, policy="fixed") if self.settings.learned and self.settings.stage == 1 else model

    def stages(self) -> Sequence[Stage]:
        """See `multiturn.task.Staged.stages`."""
        settings = self.settings
        both = settings.learned and settings.stage == 0
        stages = []
        if settings.stage != 2:
            stages.append(self._stage(1, "stage-1" if both else "."))
        if settings.stage == 2 or both:
            stages.append(self._stage(2, "."))
        return stages

    def rollout(self, retriever: nn.Module) -> nn.Module:
        """See `multiturn.task.Task.rollout`: that of the last stage."""
        return self.stages()[-1].rollout(retriever)

    def examples(self) -> Targets:
        """See `multiturn.task.Task.examples`."""
        return Targets(len(self.images_of.train))

    def validation(self, retriever: nn.Module) -> Trial:
        """See `multiturn.task.Task.validation`."""
        return self._trial("validation", retriever, "validation", noise=False)

    def exam(self, retriever: nn.Module) -> Exam:
        """See `multiturn.task.Task.exam`: the model, a control that hears nothing, and one state of the same memory."""
        left_out = self.images_of.left_out
        model = self._trial(model_title(self.acting), retriever, "test", noise=True)
        control = replace(model, name="told nothing, in a random order", retriever=Unheard())
        noise = {f"{kind} captions": rate for kind, rate in vars(self.settings.noise).items() if rate}
        protocol = {
            "captions": "the first of each image, in their order",
            **noise,
            **({"images left out": dict(left_out)} if left_out else {}),
        }
        others: list[tuple[Role, Trial]] = [("control", control)]
        if self._single is not None:
            others.append(
                ("baseline", self._trial(model_title(self.settings.of_one_state.model), self._single, "test", True))
            )
        return Exam(model, others, self.images_of.source, protocol)

    def pictures(
        self, outcome: Outcome, folder: Path, unheard: Float64[Tensor, " session"] | None = None
    ) -> Mapping[str, Path]:
        """See `multiturn.task.Task.pictures`: like the paper's figure 4, and what the policy chose; of Drill-down."""
        trial, images = outcome.trial, self.images_of.test.images
        if not isinstance(trial.retriever, DrillDown):
            return {}
        from drilldown.choices import write_choices
        from drilldown.pictures import TITLE, pick_sessions, session_picture

        drawn = {}
        if trial.gallery.boxes is not None and images[0]["image"] is not None:
            drawn[TITLE] = folder / "sessions.png"
            session_picture(outcome, images, pick_sessions(outcome, 6, self.settings.seed, unheard), drawn[TITLE])
        if trial.turns > 1:
            write_choices(trial, folder)
            drawn["What the policy chose"] = folder / "choices_of_the_policy.png"
        return drawn

    def candidates(self) -> Gallery:
        """See `multiturn.task.Searchable.candidates`."""
        return self.features.gallery("test")

    def images(self) -> Dataset:
        """See `multiturn.task.Searchable.images`."""
        return self.images_of.test.images

    def read_reply(self, text: str, turn: Turn) -> Reply:
        """See `multiturn.task.Searchable.read_reply`: any sentence about the image."""
        if not text.strip():
            raise ValueError("nothing was said; describe something that the image shows")
        return TextReply((text.strip(),))

    def form(self) -> ReplyForm:
        """See `multiturn.task.Searchable.form`: a sentence."""
        return ReplyForm("text")

    def _single_state(self, resume: bool, checkpoint: Path | None) -> nn.Module | None:
        """The baseline with one state of the same memory, trained here; None where a checkpoint has none."""
        folder, settings = (checkpoint or self._output) / SINGLE, self.settings.of_one_state
        if (resume or checkpoint) and (folder / "config.json").is_file():
            return load_model(settings.model.kind, str(folder)).to(self._device)
        return None if checkpoint else train_retriever(self.variant(settings), settings, folder, resume)

    def _stage(self, number: int, folder: str) -> Stage:
        settings = self.settings
        by_loss = settings.choose == "loss" or (settings.choose == "paper" and number == 1)
        training = settings.training if number == 1 else settings.joint

        def begin(retriever: nn.Module) -> Rollout:
            if isinstance(retriever, DrillDown) and settings.learned:
                retriever.policy = "fixed" if number == 1 else "learned"
            return self._rollout(retriever, "train", number)

        def loss(retriever: nn.Module) -> Mapping[str, float]:
            return {"validation_loss": self._validation_loss(retriever, number, training.batch_size)}

        primary = "-validation_loss" if by_loss else "recall"
        return Stage(f"stage {number}", folder, begin, training, primary, loss if by_loss else None)

    def _rollout(self, retriever: nn.Module, part: str, stage: int) -> Rollout:
        loss = replace(self.settings.loss, stage=stage)
        captions = self.images_of.part(part).captions
        return Rollout(retriever, self.features.gallery(part), captions, loss, self._seeds, shuffled=part == "train")

    @torch.no_grad()
    def _validation_loss(self, retriever: nn.Module, stage: int, batch_size: int) -> float:
        """Mean over batches of the training's size; a last one that is smaller counts only if it is alone."""
        rollout = self._rollout(retriever, "validation", stage).eval()
        rows = torch.arange(len(self.images_of.validation), device=self._device).split(batch_size)
        whole = [row for row in rows if len(row) == batch_size] or list(rows)
        # After the warm-up, whose loss is another one.
        epoch = self.settings.loss.warm_up
        return float(torch.stack([rollout(row, epoch) for row in whole]).mean())

    def _trial(self, name: str, retriever: nn.Module, part: str, noise: bool) -> Trial:
        """A trial with every image of a part as a target once."""
        assert isinstance(retriever, TextRetriever) and isinstance(retriever, Retriever)
        gallery, images, evaluation = self.features.gallery(part), self.images_of.part(part), self.settings.evaluation
        user = CaptionUser(images.ids, images.captions, evaluation.turns)
        if noise:
            user = noisy(user, self.settings.noise, evaluation.turns, len(gallery), self._noise_seed)
        targets = torch.arange(len(gallery), device=self._device)
        return Trial(name, retriever, gallery, user, targets, evaluation.turns, seen=evaluation.seen)


def model_title(settings: ModelSettings) -> str:
    """What tables call a model.

    Example:
        >>> model_title(ModelSettings(states=5, dim=256, policy="learned")), model_title(ModelSettings("r-hre"))
        ('Drill-down 5 x 256, learned policy', 'R-HRE 128')
    """
    if settings.kind == "drill-down" and settings.states == 1:
        return f"Single state of {settings.dim}"
    if settings.kind == "drill-down":
        return f"Drill-down {settings.states} x {settings.dim}, {settings.policy} policy"
    return f"{TITLES[settings.kind]} {settings.dim}"
