"""Playing a feedback retriever over simulated features: its trials, its short training, and what is read off them."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils.data import Subset
from tqdm.auto import tqdm

from benchmarks.reference import rank_bracket, squared_distances
from benchmarks.simulated import Faces
from data_prep.attributes import ATTRIBUTES
from facefb.display import random_faces
from facefb.retriever import FeedbackRetriever
from facefb.rollout import Rollout, Seeds
from facefb.users import PROGRESSIVE, AttributeUser, Disclosure, matching_attributes
from multiturn.gallery import Gallery
from multiturn.metrics import metric_named
from multiturn.session import Turn
from multiturn.settings import TrainingSettings
from multiturn.targets import Targets
from multiturn.training import fit
from multiturn.trial import Outcome, Trial, run

MARGIN, NEAREST = 2.0, 10  # the defaults of facefb.settings.GRUSettings
VALIDATED = 256  # training faces that choose the best epoch


class Reader:
    """Measures of a trial that also keep, from outside, what a benchmark wants to know.

    Args:
        attributes: of the gallery's faces, true ones.
        checked: targets of the sessions whose queries are kept.

    Attributes:
        seconds: of all sessions, a turn; call `begin` right before the trial runs.
        queries: kept ones, a turn.
    """

    def __init__(self, attributes: Tensor, checked: Int[Tensor, " session"]) -> None:
        self._attributes, self._checked = attributes, checked
        self.seconds: dict[int, float] = {}
        self.queries: dict[int, list[Tensor]] = {}
        self._since = 0.0

    def begin(self) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def __call__(self, turn: Turn, target: Int[Tensor, " session"]) -> Mapping[str, Tensor]:
        if target.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[turn.number] = self.seconds.get(turn.number, 0.0) + now - self._since
        kept = torch.isin(target, self._checked)
        self.queries.setdefault(turn.number, []).append(turn.state.query[kept].cpu())
        matching = matching_attributes(self._attributes, turn.shown[:, 0], target)
        self.begin()
        return {"matching_attributes": matching}


@dataclass(frozen=True)
class Setting:
    """What all trials of a benchmark share."""

    gallery: Gallery
    attributes: Tensor
    turns: int
    seed: int

    def trial(
        self, name: str, retriever: FeedbackRetriever, targets: Tensor, disclosure: Disclosure, reader: Reader
    ) -> Trial:
        """A trial as the celeba-feedback task makes it: random opening faces, the nearest face shown."""
        seeds = Seeds(2 * self.seed + 1)
        user = AttributeUser(self.attributes, disclosure, seeds.user)
        opening = random_faces(seeds.opening, targets, 0, len(self.gallery))[:, None]
        return Trial(name, retriever, self.gallery, user, targets, self.turns, opening=opening, measures=reader)


def setting(faces: Faces, gallery: Gallery, turns: int, seed: int, first: int | None = None) -> Setting:
    """A setting over the gallery, or over its first faces only, whose vectors are then not copied."""
    if first is not None:
        gallery = Gallery(gallery.ids[:first], gallery.vectors[:first], gallery.fingerprint, gallery.source)
    attributes = faces.attributes[:first].to(gallery.vectors.device)
    return Setting(gallery, attributes, turns, seed)


def new_retriever(gallery: Gallery, seed: int) -> FeedbackRetriever:
    """An untrained retriever for a gallery."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        retriever = FeedbackRetriever(list(ATTRIBUTES), gallery.fingerprint, gallery.vectors.shape[1])
    return retriever.to(gallery.vectors.device)


def train(
    retriever: FeedbackRetriever, over: Setting, targets: int, settings: TrainingSettings
) -> list[Mapping[str, float]]:
    """Train with the engine on some faces as targets, against all faces of a setting; returns the history."""
    seeds = Seeds(2 * over.seed)
    user = AttributeUser(over.attributes, PROGRESSIVE, seeds.user)
    rollout = Rollout(retriever, over.gallery, user, over.turns, MARGIN, NEAREST, seeds)
    order = torch.randperm(len(over.gallery), generator=torch.Generator().manual_seed(over.seed))
    validated = order[:VALIDATED].to(over.gallery.vectors.device)

    def validate(_: nn.Module) -> Mapping[str, float]:
        reader = Reader(over.attributes, validated[:0])
        outcome = run(over.trial("validation", retriever, validated, PROGRESSIVE, reader), VALIDATED, None, False)
        return {"percentile": float(metric_named("percentile")(outcome.ranks, "expected")[:, -1].mean())}

    examples = Subset(Targets(len(over.gallery)), order[:targets].tolist())
    with tempfile.TemporaryDirectory() as folder:
        progress = fit(rollout, examples, settings, validate, "percentile", Path(folder), over.seed, title="training")
    return list(progress.history)


def check_ranks(outcome: Outcome, reader: Reader, checked: Int[Tensor, " session"]) -> int:
    """Compute the ranks of some sessions again, in float64 over the whole gallery, at every turn.

    Returns:
        how many ranks were compared.
    Raises:
        RuntimeError: one of them differs by more than ties explain.
    """
    trial = outcome.trial
    rows = torch.isin(trial.targets, checked).nonzero().flatten().cpu()
    vectors, targets = trial.gallery.vectors.cpu(), trial.targets.cpu()[rows].tolist()
    turns = sorted(reader.queries)
    with tqdm(total=len(rows) * len(turns), desc="checking ranks", leave=False) as bar:
        for turn in turns:
            for row, target, query in zip(rows.tolist(), targets, torch.cat(reader.queries[turn]), strict=True):
                low, high = rank_bracket(squared_distances(vectors, query), target)
                best, worst = int(outcome.ranks.best[row, turn]), int(outcome.ranks.worst[row, turn])
                if not low <= best <= worst <= high:
                    raise RuntimeError(
                        f"session {row}, turn {turn}: rank {best}..{worst}, but {low}..{high} in float64"
                    )
                bar.update()
    return len(rows) * len(turns)
