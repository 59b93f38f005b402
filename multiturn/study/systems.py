"""The systems of a study, opened from their checkpoints; who searches with them lives elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from multiturn.cli import Parser, TaskSettings, asked_checkpoint, home_of
from multiturn.gallery import Gallery
from multiturn.index import Index
from multiturn.session import Retriever, Seen, Session
from multiturn.task import Searchable


@dataclass(frozen=True)
class System:
    """A trained retriever with what it searches.

    Attributes:
        name: as tables and participants' records call it.
        checkpoint: where it comes from, as it was asked for.
        task: tells what a line of text means, and has the images.
        retriever: trained.
        gallery: its candidates.
        index: proposes the pages of its sessions; exact search if None.
    """

    name: str
    checkpoint: str
    task: Searchable
    retriever: Retriever
    gallery: Gallery
    index: Index | None = None

    def session(
        self,
        sessions: Int[Tensor, " session"],
        page_size: int,
        seen: Seen,
        opening: Int[Tensor, "session page"] | None = None,
        watched: Int[Tensor, " session"] | None = None,
    ) -> Session:
        """A batch of sessions with this system; see `multiturn.session.Session` for the arguments."""
        return Session(self.retriever, self.gallery, sessions, page_size, None, seen, opening, watched, self.index)

    @property
    def images(self) -> Any:
        """A data set of the candidates, with the columns `id` and `image`."""
        return self.task.images()


def open_system(name: str, checkpoint: str, configs: Path, overrides: Sequence[str] = ()) -> System:
    """Open a checkpoint with the configuration that it was trained with.

    Args:
        name: what to call the system.
        checkpoint: output folder of train.py, or ORG/NAME[@REVISION] on the Hub.
        configs: folder of YAML files, one a task, in which the checkpoint's task is found.
        overrides: settings to change, as on a command line: `["--evaluation.seen", "keep"]`.
    Raises:
        SystemExit: no checkpoint there, or settings that do not fit it; the message says which.
        ValueError: see `prepared_system`.
    """
    parser = Parser(prog=name)
    parser.add_argument("--checkpoint")
    asked = ["--checkpoint", checkpoint, *overrides]
    folder, config = asked_checkpoint(parser, asked)
    parser.add_task([*config, *asked], configs)
    settings, _, _ = parser.parse_task([*config, *asked])
    return prepared_system(name, checkpoint, settings, folder)


def prepared_system(name: str, checkpoint: str, settings: TaskSettings, folder: Path) -> System:
    """Make a checkpoint ready for searching.

    Args:
        name: what to call the system.
        checkpoint: as it was asked for.
        settings: of its task.
        folder: where it lies.
    Raises:
        ValueError: a training that is not over, a task whose images nobody can search in words, or weights of another
            encoder than the gallery's.
    """
    if not (folder / "config.json").is_file():  # written last, when the training is over
        raise ValueError(
            f"{checkpoint} holds no trained retriever, no config.json; go on with its training by python train.py "
            f"--output_dir {checkpoint} --resume, or name another checkpoint"
        )
    task = settings.build(home_of(checkpoint))
    if not isinstance(task, Searchable):
        raise ValueError(f"{type(task).__name__} of {checkpoint} cannot be searched by a person; choose another task")
    task.prepare(checkpoint=folder)
    retriever = task.load_retriever(str(folder))
    assert isinstance(retriever, Retriever)
    return System(name, checkpoint, task, retriever, task.candidates())


def open_systems(checkpoints: Mapping[str, str], configs: Path, overrides: Sequence[str] = ()) -> list[System]:
    """Open the systems of one study.

    Systems whose galleries are equal share one in memory.

    Args:
        checkpoints: of each system, by its name.
    Raises:
        ValueError: two systems search other candidates; or see `open_system`.
    """
    systems: list[System] = []
    for name, checkpoint in checkpoints.items():
        systems.append(_sharing(open_system(name, checkpoint, configs, overrides), systems))
    return systems


def _sharing(system: System, others: Sequence[System]) -> System:
    """The system, with the gallery of another one in place of an equal one of its own."""
    for other in others:
        ours, theirs = system.gallery, other.gallery
        if ours.ids != theirs.ids:
            some = min({*ours.ids} ^ {*theirs.ids})
            where = system.name if some in {*ours.ids} else other.name
            raise ValueError(
                f"{other.name} and {system.name} search other candidates: {len(theirs)} ({theirs.source}) and "
                f"{len(ours)} ({ours.source}); {some!r} is in {where} only. Train both on the same data"
            )
        if ours.fingerprint == theirs.fingerprint and equal_vectors(ours, theirs):
            return replace(system, gallery=theirs)
    return system


def equal_vectors(one: Gallery, other: Gallery) -> bool:
    """Whether two galleries with the same ids hold the same vectors."""
    same = one.vectors.shape == other.vectors.shape and one.vectors.dtype == other.vectors.dtype
    return same and bool((one.vectors == other.vectors).all())
