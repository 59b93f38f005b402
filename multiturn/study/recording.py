"""What a system did with scripts, written down: transcript, run file, and the results that numbers come from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import torch

from multiturn.experiment import start_output
from multiturn.files import atomic_file
from multiturn.rank_rows import Ended, Rows, tabulate
from multiturn.results import Candidates, Results, digest_of
from multiturn.session import Seen
from multiturn.study.playing import Played, play_together
from multiturn.study.scripts import Script
from multiturn.study.systems import System
from multiturn.transcript import TranscriptWriter
from multiturn.trec import RunFiles, run_files
from multiturn.trial import RanksOf


@contextmanager
def begun(output: Path, config: str) -> Iterator[None]:
    """Begin an output folder; if what is done inside fails, it is as empty afterwards as it was before.

    Args:
        output: folder that is not there yet, or is empty.
        config: of the command, as YAML; goes to OUTPUT/config.yaml.
    Raises:
        ValueError: the folder holds something, which nothing is written over.
    """
    if output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} already holds files; choose another --output_dir, or delete it")
    start_output(output, config, resume=False)
    try:
        yield
    except BaseException:
        for path in output.iterdir():
            rmtree(path) if path.is_dir() else path.unlink()
        raise


@dataclass(frozen=True)
class Rules:
    """How sessions are played.

    Attributes:
        page_size: candidates shown a turn.
        seen: what becomes of candidates shown before.
        run_depth: candidates a turn in run.trec; 0 writes none.
        ended: what holds after a session's last turn; see `multiturn.rank_rows.tabulate`.
    """

    page_size: int
    seen: Seen
    run_depth: int = 10
    ended: Ended = "carry"


def record(
    system: System,
    parts: Iterable[Sequence[Script]],
    rules: Rules,
    folder: Path,
    header: Mapping[str, Any],
    ranked: RanksOf | None = None,
) -> list[Played]:
    """Play batches of scripts, and write FOLDER/transcript.jsonl and the run file, all or nothing.

    Args:
        parts: see `multiturn.study.playing.batches`.
        header: of the transcript, beside what is known of the system and the rules.
        ranked: see `multiturn.study.playing.play_together`.
    Returns:
        what was played, without what the retriever remembered.
    """
    done: list[Played] = []
    gallery = system.gallery
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_file(folder / "transcript.jsonl"))
        writer = stack.enter_context(TranscriptWriter(temporary, transcript_header(system, rules) | dict(header)))
        lists = None
        if rules.run_depth:
            lists = stack.enter_context(run_files(gallery.ids, system.name, folder, rules.run_depth))
        for scripts in parts:
            for played in play_together(system, scripts, rules.page_size, rules.seen, ranked):
                targets = [script.target for script in played.scripts]
                for turn in played.turns:
                    writer.append(turn, gallery, targets)
                if lists is not None:
                    _list(system, played, targets, rules.seen, lists)
                done.append(replace(played, turns=tuple(replace(turn, state=None) for turn in played.turns)))
    return done


def transcript_header(system: System, rules: Rules) -> dict[str, Any]:
    """What holds for all lines of a transcript of a system, as `multiturn.trial.transcript_header` has it."""
    header: dict[str, Any] = {
        "retriever": system.name,
        "checkpoint": system.checkpoint,
        "gallery": system.gallery.source,
        "gallery_size": len(system.gallery),
        "fingerprint": system.gallery.fingerprint,
        "page_size": rules.page_size,
        "seen": rules.seen,
    }
    if attributes := system.task.form().attributes:
        header["attributes"] = list(attributes)
    return header


def first_shown(system: System, played: Sequence[Played]) -> dict[str, int | None]:
    """First turn from 1 whose page held each session's target, by the session's name; None if none did."""
    shown: dict[str, int | None] = {}
    for one in played:
        target = system.gallery.positions([script.target for script in one.scripts])[:, None]
        for row, script in enumerate(one.scripts):
            there = [turn.number for turn in one.turns[1:] if bool((turn.shown[row] == target[row]).any())]
            shown[str(script.number)] = min(there, default=None)
    return shown


def results_of(
    system: System, played: Sequence[Played], rules: Rules, protocol: Mapping[str, Any] | None = None
) -> Results:
    """The ranks of what was played, a session a row; shorter sessions are filled up as the rules say.

    Args:
        protocol: what else a reader must know of the sessions.
    """
    sessions, numbers, targets, best, worst = [], [], [], [], []
    for one in played:
        for turn in one.turns:
            assert turn.ranks is not None
            sessions += [str(script.number) for script in one.scripts]
            targets += [script.target for script in one.scripts]
            numbers += [turn.number] * len(one.scripts)
            best += turn.ranks.best.tolist()
            worst += turn.ranks.worst.tolist()
    rows = Rows(system.name, sessions, numbers, targets, np.array(best), np.array(worst))
    gallery = system.gallery
    candidates = Candidates(len(gallery), gallery.source, gallery.fingerprint, digest_of(gallery.ids))
    facts = {"page_size": rules.page_size, "seen": rules.seen, **(protocol or {})}
    return tabulate(rows, system.name, candidates, facts, rules.ended)


@torch.no_grad()
def _list(system: System, played: Played, targets: Sequence[str], seen: Seen, lists: RunFiles) -> None:
    for number, turn in enumerate(played.turns):
        before = [earlier.shown for earlier in played.turns[:number]]
        hidden = torch.cat(before, 1) if before and seen == "drop_from_rank" else None
        lists.append(turn, targets, system.retriever.score(turn.state, system.gallery), hidden)
