"""Run and qrels files of TREC, which ranx and ir_measures read: a query is SESSION_TURN.

What is relevant is the target, or all that a task looks for: images of a class, or photos of a person.

Written while a trial is played; read back as lists of candidates, whose ranks are taken in result_files.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import torch
from jaxtyping import Bool
from torch import Tensor

from multiturn.files import atomic_file
from multiturn.scoring import Scores
from multiturn.search import search
from multiturn.session import Turn
from multiturn.trial import Trial


@dataclass(frozen=True)
class RunFiles:
    """A run file and its qrels while they are written."""

    ids: Sequence[str]
    tag: str
    depth: int
    lists: TextIO
    relevant: TextIO

    def append(
        self,
        turn: Turn,
        targets: Sequence[str],
        scores: Scores,
        hidden: Tensor | None,
        relevant: Bool[Tensor, "session candidate"] | None = None,
    ) -> None:
        """Write the best candidates of each session of a turn.

        Args:
            targets: ids of what the sessions look for.
            scores: of the turn.
            hidden: positions that have left the ranking.
            relevant: what the sessions want, where that is not their targets.
        """
        left = len(self.ids) - (0 if hidden is None else hidden.shape[1])
        found = search(scores, min(self.depth, left), None, hidden, "rank")
        for row, (session, target) in enumerate(zip(turn.sessions.tolist(), targets, strict=True)):
            query = f"{session}_{turn.number}"
            wanted = {target: 1}
            if relevant is not None:
                # Where nothing is left to be found, the session's own image says so: it must not fall out of means.
                left = [self.ids[place] for place in relevant[row].nonzero()[:, 0].tolist()]
                wanted = dict.fromkeys(left, 1) or {target: 0}
            self.relevant.writelines(f"{query} 0 {name} {grade}\n" for name, grade in wanted.items())
            best = zip(found.positions[row].tolist(), found.scores[row].tolist(), strict=True)
            self.lists.writelines(
                f"{query} Q0 {self.ids[place]} {rank} {score!r} {self.tag}\n"
                for rank, (place, score) in enumerate(best, start=1)
            )


@contextmanager
def run_files(ids: Sequence[str], name: str, folder: Path, depth: int) -> Iterator[RunFiles]:
    """Yield what writes FOLDER/run.trec and FOLDER/qrels.trec, each all or nothing.

    Args:
        ids: of the gallery.
        name: of the system.
        depth: lines a session and turn.
    Raises:
        ValueError: an id holds white space, which the format cannot write.
    """
    spaced = next((name for name in ids if len(name.split()) != 1), None)
    if spaced is not None:
        raise ValueError(
            f"id {spaced!r} holds white space, which a run file cannot write; write none with --run_depth 0"
        )
    with (
        atomic_file(folder / "run.trec") as run,
        atomic_file(folder / "qrels.trec") as qrels,
        run.open("w", encoding="utf-8") as lists,
        qrels.open("w", encoding="utf-8") as relevant,
    ):
        yield RunFiles(ids, "-".join(name.split()), depth, lists, relevant)


@contextmanager
def recorded(trial: Trial, folder: Path, depth: int) -> Iterator[Trial]:
    """Yield a trial which, while it is played, leaves FOLDER/run.trec and FOLDER/qrels.trec, each all or nothing.

    The run lists the best `depth` candidates of every session and turn in display order, with their scores. A tool
    that reads it breaks ties between equal scores in its own way. Turn 0 is listed by its scores, whatever page
    opened the session; candidates dropped from the ranking, and those that the trial leaves unlisted, are not listed.

    Args:
        depth: lines a session and turn; a target ranked below is not in the file, and R@K holds up to this K.
    Raises:
        ValueError: an id holds white space, which the format cannot write.
    """
    with run_files(trial.gallery.ids, trial.name, folder, depth) as files:
        shown: list[Tensor] = []

        def measures(turn: Turn, target: Tensor) -> Mapping[str, Tensor]:
            if turn.number == 0:
                shown.clear()
            hidden = torch.cat(shown, 1) if shown and trial.seen == "drop_from_rank" else None
            if trial.unlisted is not None:
                hidden = trial.unlisted(turn, target)
            relevant = None if trial.relevant is None else trial.relevant(turn, target)
            shown.append(turn.shown)
            names = [trial.gallery.ids[place] for place in target.tolist()]
            files.append(turn, names, trial.retriever.score(turn.state, trial.gallery), hidden, relevant)
            return trial.measures(turn, target) if trial.measures else {}

        yield replace(trial, measures=measures)


@dataclass(frozen=True)
class Lists:
    """Ranked candidates of sessions and turns, one entry a candidate, as files have them.

    Attributes:
        source: the file, for messages.
        targets: id of the target of each session and turn.
        queries: session and turn of each entry.
        candidates: id in each entry.
        ranks: from 1, as printed there; empty if the file has none.
        scores: higher is better.
    """

    source: str
    targets: Mapping[tuple[str, int], str]
    queries: list[tuple[str, int]]
    candidates: list[str]
    ranks: list[float]
    scores: list[float]


def read_trec(run: Path, qrels: Path) -> Lists:
    """Read a run and its qrels.

    Raises:
        ValueError: a line with another number of fields or a value that is no number (its number is named), a query
            that is not SESSION_TURN, a query of the run without a target, or one with two.
    """
    targets: dict[tuple[str, int], str] = {}
    for number, (query, _, document, relevance) in _lines(qrels, 4):
        key = _query(query, qrels, number)
        if not _number(relevance, qrels, number) > 0:
            continue
        if key in targets:
            raise ValueError(
                f"line {number} of {qrels}: {query} has the targets {targets[key]!r} and {document!r}; give one"
            )
        targets[key] = document
    lists = Lists(str(run), targets, [], [], [], [])
    for number, (query, _, document, rank, score, _) in _lines(run, 6):
        key = _query(query, run, number)
        if key not in targets:
            raise ValueError(f"line {number} of {run}: query {query} has no target in {qrels}; add it there")
        lists.queries.append(key)
        lists.candidates.append(document)
        lists.ranks.append(_number(rank, run, number))
        lists.scores.append(_number(score, run, number))
    return lists


def _lines(path: Path, fields: int) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            found = line.split()
            if found and len(found) != fields:
                kind = "qid 0 docid relevance" if fields == 4 else "qid Q0 docid rank score tag"
                raise ValueError(f"line {number} of {path} has {len(found)} fields, not the {fields} of {kind!r}")
            if found:
                yield number, found


def _query(query: str, path: Path, number: int) -> tuple[str, int]:
    session, underscore, turn = query.rpartition("_")
    if not underscore or not turn.isdecimal():
        raise ValueError(f"line {number} of {path}: query {query!r} is not SESSION_TURN, such as 17_0 or 17_1")
    return session, int(turn)


def _number(text: str, path: Path, number: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"line {number} of {path}: {text!r} is no number") from None
