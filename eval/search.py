"""Search by hand: `python -m eval.search --checkpoint DIR "Smiling, not Male"`, or `--gallery DIR --image FILE`."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.cli import INDEX_HELP, Parser, asked_checkpoint, clear_errors, home_of

if TYPE_CHECKING:
    from facefb.reverse_query import Example, SearchedGallery
    from multiturn.report.sheet import SheetRow
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
"""
OF_GALLERY = """search a gallery of python -m data_prep.encode by one or more photos of the same person or thing

Prints rank, score and id of the nearest pictures, by the L2 distance d of their vectors; the score is 1 / (1 + d^2).
Draws them where they lie where the gallery's manifest says. Several photos are searched by their mean.
"""
GALLERY_EXAMPLES = """examples:
  python -m eval.search --gallery runs/lfw --image photo.jpg
  python -m eval.search --gallery runs/lfw --image photo.jpg --image another.jpg --top 20
  python -m eval.search --gallery runs/lfw --image photo.jpg --index runs/lfw/gallery.indexes/HNSW32.l2
"""
ACROSS = 10  # pictures in a row


def main(arguments: Sequence[str]) -> None:
    """Search a task's test images by what is said, or any gallery of images by photos."""
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
        "--gallery", type=Path, help="search this gallery by --image; `--gallery DIR --help` tells more"
    )
    folder, config = asked_checkpoint(parser, arguments)
    parser.add_task([*config, *arguments], CONFIGS)
    settings, options, _ = parser.parse_task([*config, *arguments])
    if not options.texts:
        parser.error('say what to look for, such as "Smiling, not Male"')
    if options.checkpoint is None:
        parser.error("say what searches: --checkpoint, an output folder of train.py or a model on the Hub")
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
    """Encode photos with a gallery's own encoder, print the nearest candidates, and draw them."""
    parser = Parser(prog="python -m eval.search", description=OF_GALLERY, epilog=GALLERY_EXAMPLES)
    parser.add_argument(
        "--gallery",
        type=Path,
        required=True,
        help="folder that python -m data_prep.encode wrote, or its name on the Hub",
    )
    parser.add_argument("--image", action="append", required=True, help="a photo; may be given several times")
    parser.add_argument("--top", type=int, default=20, help="candidates to list")
    parser.add_argument("--index", type=Path, help="folder of an approximate index of the gallery; exact without one")
    parser.add_argument("--picture", type=Path, help="PNG file of the result; GALLERY/search.png if not given")
    options = parser.parse_args(list(arguments))
    if options.top < 1:
        parser.error(f"--top lists at least one candidate, not {options.top}")
    from facefb.reverse_query import open_gallery, read_examples
    from facefb.reverse_scores import similarity
    from multiturn.hub import local_gallery
    from multiturn.processes import own_device

    searched = open_gallery(local_gallery(options.gallery), own_device())
    examples = read_examples(searched.encoder, [Path(image) for image in options.image])
    for example in examples:
        if example.note:
            print(example.note)
    turn = searched.by(examples, options.top, options.index)
    names, scores = page_of(turn, searched.gallery.ids)
    scores = [similarity(score) for score in scores]
    print_page(names, scores)
    draw(searched, examples, names, scores, options.picture or home_of(str(options.gallery)) / "search.png")


def page_of(turn: "Turn", ids: Sequence[str]) -> tuple[list[str], list[float]]:
    """Ids and scores of what the first session of a turn shows."""
    return [ids[int(place)] for place in turn.shown[0]], turn.scores[0].tolist()


def print_page(names: Sequence[str], scores: Sequence[float]) -> None:
    """Print rank, score and id of each candidate."""
    for place, (name, score) in enumerate(zip(names, scores, strict=True), start=1):
        print(f"{place:4d}  {score:9.4f}  {name}")


def draw(
    searched: "SearchedGallery",
    examples: "Sequence[Example]",
    names: Sequence[str],
    scores: Sequence[float],
    picture: Path,
) -> None:
    """Draw the photos and what they found, or say why not."""
    from facefb.reverse_query import pictures_of
    from multiturn.report.sheet import Cell, SheetRow, write_sheet

    photos = list(dict.fromkeys(example.name for example in examples))
    images = pictures_of(searched.data, names, photos)
    if images is None:
        print(f"no picture: the gallery's images are not at {searched.data.get('root', 'where they were')}")
        return
    found = [Cell(name, [f"{score:.4f}", Path(name).name[:18]]) for name, score in zip(names, scores, strict=True)]
    rows = [SheetRow("found, the nearest first", found[:ACROSS])]
    rows += [SheetRow("", found[begin : begin + ACROSS]) for begin in range(ACROSS, len(found), ACROSS)]
    asked = SheetRow("searched for", [Cell(photo, [Path(photo).name[:18]]) for photo in photos])
    write_sheet([asked, *rows], images, picture, f"Search for {', '.join(photos)}")
    print(f"picture: {picture}")


def _row(title: str, names: Sequence[str]) -> "SheetRow":
    from multiturn.report.sheet import Cell, SheetRow

    return SheetRow(title, [Cell(name, [name]) for name in names])


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
