"""One thing to be evaluated: a retriever, a gallery, a user and targets, and the playing of it; no statistics here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad
from tqdm.auto import tqdm

from multiturn.files import atomic_file
from multiturn.gallery import Gallery
from multiturn.index import Index
from multiturn.ranks import Ranks, join
from multiturn.session import Retriever, Seen, Session, Turn, User, play
from multiturn.transcript import TranscriptWriter

Measures = Callable[[Turn, Tensor], Mapping[str, Tensor]]
RanksOf = Callable[[Turn, Tensor], Ranks]
CandidatesOf = Callable[[Turn, Tensor], Tensor]
RANKED = "ranked"  # key of a transcript's header: what is ranked, where it is not the targets


@dataclass(frozen=True)
class Trial:
    """A retriever to be evaluated, and everything that is fixed while it is.

    Attributes:
        name: as tables print it.
        retriever: finds candidates.
        gallery: to search, on the device where the work is to be done.
        user: answers.
        targets: positions in the gallery, one a session; a session's number is its target's position.
        turns: replies a session.
        page_size: candidates shown a turn.
        seen: what becomes of candidates shown before.
        opening: page of turn 0, one row a session, perhaps narrower than later pages; None lets the retriever choose.
        ranks: what is ranked in place of the targets, such as another image of their class: given a turn and the
            targets. None ranks the targets themselves.
        measures: more values of each session and turn, beside ranks: given a turn and the targets.
        relevant: whether each candidate is what a session wants, [session, candidate], where that is more than the
            target; for run files.
        unlisted: positions that a session's list does not hold, [session, position], -1 fills up; likewise.
        index: proposes the candidates of the pages, as in `multiturn.session.Session`; ranks stay exact.
        header: what a transcript's header says beside the above, such as the names of attributes.
    """

    name: str
    retriever: Retriever
    gallery: Gallery
    user: User
    targets: Int[Tensor, " session"]
    turns: int
    page_size: int = 1
    seen: Seen = "keep"
    opening: Int[Tensor, "session opening"] | None = None
    ranks: RanksOf | None = None
    measures: Measures | None = None
    relevant: CandidatesOf | None = None
    unlisted: CandidatesOf | None = None
    index: Index | None = None
    header: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of a trial, as tables of sessions by turns; turn 0 is the first column.

    Attributes:
        ranks: of the targets.
        shown: positions shown; -1 fills up a page that is narrower than others.
        measures: the trial's other values, float64.
    """

    trial: Trial
    ranks: Ranks
    shown: Int[Tensor, "session turn page"]
    measures: Mapping[str, Tensor]


@torch.no_grad()
def run(trial: Trial, batch_size: int, transcript: Path | None = None, show_progress: bool = True) -> Outcome:
    """Play all sessions of a trial.

    Args:
        batch_size: sessions at once; changes speed and memory, never a result.
        transcript: file to record every turn in, all or nothing.
    Raises:
        ValueError: no target, or turns < 1.
    """
    if len(trial.targets) == 0:
        raise ValueError(f"{trial.name}: there is no target to look for")
    if transcript is None:
        return _run(trial, batch_size, None, show_progress)
    with (
        atomic_file(transcript) as temporary,
        TranscriptWriter(temporary, transcript_header(trial)) as writer,
    ):
        return _run(trial, batch_size, writer, show_progress)


def transcript_header(trial: Trial) -> dict[str, object]:
    """What holds for all lines of a trial's transcript."""
    header: dict[str, object] = {
        "retriever": trial.name,
        "gallery": trial.gallery.source,
        "gallery_size": len(trial.gallery),
        "fingerprint": trial.gallery.fingerprint,
        "turns": trial.turns,
        "page_size": trial.page_size,
        "seen": trial.seen,
        **trial.header,
    }
    return header


def _run(trial: Trial, batch_size: int, writer: TranscriptWriter | None, show_progress: bool) -> Outcome:
    device = trial.gallery.vectors.device
    batches: list[list[Turn]] = []
    values: list[list[Mapping[str, Tensor]]] = []
    rows = torch.arange(len(trial.targets)).split(batch_size)
    with tqdm(total=len(trial.targets), desc=trial.name, unit="session", disable=not show_progress, leave=False) as bar:
        for row in rows:
            target = trial.targets[row].to(device)
            opening = None if trial.opening is None else trial.opening[row]
            watched = target if trial.ranks is None else None
            session = Session(
                trial.retriever, trial.gallery, target, trial.page_size, None, trial.seen, opening, watched, trial.index
            )
            names = [trial.gallery.ids[position] for position in target.tolist()]
            turns, measured = [], []
            for turn in play(session, trial.user, target, trial.turns):
                if trial.ranks is not None:
                    turn = replace(turn, ranks=trial.ranks(turn, target))
                turns.append(replace(turn, state=None, reply=None))
                measured.append(trial.measures(turn, target) if trial.measures else {})
                if writer is not None:
                    writer.append(turn, trial.gallery, names)
            batches.append(turns)
            values.append(measured)
            bar.update(len(row))
    return _gather(trial, batches, values)


def _gather(trial: Trial, batches: list[list[Turn]], values: list[list[Mapping[str, Tensor]]]) -> Outcome:
    ranks, shown = [], []
    for turns in batches:
        known = [turn.ranks.to("cpu") for turn in turns if turn.ranks is not None]
        ranks.append(join([Ranks(r.best[:, None], r.worst[:, None], r.candidates) for r in known], dim=1))
        widest = max(turn.shown.shape[1] for turn in turns)
        pages = [pad(turn.shown.cpu(), (0, widest - turn.shown.shape[1]), value=-1) for turn in turns]
        shown.append(torch.stack(pages, 1))
    measures = {
        name: torch.cat([torch.stack([turn[name].cpu().double() for turn in batch], 1) for batch in values])
        for name in values[0][0]
    }
    return Outcome(trial, join(ranks, dim=0), torch.cat(shown), measures)
