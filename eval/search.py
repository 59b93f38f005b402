"""Search by hand: `python -m eval.search --checkpoint DIR "Smiling, not Male"`, or `--gallery DIR --image FILE`.

A gallery is searched by words, too: `--gallery DIR "a red bird"`.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiturn.cli import INDEX_HELP, Parser, asked_checkpoint, clear_errors, home_of

if TYPE_CHECKING:
    from multiturn.gallery import Gallery
    from multiturn.index import Index
    from multiturn.report.sheet import SheetRow
    from multiturn.scoring import Similarity
    from multiturn.session import Turn

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.search --checkpoint runs/celeba-attributes "Smiling, Eyeglasses, not Male"
  python -m eval.search --checkpoint runs/celeba-attributes "Smiling" "also not Young" "forget Smiling" --top 5
  python -m eval.search --checkpoint runs/lfw-reverse photo.jpg another.jpg "not: Ann_Lee/Ann_Lee_0001.jpg"
  python -m eval.search --checkpoint runs/celeba-feedback "Smiling, not Male" "same: Young; differs: Bangs"
  python -m eval.search --checkpoint runs/cub-relevance "example: 00012.png" "+1 +3 -2"
  python -m eval.search --checkpoint runs/vg-drilldown "a red ball on the left" "two small blue boxes"
  python -m eval.search --checkpoint runs/celeba-attributes --index HNSW32 "Smiling, not Male"
  python -m eval.search --gallery runs/lfw --image photo.jpg
  python -m eval.search --gallery runs/lfw --image photo.jpg --image another.jpg --top 20
  python -m eval.search --gallery runs/birds "a red bird with a black wing"
"""
OF_GALLERY = """search a gallery of python -m data_prep.encode by photos of one person or thing, or by words

Prints rank, score and id of the nearest candidates. By photos, it is that of the L2 distance d of their vectors, and
the score is 1 / (1 + d^2); several photos are searched by their mean. By words, it is that of the cosine, which is the
score, to the vector of the text by the text tower of the gallery's model (open_clip, or CLIP and SigLIP of
transformers), or by the gallery's own encoder if it holds texts. Draws what is found where the images lie where the
gallery's manifest says.
"""
GALLERY_EXAMPLES = """examples:
  python -m eval.search --gallery runs/lfw --image photo.jpg
  python -m eval.search --gallery runs/lfw --image photo.jpg --image another.jpg --top 20
  python -m eval.search --gallery runs/lfw --image photo.jpg --index HNSW32
  python -m eval.search --gallery runs/lfw --image photo.jpg --index runs/lfw/gallery.indexes/HNSW32.l2
  python -m eval.search --gallery runs/lfw --image photo.jpg --encoder.weights elsewhere/mobilefacenet.pt
  python -m eval.search --gallery runs/birds "a red bird with a black wing" --top 20
"""
MOVED = ("name", "weights", "detector_weights")  # settings of encoders that name files
ACROSS = 10  # pictures in a row


def main(arguments: Sequence[str]) -> None:
    """Search a task's test images by what is said, or any gallery by photos or words."""
    if any(argument.partition("=")[0] in ("--gallery", "--image") for argument in arguments):
        of_gallery(arguments)
    else:
        of_checkpoint(arguments)


