"""Settings of approximate indexes, as plain dataclasses; importing this module loads nothing heavy."""

from dataclasses import dataclass, field
from typing import Literal

from multiturn.settings import at_least

By = Literal["vectors", "pooled", "regions"]

SUBQUANTISERS = 64  # of the default index
_WIDEST = 16  # numbers that 4 bits can still stand for: 1,024 numbers in 64 parts
_ENOUGH = 16 * 39  # vectors to train 4 bits on: 39 a centroid, below which faiss warns


@dataclass(frozen=True)
class Effort:
    """How hard a search tries; changes neither the index nor its file.

    Args:
        nprobe: lists that are searched, of an index with lists (IVF); 32 if not given, all if there are fewer.
        ef_search: candidates that are kept on the way through a graph (HNSW); 200 if not given.
        k_factor: candidates that are refined, for each that is wanted (Refine); 4 if not given.
        proposals: candidates to propose, for each that is wanted; all of them are scored exactly. If not given it is
            1 for vectors, and 10 for pooled vectors and regions, whose nearest are not the best by the retriever's
            score.
    """

    nprobe: int | None = None
    ef_search: int | None = None
    k_factor: float | int | None = None
    proposals: int | None = None

    def __post_init__(self) -> None:
        for name in ("nprobe", "ef_search", "k_factor", "proposals"):
            value = getattr(self, name)
            if value is not None:
                at_least(name, value, 1)


@dataclass(frozen=True)
class IndexSettings:
    """What index is built.

    Args:
        factory: faiss's name of it, such as 'Flat', 'IVF1024,Flat', 'HNSW32', 'SQ8,Refine(Flat)' or
            'PQ64x4fs,Refine(Flat)'; if empty, that of `default_factory`.
        similarity: by which the retriever scores.
        by: what is indexed: the candidates' own vectors; or, of a gallery of regions, the mean of each candidate's
            regions at length 1 ('pooled'), or every region for itself.
        training_vectors: drawn to train on; more if there are many lists.
        seed: of that draw.
        effort: of searches.
    """

    factory: str = ""
    similarity: Literal["l2", "dot", "cosine"] = "l2"
    by: By = "vectors"
    training_vectors: int = 65_536
    seed: int = 0
    effort: Effort = field(default_factory=Effort)

    def __post_init__(self) -> None:
        at_least("training_vectors", self.training_vectors, 1)
        if self.by != "vectors" and self.similarity != "cosine":
            raise ValueError(
                f"regions are compared by their cosines, not by {self.similarity}; set similarity to cosine"
            )

    @property
    def proposals(self) -> int:
        """Candidates to propose, for each that is wanted."""
        return self.effort.proposals or (1 if self.by == "vectors" else 10)

    @property
    def name(self) -> str:
        """Fit for a folder.

        Example:
            >>> IndexSettings("PQ64x4fs,Refine(Flat)", "cosine").name
            'PQ64x4fs-Refine-Flat.cosine'
        """
        letters = "".join([one if one.isalnum() or one in "_." else "-" for one in self.factory]).strip("-")
        return ".".join([letters, self.similarity, *([] if self.by == "vectors" else [self.by])])


def default_factory(dim: int, rows: int) -> str:
    """The index for a live page: product quantisation to 4 bits, scanned in registers, the best refined exactly.

    It has 64 parts, or else the largest number of parts that divides the dimension; 8 bits a number where that would
    leave parts of more than 16 numbers; and no compression where there are too few vectors to train on.

    Example:
        >>> default_factory(256, 100_000), default_factory(300, 100_000)
        ('PQ64x4fs,Refine(Flat)', 'PQ60x4fs,Refine(Flat)')
        >>> default_factory(257, 100_000), default_factory(256, 100)
        ('SQ8,Refine(Flat)', 'Flat')
    """
    if rows < _ENOUGH:
        return "Flat"
    parts = max(number for number in range(1, SUBQUANTISERS + 1) if dim % number == 0)
    return f"PQ{parts}x4fs,Refine(Flat)" if dim <= _WIDEST * parts else "SQ8,Refine(Flat)"
