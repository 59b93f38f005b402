"""A log of sessions, whatever tool wrote it, and the names of images in it; files are read elsewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from multiturn.session import Seen
from multiturn.study.scripts import Script


@dataclass(frozen=True)
class Logged:
    """A session of a log.

    Attributes:
        script: what was said; its opening page is that of the log, if it has one that no score chose.
        name: of the session in the log.
        pages: ids shown at each turn from 0; None where the log does not say.
        ranks: of the target, best and worst of a tie, likewise.
    """

    script: Script
    name: str
    pages: tuple[tuple[str, ...] | None, ...]
    ranks: tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True)
class Log:
    """Sessions of a log.

    Attributes:
        kind: of the log, in words.
        parts: batches that were played together; sessions of other tools stand alone.
        page_size: candidates of a page; None if the log does not say.
        seen: what became of candidates shown before; None if the log does not say.
        header: what the log says of itself.
        notes: what a reader must know of how it was read.
    """

    kind: str
    parts: Sequence[Sequence[Logged]]
    page_size: int | None = None
    seen: Seen | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def sessions(self) -> list[Logged]:
        """All of them."""
        return [one for part in self.parts for one in part]


class Names:
    """The candidates of a gallery, found by their ids, or by the names of their files where no two are alike.

    Nothing is opened: a path in a log is a name.

    Args:
        ids: of the gallery.
        source: what the gallery is, for messages.
    Example:
        >>> names = Names(["a/1.jpg", "b/2.jpg"], "two")
        >>> names.find("b/2.jpg", "line 1"), names.find("train2014/1.jpg", "line 2"), names.find("2", "line 3")
        ('b/2.jpg', 'a/1.jpg', 'b/2.jpg')
    """

    def __init__(self, ids: Sequence[str], source: str) -> None:
        self._ids, self._source = set(ids), source
        self._by_file: dict[str, str] = {}
        for short in (_file, _stem):
            counts = Counter(map(short, ids))
            self._by_file |= {short(name): name for name in ids if counts[short(name)] == 1}

    def find(self, name: str, where: str) -> str:
        """The id that a log means.

        Raises:
            ValueError: there is none, or more than one.
        """
        found = self.known(name)
        if found is None:
            raise ValueError(
                f"{where}: {name!r} is not in the gallery of {len(self._ids)} ({self._source}); replay with a "
                "checkpoint that searches the images of the log"
            )
        return found

    def known(self, name: str) -> str | None:
        """The id that a log means; None if there is no such candidate."""
        if name in self._ids:
            return name
        return self._by_file.get(_file(name)) or self._by_file.get(_stem(name))


def _file(name: str) -> str:
    return PurePosixPath(name).name


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
