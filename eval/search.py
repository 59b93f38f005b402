"""Search test images by hand: `python -m eval.search --checkpoint DIR "Smiling, not Male"`; each text is a turn."""

import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.cli import Parser, asked_checkpoint, clear_errors

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.search --checkpoint runs/celeba-attributes "Smiling, Eyeglasses, not Male"
  python -m eval.search --checkpoint runs/celeba-attributes "Smiling" "Smiling, not Young" --top 5
  python -m eval.search --checkpoint runs/vg-drilldown "a red ball on the left" "two small blue boxes"
"""


def main(arguments: Sequence[str]) -> None:
    """Tell a retriever each text in turn, print the best candidates after each, and draw them."""
    parser = Parser(prog="python -m eval.search", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("texts", nargs="*", help="what is said, one text a turn")
    parser.add_argument("--checkpoint", help="output folder of train.py; its configuration is used")
    parser.add_argument("--top", type=int, default=10, help="candidates a page")
    parser.add_argument("--picture", type=Path, help="PNG file of the pages; CHECKPOINT/search.png if not given")
    folder, config = asked_checkpoint(parser, arguments)
    parser.add_task([*config, *arguments], CONFIGS)
    settings, options, _ = parser.parse_task([*config, *arguments])
    if not options.texts:
        parser.error('say what to look for, such as "Smiling, not Male"')
    import torch

    from multiturn.report.sheet import Cell, SheetRow, write_sheet
    from multiturn.session import Session
    from multiturn.task import Searchable

    task = settings.build(folder)
    if not isinstance(task, Searchable):
        parser.error(f"task {options.task} cannot be searched by text")
    task.prepare(checkpoint=folder)
    gallery = task.candidates()
    session = Session(task.load_retriever(str(folder)), gallery, torch.zeros(1, dtype=torch.long), options.top)
    pages = []
    replies = [task.read_reply(text) for text in options.texts]
    for number, (text, reply) in enumerate(zip(options.texts, replies, strict=True), start=1):
        turn = session.tell(reply)
        page = [gallery.ids[place] for place in turn.shown[0].tolist()]
        print(f"turn {number}: {text}")
        for place, (name, score) in enumerate(zip(page, turn.scores[0].tolist(), strict=True), start=1):
            print(f"{place:4d}  {score:9.4f}  {name}")
        pages.append(SheetRow(f"{number}: {text}", [Cell(name, [name]) for name in page]))
    picture = options.picture or folder / "search.png"
    write_sheet(pages, task.images(), picture, "; ".join(options.texts))
    print(f"picture: {picture}")


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