def of_checkpoint(arguments: Sequence[str]) -> None:
    """Tell a retriever each text in turn, print the best candidates after each, and draw them."""
    parser = Parser(prog="python -m eval.search", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("texts", nargs="*", help="what is said, one text a turn")
    parser.add_argument(
        "--checkpoint", help="output folder of train.py, or ORG/NAME[@REVISION] on the Hub; its configuration is used"
    )
    parser.add_argument("--top", type=int, default=10, help="candidates a page")
    parser.add_argument("--index", default="", help=INDEX_HELP)
    parser.add_argument("--picture", type=Path, help="PNG file of the pages; CHECKPOINT/search.png if not given")
    parser.add_argument(
        "--gallery", type=Path, help="search this gallery by --image or words; `--gallery DIR --help` tells more"
    )
    folder, config = asked_checkpoint(parser, arguments)
    parser.add_task([*config, *arguments], CONFIGS)
    settings, options, _ = parser.parse_task([*config, *arguments])
    if not options.texts:
        parser.error('say what to look for, such as "Smiling, not Male"')
    if options.checkpoint is None:
        parser.error("say what searches: --checkpoint, an output folder of train.py or a model on the Hub")
    check_picture(parser, options.picture)
    import torch

    from multiturn.report.sheet import write_sheet
    from multiturn.study.systems import prepared_system

    system = prepared_system(options.task, options.checkpoint, settings, folder)
    if options.index:
        from multiturn.certificates import certificate_line
        from multiturn.experiment import index_for

        certified = index_for(system.retriever, system.gallery, options.index, home_of(options.checkpoint) / "indexes")
        system = replace(system, index=certified.index)
        print(certificate_line(certified.certificate))
    session, gallery = system.session(torch.zeros(1, dtype=torch.long), options.top, "keep"), system.gallery
    pages = []
    for number, text in enumerate(options.texts, start=1):
        turn = session.tell(system.task.read_reply(text, session.show()))
        print(f"turn {number}: {text}")
        names, scores = page_of(turn, gallery.ids)
        print_page(names, scores)
        pages.append(_row(f"{number}: {text}", names))
    picture = options.picture or home_of(options.checkpoint) / "search.png"
    write_sheet(pages, system.images, picture, "; ".join(options.texts))
    print(f"picture: {picture}")


def of_gallery(arguments: Sequence[str]) -> None:
    """Encode photos or words in a gallery's space, print the nearest candidates, and draw them."""
    parser = Parser(prog="python -m eval.search", description=OF_GALLERY, epilog=GALLERY_EXAMPLES)
    parser.add_argument("texts", nargs="*", help="words to search by; several texts are searched by their mean")
    parser.add_argument(
        "--gallery",
        type=Path,
        required=True,
        help="folder that python -m data_prep.encode wrote, its file, or its name on the Hub",
    )
    parser.add_argument("--image", action="append", help="a photo; may be given several times")
    parser.add_argument("--top", type=int, default=20, help="candidates to list")
    parser.add_argument(
        "--index",
        help="an approximate index of the gallery: its folder, or faiss's name of it (HNSW32, ...) or 'usual', "
        "which is then kept beside the gallery; exact without one",
    )
    parser.add_argument("--picture", type=Path, help="PNG file of the result; GALLERY/search.png if not given")
    for name in MOVED:
        parser.add_argument(f"--encoder.{name}", help=f"where {name} of the encoder is now, if it has moved")
    options = parser.parse_args(list(arguments))
    if options.top < 1:
        parser.error(f"--top lists at least one candidate, not {options.top}")
    if bool(options.image) == bool(options.texts):
        parser.error('say what to look for: photos, as --image FILE, or words, as "a red bird"; not both')
    check_picture(parser, options.picture)
    from multiturn.gallery_files import gallery_path
    from multiturn.hub import local_gallery

    path = local_gallery(options.gallery)
    home = path.parent if path.is_file() else home_of(str(options.gallery))
    moved = {name: value for name in MOVED if (value := options.encoder[name]) is not None}
    by = by_photos if options.image else by_words
    # Where eval.certify keeps them, too.
    indexes = home / f"{gallery_path(path).stem}.indexes"
    found = by(options.image or options.texts, path, indexes, options.top, options.index, moved)
    print_page(found.names, found.scores)
    draw(found, options.picture or home / "search.png")


@dataclass(frozen=True)
class FoundInGallery:
    """What a search of a gallery found, by which photos or words, and what the manifest says of the data."""

    names: list[str]
    scores: list[float]
    photos: list[str]
    title: str
    data: Mapping[str, Any]


def by_photos(
    photos: Sequence[str], path: Path, indexes: Path, top: int, index: str | None, moved: Mapping[str, str]
) -> FoundInGallery:
    """Search a gallery by photos, encoded by its own encoder."""
    from facefb.reverse_query import open_gallery, read_examples
    from facefb.reverse_scores import similarity
    from multiturn.processes import own_device

    searched = open_gallery(path, own_device(), moved)
    examples = read_examples(searched.encoder, [Path(photo) for photo in photos])
    for example in examples:
        if example.note:
            print(example.note)
    turn = searched.by(examples, top, _index(index, searched.gallery, indexes, "l2"))
    names, scores = page_of(turn, searched.gallery.ids)
    shown = list(dict.fromkeys(example.name for example in examples))
    return FoundInGallery(
        names, [similarity(score) for score in scores], shown, f"Search for {', '.join(shown)}", searched.data
    )


def by_words(
    texts: Sequence[str], path: Path, indexes: Path, top: int, index: str | None, moved: Mapping[str, str]
) -> FoundInGallery:
    """Search a gallery by words, read by the text tower of its model or by its own encoder of texts."""
    from facefb.word_query import open_for_words
    from multiturn.processes import own_device

    searched = open_for_words(path, own_device(), moved)
    found = searched.by(texts, top, _index(index, searched.gallery, indexes, "cosine"))
    names = [searched.gallery.ids[place] for place in found.positions[0].tolist()]
    return FoundInGallery(names, found.scores[0].tolist(), [], f"Search for {'; '.join(texts)}", searched.data)


def _index(name: str | None, gallery: "Gallery", beside: Path, similarity: "Similarity") -> "Index | None":
    from multiturn.faiss_index import named_index

    return None if name is None else named_index(name, gallery, beside, similarity)


def check_picture(parser: Parser, picture: Path | None) -> None:
    """Exit with status 2 if the picture would have to take the place of a folder."""
    if picture is not None and picture.is_dir():
        parser.error(f"--picture is a PNG file, and {picture} is a folder; give {picture / 'search.png'}")


def page_of(turn: "Turn", ids: Sequence[str]) -> tuple[list[str], list[float]]:
    """Ids and scores of what the first session of a turn shows."""
    return [ids[int(place)] for place in turn.shown[0]], turn.scores[0].tolist()


def print_page(names: Sequence[str], scores: Sequence[float]) -> None:
    """Print rank, score and id of each candidate."""
    for place, (name, score) in enumerate(zip(names, scores, strict=True), start=1):
        print(f"{place:4d}  {score:9.4f}  {name}")


def draw(found: FoundInGallery, picture: Path) -> None:
    """Draw what was found, and the photos that it was searched by, or say why not."""
    from facefb.reverse_query import pictures_of
    from multiturn.report.sheet import Cell, SheetRow, write_sheet

    if found.data["kind"] == "text":
        print("no picture: the gallery holds texts")
        return
    images = pictures_of(found.data, found.names, found.photos)
    if images is None:
        print(f"no picture: the gallery's images are not at {found.data.get('root', 'where they were')}")
        return
    pairs = zip(found.names, found.scores, strict=True)
    cells = [Cell(name, [f"{score:.4f}", Path(name).name[:18]]) for name, score in pairs]
    rows = [SheetRow("found, the nearest first", cells[:ACROSS])]
    rows += [SheetRow("", cells[begin : begin + ACROSS]) for begin in range(ACROSS, len(cells), ACROSS)]
    if found.photos:
        rows.insert(0, SheetRow("searched for", [Cell(photo, [Path(photo).name[:18]]) for photo in found.photos]))
    write_sheet(rows, images, picture, found.title)
    print(f"picture: {picture}")


def _row(title: str, names: Sequence[str]) -> "SheetRow":
    from multiturn.report.sheet import Cell, SheetRow

    return SheetRow(title, [Cell(name, [name]) for name in names])


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
