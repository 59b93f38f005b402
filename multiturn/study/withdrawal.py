"""Deleting everything about a participant, from the database and from what was written out of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from multiturn.files import write_text
from multiturn.study.store import Participant, Store
from multiturn.study.tokens import kept, typed_code

WRITTEN = "written"  # the file beside a database that lists what was written from it


def withdraw(store: Store, code: str) -> Participant:
    """Delete the participant of a code, with every file that was written while they took part.

    Exports and reports can be written again; they then know nothing of the participant.

    Args:
        store: of the study.
        code: as the participant was given it; capitals, spaces and dashes do not matter.
    Raises:
        ValueError: nobody has this code.
    """
    participant = store.with_code(kept(typed_code(code)))
    if participant is None:
        # An earlier withdrawal may have been cut short after the rows were gone and before their bytes were.
        store.compact()
        raise ValueError("nobody in this study has this code; look at it again, or it was used before")
    for path in written(store):
        path.unlink(missing_ok=True)
    _list(store.path).unlink(missing_ok=True)
    store.erase(participant.id)
    return participant


def written(store: Store) -> list[Path]:
    """Files that were written from a database and hold its participants."""
    path = _list(store.path)
    return [Path(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def write_noted(
    store: Store, participants: Sequence[Participant], files: Mapping[Path, str], coming: Sequence[Path] = ()
) -> None:
    """Write files that hold participants, such that a withdrawal deletes them, whenever it comes.

    Args:
        participants: whom they hold.
        files: their texts.
        coming: others, which the caller writes afterwards.
    Raises:
        ValueError: one of the participants withdrew meanwhile; nothing is written.
    """
    note_written(store, [*files, *coming])
    for path, text in files.items():
        write_text(path, text)
    if not {one.id for one in participants} <= {one.id for one in store.participants()}:
        for path in files:
            path.unlink(missing_ok=True)
        raise ValueError("somebody withdrew while this was written; nothing was, so begin again")


def note_written(store: Store, paths: Sequence[Path]) -> None:
    """Remember files that will hold participants, before they do."""
    with _list(store.path).open("a", encoding="utf-8") as file:
        file.writelines(f"{path.resolve()}\n" for path in paths)


def _list(database: Path) -> Path:
    return database.with_name(f"{database.name}.{WRITTEN}")
