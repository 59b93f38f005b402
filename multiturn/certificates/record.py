"""What a certificate says, and the line of it that a report prints; measuring.py makes the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multiturn.faiss_index import FaissIndex
from multiturn.faiss_index.files import read_about
from multiturn.index import Index, Together

_WORDS = {"nprobe": "nprobe", "ef_search": "efSearch", "k_factor": "k factor", "proposals": "proposals"}


@dataclass(frozen=True)
class Recall:
    """Share of the exact answer's first k that are among the index's first k, and its interval; a mean over queries."""

    k: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Speed:
    """Milliseconds a query by the index and by exact search, the two measured in turns in one process."""

    index: float
    exact: float

    @property
    def times(self) -> float:
        """How many times as fast the index is."""
        return self.exact / self.index


@dataclass(frozen=True)
class IndexRecord:
    """One index that a certificate speaks of, and how it was asked."""

    factory: str
    similarity: str
    by: str
    effort: Mapping[str, float | int]
    digest: str
    bytes: int
    build_seconds: float

    @property
    def name(self) -> str:
        """As tables print it: the factory, what it indexes, and its effort."""
        by = "" if self.by == "vectors" else f" of {self.by}"
        told = [f"{_WORDS[name]} {value:g}" for name, value in self.effort.items() if (name, value) != ("proposals", 1)]
        asked = f" ({', '.join(told)})" if told else ""
        return f"{self.factory}{by}{asked}"


@dataclass(frozen=True)
class Certificate:
    """What was measured of an index, or of several that propose together.

    Attributes:
        indexes: that proposed.
        gallery: what the candidates are.
        candidates: number of them.
        dim: numbers in a vector.
        queries: number of them.
        asked: what the queries were, in words.
        recall: at each k.
        tied: share of the exact answers' places whose score the next place has, too: among those an answer is as good
            as another, and recall counts either.
        short: share of queries, at the largest k, for which too few were proposed and that were searched exactly.
        page: candidates a query in the measurements of time.
        single: one query alone.
        batched: a query in a batch of `batch`.
        batch: queries at once.
        machine: versions, threads, and whether a GPU searched.
    """

    indexes: tuple[IndexRecord, ...]
    gallery: str
    candidates: int
    dim: int
    queries: int
    asked: str
    recall: tuple[Recall, ...]
    tied: float
    short: float
    page: int
    single: Speed
    batched: Speed
    batch: int
    machine: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As tables print it."""
        return " and ".join([one.name for one in self.indexes])

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(one.bytes for one in self.indexes)

    @property
    def build_seconds(self) -> float:
        """Of all indexes."""
        return sum(one.build_seconds for one in self.indexes)

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> "Certificate":
        """Read what `dataclasses.asdict` gives."""
        parts = {
            "indexes": tuple(IndexRecord(**one) for one in told["indexes"]),
            "recall": tuple(Recall(**one) for one in told["recall"]),
            "single": Speed(**told["single"]),
            "batched": Speed(**told["batched"]),
        }
        return cls(**{**told, **parts})


def certificate_line(certificate: Certificate) -> str:
    """What a report prints whose pages an approximate index proposed."""
    recall = ", ".join(
        f"recall@{one.k} {100 * one.value:.2f} % [{100 * one.low:.2f}, {100 * one.high:.2f}]"
        for one in certificate.recall
    )
    single, batched = certificate.single, certificate.batched
    return (
        f"Pages were proposed by an approximate index, {certificate.name}, and put in order by exact scores; ranks are "
        f"exact. Against the exact answer among {certificate.candidates:,} candidates ({certificate.gallery}): "
        f"{recall} (95 % Wilson intervals; {certificate.queries:,} queries: {certificate.asked}); "
        f"{100 * certificate.tied:.2f} % of places tie with the next. A page of {certificate.page} takes "
        f"{single.index:.2f} ms alone, {single.times:.2g} times as fast as exact search, and {batched.index:.2f} ms a "
        f"query in batches of {certificate.batch}, {batched.times:.2g} times as fast."
    )


def records_of(index: Index, folder: Path) -> tuple[IndexRecord, ...]:
    """The saved indexes behind `index`.

    Args:
        index: loaded from `folder`; of several together the first, and the others from the folders beside it.
    Raises:
        FileNotFoundError: an index that was not saved there.
        ValueError: an index that no file holds.
    """
    parts: Sequence[Index] = index.indexes if isinstance(index, Together) else (index,)
    records = []
    for number, one in enumerate(parts):
        if not isinstance(one, FaissIndex):
            raise ValueError(f"{type(one).__name__} is not approximate and has no certificate")
        settings = one.settings
        about = read_about(folder.parent / settings.name if number else folder)
        stored = {"digest": about["digest"], "bytes": about["bytes"], "build_seconds": about["build_seconds"]}
        records.append(IndexRecord(settings.factory, settings.similarity, settings.by, dict(one.effort), **stored))
    return tuple(records)
