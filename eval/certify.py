"""Measure approximate indexes of a gallery against exact search: `python -m eval.certify GALLERY --index HNSW32`."""

import re
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from multiturn.cli import Parser, clear_errors, home_of
from multiturn.index_settings import Effort, IndexSettings

if TYPE_CHECKING:
    from multiturn.faiss_index import FaissIndex
    from multiturn.gallery import Gallery
    from multiturn.index import Index

EXAMPLES = """examples:
  python -m eval.certify galleries/test.safetensors
  python -m eval.certify GALLERY --similarity cosine --index IVF1024,Flat --nprobe 8 32 128
  python -m eval.certify GALLERY --index HNSW32 --index "PQ64x4fs,Refine(Flat)" --index SQ8 --queries held_out
  python -m eval.certify REGIONS --by pooled regions both --states 3 --sharpness 9

Each index is built unless it lies beside the gallery already, and its certificate is kept with it. An option that takes
several values is measured at each. Reports of runs that used an index print its certificate.
"""
FITS = {"nprobe": r"(^|,)I(VF|MI)", "ef_search": r"(^|,)HNSW", "k_factor": r"Refine|RFlat"}


def main(arguments: Sequence[str]) -> None:
    """Build what is not there, measure, print the table, and keep certificates and figure."""
    parser = _parser()
    options = parser.parse_args(list(arguments))
    factories: list[str] = options.index or [""]
    for name, pattern in FITS.items():
        if getattr(options, name) and all(one and not re.search(pattern, one) for one in factories):
            parser.error(f"none of {', '.join(factories)} has a use for --{name}; leave it out")
    try:
        efforts = {one: _efforts(one, options) for one in factories}
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.certificates import given, held_out, measure, perturbed, write_certificate
    from multiturn.gallery import Gallery
    from multiturn.hub import local_gallery
    from multiturn.region_scoring import RegionFormula
    from multiturn.report.certificates import certificates_table, recall_against_time, table_note
    from multiturn.report.figures import save_figure
    from multiturn.report.tables import markdown_table

    gallery = Gallery.load(local_gallery(options.gallery))
    match options.queries:
        case "perturbed":
            queries = perturbed(gallery, options.count, options.states, options.noise, options.seed)
        case "held_out":
            queries = held_out(gallery, options.count, options.states, options.seed)
        case path:
            queries = given(Path(path), gallery)
    if gallery.mask is None and options.by:
        raise ValueError(f"the gallery ({gallery.source}) has no regions; leave --by out")
    formula = RegionFormula(options.sharpness)
    certificates, folder = [], Path()
    for factory, by in product(factories, ["vectors"] if gallery.mask is None else options.by or ["both"]):
        for effort in efforts[factory]:
            fresh = options.rebuild and effort is efforts[factory][0]
            index, folder = _asked(gallery, factory, by, effort, options, fresh)
            one = measure(index, folder, queries, options.at, options.page, formula)
            write_certificate(one, folder)
            certificates.append(one)
    print(markdown_table(certificates_table(certificates), table_note(certificates)))
    left = sorted(set(options.at) - {one.k for one in certificates[0].recall})
    if left:
        print(f"recall at {left} is left out: the gallery has {len(gallery)} candidates", file=sys.stderr)
    if len(certificates) > 1:
        print(f"figure: {save_figure(recall_against_time(certificates), folder.parent / 'recall')}", file=sys.stderr)
    print(f"certificates: in the folders of {folder.parent}", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(prog="python -m eval.certify", description=__doc__, epilog=EXAMPLES)
    parser.add_argument(
        "gallery", type=Path, help="file or folder that data_prep.encode or train.py wrote, or its name on the Hub"
    )
    parser.add_argument(
        "--index", action="append", type=str, help="faiss's name of one; that of a live page by default"
    )
    parser.add_argument("--similarity", choices=["l2", "dot", "cosine"], help="l2, or cosine of a gallery of regions")
    parser.add_argument("--by", nargs="+", choices=["pooled", "regions", "both"], help="of regions; both by default")
    parser.add_argument("--nprobe", nargs="+", type=int, help="lists to search, of IVF indexes")
    parser.add_argument("--ef_search", nargs="+", type=int, help="candidates kept on the way, of HNSW indexes")
    parser.add_argument("--k_factor", nargs="+", type=float, help="candidates to refine for one, of Refine indexes")
    parser.add_argument("--proposals", nargs="+", type=int, help="candidates to score exactly for one that is wanted")
    parser.add_argument(
        "--queries", default="perturbed", help="perturbed or held_out vectors of the gallery, or an .npy"
    )
    parser.add_argument("--count", type=int, default=500, help="queries that are made of the gallery")
    parser.add_argument("--noise", type=float, default=0.5, help="of perturbed queries, in standard deviations")
    parser.add_argument("--states", type=int, default=1, help="vectors of a made query, of a gallery of regions")
    parser.add_argument("--sharpness", type=float, default=9.0, help="of the score of regions")
    parser.add_argument("--at", nargs="+", type=int, default=[1, 10, 100], help="k of recall@k")
    parser.add_argument("--page", type=int, default=10, help="candidates a query where time is measured")
    parser.add_argument("--seed", type=int, default=0, help="of queries and of the vectors that are trained on")
    parser.add_argument("--training_vectors", type=int, default=65_536, help="vectors to train an index on")
    parser.add_argument("--rebuild", action="store_true", help="build again what is there")
    return parser


def _efforts(factory: str, options: Namespace) -> list[Effort]:
    """The efforts to measure an index at: every combination of the values that it has a use for."""
    wanted = {
        name: getattr(options, name) or [None]
        for name, pattern in (*FITS.items(), ("proposals", ""))
        if not factory or re.search(pattern, factory)
    }
    return [Effort(**dict(zip(wanted, values, strict=True))) for values in product(*wanted.values())]


def _asked(
    gallery: "Gallery", factory: str, by: str, effort: Effort, options: Namespace, fresh: bool
) -> "tuple[Index, Path]":
    """The index, or the two that propose together, and the folder of the (first) one."""
    from multiturn.index import Together

    kinds = ["pooled", "regions"] if by == "both" else [by]
    found = [_one(gallery, factory, kind, effort, options, fresh) for kind in kinds]
    index = found[0][0] if len(found) == 1 else Together(tuple([one for one, _ in found]))
    return index, found[0][1]


def _one(
    gallery: "Gallery", factory: str, by: str, effort: Effort, options: Namespace, fresh: bool
) -> "tuple[FaissIndex, Path]":
    """Load an index and set it to an effort; build it first if it is not there, or is of something else."""
    from multiturn.faiss_index import chosen, index_folder, opened_index

    similarity = options.similarity or ("l2" if by == "vectors" else "cosine")
    settings = IndexSettings(factory, similarity, by, options.training_vectors, options.seed, effort)  # type: ignore[arg-type]
    wanted = chosen(gallery, settings)
    if options.gallery.exists():
        folder = index_folder(options.gallery, wanted)
    else:  # on the Hub
        folder = home_of(str(options.gallery)) / "gallery.indexes" / wanted.name
    return opened_index(folder, gallery, settings, fresh), folder


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
