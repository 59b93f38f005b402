"""An index made by faiss: building it from a gallery in parts, and asking it; its files are in files.py."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.faiss_index.rows import Rows, unit_rows
from multiturn.gallery import Gallery
from multiturn.index import scores_of, search_proposed
from multiturn.index_settings import IndexSettings, default_factory
from multiturn.scoring import Similarity

_A_CENTROID = 39  # vectors that faiss wants for each, or it warns
_MOST_ON_GPU = 2048  # neighbours that faiss finds on a GPU
_EFFORT = (("nprobe", "nprobe", 32), ("ef_search", "efSearch", 200), ("k_factor", "k_factor_rf", 4))
_FIT = {"nprobe": "'IVF...'", "ef_search": "'HNSW...'", "k_factor": "'...,Refine(Flat)'"}


@dataclass(frozen=True)
class FaissIndex:
    """Proposes candidates by a faiss index; implements `multiturn.index.Index`.

    Make one with `build_index` or `multiturn.faiss_index.load_index`.

    Attributes:
        gallery: what was indexed, on any device.
        settings: as it was built, with the factory that was chosen.
        on_disk: the faiss index, in memory of the processor.
        table: the same on a GPU where faiss has one and can; else it is `on_disk`.
        owners: the candidate of each row, where that is not the row's own number.
        build_seconds: of training and adding.
        effort: that is in force, by the names in `multiturn.index_settings.Effort`: only what it has use for.
    """

    gallery: Gallery
    settings: IndexSettings
    on_disk: Any
    table: Any
    owners: Int[Tensor, " row"] | None
    build_seconds: float
    effort: Mapping[str, float | int]

    @property
    def similarity(self) -> Similarity:
        """See `multiturn.index.Index.similarity`."""
        return self.settings.similarity

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU searches it."""
        return self.table is not self.on_disk

    def propose(self, queries: Float[Tensor, "query dim"], k: int) -> Int[Tensor, "query wide"]:
        """See `multiturn.index.Index.propose`.

        Raises:
            ValueError: k < 1; queries of another width, not finite, or zero where a cosine is wanted.
        """
        if k < 1:
            raise ValueError(f"an index proposes at least one candidate, not {k}")
        if queries.shape[1] != self.table.d:
            raise ValueError(
                f"queries have {queries.shape[1]} numbers, the index was made of vectors of {self.table.d}"
            )
        asked = queries.detach().float().cpu().contiguous()
        if not bool(torch.isfinite(asked).all()):
            place = int((~torch.isfinite(asked)).nonzero()[0, 0])
            raise ValueError(f"query {place} is not finite; look for NaN in what made it")
        if self.similarity == "cosine":
            asked = unit_rows(asked, "queries")
        wanted = min(k * self.settings.proposals, self.table.ntotal, *([_MOST_ON_GPU] if self.on_gpu else []))
        found = torch.from_numpy(self.table.search(asked.numpy(), wanted)[1])
        if self.owners is not None:
            found = torch.where(found < 0, -1, self.owners[found])  # -1 reads the last owner, and is not kept
        return found.to(queries.device)

    def search(
        self, queries: Float[Tensor, "query dim"], k: int
    ) -> tuple[Float64[Tensor, "query k"], Int[Tensor, "query k"]]:
        """See `multiturn.index.Index.search`."""
        found = search_proposed(scores_of(self, queries), self, k).found
        return found.scores, found.positions


