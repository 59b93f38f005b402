"""Queries by which an index is measured: vectors of the gallery moved or left out, or a file's; seeded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.scoring import Scores, Similarity, VectorScores

_SPREAD_OF = 4096  # candidates


@dataclass(frozen=True)
class Queries:
    """What is looked for.

    Attributes:
        vectors: one a query; or of a gallery of regions the state vectors of a session, the newest last.
        hidden: the candidate that a query was made of and must not find; None hides nothing.
        about: what they are, in words.
    """

    vectors: Float32[Tensor, "query state dim"]
    hidden: Int[Tensor, "query 1"] | None
    about: str

    def __len__(self) -> int:
        return len(self.vectors)

    def hidden_of(self, rows: slice) -> Int[Tensor, "query 1"] | None:
        """What some queries must not find."""
        return None if self.hidden is None else self.hidden[rows]


@dataclass(frozen=True)
class Scorer:
    """Scores queries as a retriever would.

    Attributes:
        regions: the gallery's, laid out for scoring; None if it has none.
        formula: of the regions' score.
    """

    gallery: Gallery
    similarity: Similarity
    regions: RegionVectors | None
    formula: RegionFormula

    @classmethod
    def of(cls, gallery: Gallery, similarity: Similarity, formula: RegionFormula) -> "Scorer":
        """Lay a gallery out."""
        regions = None if gallery.mask is None else RegionVectors(gallery.vectors, gallery.mask)
        return cls(gallery, similarity, regions, formula)

    def prepared(self, vectors: Float32[Tensor, "query state dim"], carried: bool) -> Callable[[], Scores]:
        """What a turn does to get the scores of some queries.

        Args:
            vectors: of the queries; all states but the last were said in earlier turns.
            carried: whether the similarities of those are there, as exact search has left them.
        """
        vectors = vectors.to(self.gallery.vectors.device)
        if self.regions is None:
            return lambda: VectorScores(vectors[:, 0], self.gallery.vectors, self.gallery.norms, self.similarity)
        queries, states = vectors.shape[:2]
        before = StateScores.start(queries, states, self.regions, self.formula)
        slots = torch.arange(states, device=vectors.device)[:, None].expand(states, queries)
        for state in range(states - 1):
            before = before.after(slots[state], vectors[:, state])
        if carried:
            for column in before.columns:
                column.table  # noqa: B018  # computed when it is first asked for
        return lambda: before.after(slots[-1], vectors[:, -1])


def perturbed(gallery: Gallery, count: int, states: int = 1, noise: float = 0.5, seed: int = 0) -> Queries:
    """Vectors of the gallery, or of regions of one candidate, each number moved by chance.

    Args:
        count: of queries.
        states: vectors a query, of a gallery of regions.
        noise: standard deviation of what is added, as a share of that of the gallery's vectors in each dimension.
        seed: of all draws.
    Raises:
        ValueError: a share below 0, no query, or several states without regions.
    """
    if noise < 0:
        raise ValueError(f"noise must be at least 0, not {noise}")
    _, vectors = _drawn(gallery, count, states, seed)
    rng = np.random.default_rng([seed, 1])
    some = torch.from_numpy(np.sort(rng.choice(len(gallery), min(len(gallery), _SPREAD_OF), replace=False)))
    sample = gallery.vectors[some.to(gallery.vectors.device)].float().cpu()
    rows = sample if gallery.mask is None else sample[gallery.mask.cpu()[some]]
    moves = torch.from_numpy(rng.standard_normal(tuple(vectors.shape), dtype=np.float32))
    about = f"{_words(gallery, states)}, moved by normal noise of {noise:g} standard deviations (seed {seed})"
    return Queries(vectors + noise * rows.std(0) * moves, None, about)


def held_out(gallery: Gallery, count: int, states: int = 1, seed: int = 0) -> Queries:
    """Vectors of the gallery, or of regions of one candidate, that are to find other candidates than their own.

    Raises:
        ValueError: no query, or several states without regions.
    """
    chosen, vectors = _drawn(gallery, count, states, seed)
    about = f"{_words(gallery, states)}, which themselves are left out of the answers (seed {seed})"
    return Queries(vectors, chosen[:, None].to(gallery.vectors.device), about)


def given(path: Path, gallery: Gallery) -> Queries:
    """Vectors of an .npy file: [query, dim], or of a gallery of regions [query, state, dim].

    Raises:
        FileNotFoundError: no such file.
        ValueError: another shape, or a number that is not finite.
    """
    try:
        table = torch.from_numpy(np.load(path, allow_pickle=False).astype(np.float32))
    except (ValueError, EOFError, TypeError) as reason:
        raise ValueError(f"{path} is not a table of numbers ({reason}); save one with numpy.save") from reason
    wide = table[:, None] if table.ndim == 2 else table
    dim = gallery.vectors.shape[-1]
    if wide.ndim != 3 or not wide.numel() or wide.shape[2] != dim or (gallery.mask is None and wide.shape[1] != 1):
        wanted = f"[query, {dim}]" if gallery.mask is None else f"[query, {dim}] or [query, state, {dim}]"
        raise ValueError(
            f"{path} has the shape {tuple(table.shape)}, not {wanted}; give vectors of the gallery's space"
        )
    finite = torch.isfinite(wide).flatten(1).all(1)
    if not bool(finite.all()):
        raise ValueError(
            f"query {int((~finite).nonzero()[0, 0])} of {path} is not finite; look for NaN in what made it"
        )
    return Queries(wide, None, f"vectors of {path.name}")


def _drawn(
    gallery: Gallery, count: int, states: int, seed: int
) -> tuple[Int[Tensor, " query"], Float32[Tensor, "query state dim"]]:
    """Candidates, drawn with replacement if there are too few, and vectors or regions of each."""
    if count < 1 or states < 1:
        raise ValueError(f"at least one query of one state is needed, not {count} of {states}")
    if states > 1 and gallery.mask is None:
        raise ValueError(f"the gallery ({gallery.source}) has no regions, so a query has one state, not {states}")
    rng = np.random.default_rng([seed, 0])
    chosen = torch.from_numpy(rng.choice(len(gallery), count, replace=count > len(gallery)))
    vectors = gallery.vectors[chosen.to(gallery.vectors.device)].float().cpu()
    if gallery.mask is None:
        return chosen, vectors[:, None]
    weights = torch.from_numpy(rng.random((count, states, vectors.shape[1]))) * gallery.mask.cpu()[chosen][:, None]
    regions = weights.argmax(2)  # one of the real regions, for each state
    return chosen, vectors[torch.arange(count)[:, None], regions]


def _words(gallery: Gallery, states: int) -> str:
    if gallery.mask is None:
        return "vectors of the gallery"
    return f"{states} regions of one candidate of the gallery"
