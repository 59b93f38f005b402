"""An index of a gallery as a retriever scores it, with its certificate: both made when first asked for."""

from dataclasses import dataclass
from pathlib import Path

from multiturn.certificates.files import read_certificate, write_certificate
from multiturn.certificates.measuring import measure
from multiturn.certificates.queries import perturbed
from multiturn.certificates.record import Certificate
from multiturn.faiss_index import FaissIndex, chosen, opened_index
from multiturn.gallery import Gallery
from multiturn.index import Index, Together, gallery_as_scored
from multiturn.index_settings import By, IndexSettings
from multiturn.proposals import CombinedScores
from multiturn.region_scoring import StateScores
from multiturn.scoring import Scores, Similarity, VectorScores

USUAL = "usual"  # stands for the index of `multiturn.index_settings.default_factory`


@dataclass(frozen=True)
class CertifiedIndex:
    """An index, and what is known of the pages that it proposes."""

    index: Index
    certificate: Certificate


def certified_index(scores: Scores, gallery: Gallery, factory: str, folder: Path, queries: int = 500) -> CertifiedIndex:
    """Open the index of what a retriever scores; build and measure it if `folder` does not hold it.

    Of a gallery of regions, one index of pooled vectors and one of regions propose together.

    Args:
        scores: of any state of the retriever.
        gallery: the retriever's.
        factory: faiss's name of the index, or 'usual' for that of a live page.
        folder: in which each index has a folder of its own.
        queries: by which it is measured, if no certificate is there.
    Raises:
        ValueError: scores that have no vectors; a factory that faiss does not know or that does not fit.
    """
    own = gallery_as_scored(scores, gallery)
    assert isinstance(scores, StateScores | VectorScores | CombinedScores)
    similarity: Similarity = "cosine"
    ways: tuple[By, ...] = ("pooled", "regions")
    states, formula = 1, None
    if isinstance(scores, StateScores):
        states, formula = scores.places.shape[1], scores.formula
    else:
        similarity, ways = scores.similarity, ("vectors",)
    found: list[FaissIndex] = []
    for by in ways:
        settings = chosen(own, IndexSettings("" if factory == USUAL else factory, similarity, by))
        found.append(opened_index(folder / settings.name, own, settings))
    index: Index = found[0] if len(found) == 1 else Together(tuple(found))
    first = folder / found[0].settings.name
    try:
        certificate = read_certificate(index, first)
    except ValueError:
        certificate = measure(index, first, perturbed(own, queries, states), formula=formula)
        write_certificate(certificate, first)
    return CertifiedIndex(index, certificate)