def build_index(gallery: Gallery, settings: IndexSettings | None = None) -> FaissIndex:
    """Index a gallery; equal settings give equal indexes, but for graphs (HNSW) that several threads build.

    Memory is that of the index, of the vectors to train on, and of 64 MB of the gallery at a time.

    Args:
        gallery: of vectors, or of regions (see `IndexSettings.by`); in the space in which they are scored
            (`multiturn.index.gallery_as_scored`).
        settings: those of a live page of this gallery if not given.
    Raises:
        ValueError: settings that faiss does not know, or that do not fit the gallery.
    """
    from multiturn.faiss_library import faiss

    settings = chosen(gallery, settings)
    rows = Rows(gallery, settings.similarity, settings.by)
    metric = faiss.METRIC_L2 if settings.similarity == "l2" else faiss.METRIC_INNER_PRODUCT
    try:
        table = faiss.index_factory(rows.dim, settings.factory, metric)
    except RuntimeError as reason:
        raise ValueError(
            f"faiss makes no index {settings.factory!r} of vectors of {rows.dim} numbers ({_said(reason)}); "
            "try 'PQ64x4fs,Refine(Flat)', 'IVF1024,Flat', 'HNSW32' or 'SQ8', with a PQ whose number divides theirs"
        ) from reason
    _leave_codes_in_order(table)
    lists = _lists(table)
    if lists > len(rows):
        raise ValueError(
            f"{settings.factory!r} has {lists} lists, and there are {len(rows)} vectors to put into them; take "
            f"{_proper_lists(len(rows))} lists, or 'Flat'"
        )
    start = time.perf_counter()
    try:
        if not table.is_trained:
            table.train(rows.drawn(max(settings.training_vectors, _A_CENTROID * lists), settings.seed))
        for block in rows.blocks():
            table.add(block)
    except RuntimeError as reason:
        raise ValueError(
            f"faiss cannot build {settings.factory!r} of {len(rows)} vectors ({_said(reason)}); take fewer lists or "
            "bits, or 'Flat'"
        ) from reason
    return ready(gallery, settings, table, time.perf_counter() - start)


def chosen(gallery: Gallery, settings: IndexSettings | None = None) -> IndexSettings:
    """The settings by which an index of the gallery is built: with a factory, and those of a live page if not given."""
    if settings is None:
        settings = IndexSettings() if gallery.mask is None else IndexSettings(similarity="cosine", by="pooled")
    if settings.factory:
        return settings
    rows = Rows(gallery, settings.similarity, settings.by)
    return replace(settings, factory=default_factory(rows.dim, len(rows)))


def ready(gallery: Gallery, settings: IndexSettings, table: Any, build_seconds: float) -> FaissIndex:
    """A built index, on a GPU if it can be, set to the settings' effort.

    Raises:
        ValueError: an effort was given that the index has no use for.
    """
    from multiturn.faiss_library import faiss

    fast = table
    if faiss.get_num_gpus() > 0:
        try:
            fast = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, table)
        except RuntimeError:
            fast = table  # graphs and fast scans, among others, are for the processor
    effort: dict[str, float | int] = {}
    space = faiss.ParameterSpace() if fast is table else faiss.GpuParameterSpace()
    for own, theirs, usual in _EFFORT:
        given = getattr(settings.effort, own)
        try:
            space.set_index_parameter(fast, theirs, usual if given is None else given)
            effort[own] = usual if given is None else given
        except RuntimeError as reason:
            if given is not None:
                raise ValueError(
                    f"{settings.factory!r} has no use for {own}; leave it out, or take an index {_FIT[own]}"
                ) from reason
    owners = Rows(gallery, settings.similarity, settings.by).owners
    effort["proposals"] = settings.proposals
    return FaissIndex(gallery, settings, table, fast, owners, build_seconds, effort)


def _leave_codes_in_order(table: Any) -> None:
    """Spare the reordering of codes for Hamming distances, which takes minutes and which no search here uses."""
    from multiturn.faiss_library import faiss

    inner = faiss.downcast_index(table)
    while isinstance(inner, faiss.IndexRefine | faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.base_index if isinstance(inner, faiss.IndexRefine) else inner.index)
    if isinstance(inner, faiss.IndexPQ | faiss.IndexIVFPQ):
        inner.do_polysemous_training = False  # type: ignore[attr-defined]  # SWIG says less than it knows


def _lists(table: Any) -> int:
    """Lists of an index, 0 if it has none, wherever in it they are."""
    from multiturn.faiss_library import faiss

    inverted = faiss.try_extract_index_ivf(table)
    return 0 if inverted is None else int(inverted.nlist)


def _proper_lists(rows: int) -> int:
    return max(1, rows // _A_CENTROID)


def _said(reason: RuntimeError) -> str:
    """What faiss said, without where in its own code it said so."""
    return str(reason).splitlines()[-1].rsplit(".cpp:", 1)[-1].partition(":")[2].strip() or str(reason)
