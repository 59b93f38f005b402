"""Push a finished run, or a gallery, to the Hugging Face Hub: `python -m eval.push runs/demo ORG/NAME`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.cli import Parser, clear_errors

EXAMPLES = """examples:
  python -m eval.push runs/demo lab/face-feedback
  python -m eval.push runs/demo lab/face-feedback@margin-1 --private
  python -m eval.push runs/photos lab/photos-vit-b-32 --gallery
  python -m eval.push runs/demo/galleries/test.safetensors lab/drawn-faces --gallery --despite_licence

Log in first, with `hf auth login`, or set HF_TOKEN. A run becomes a model: what it takes to evaluate it elsewhere,
its results, and a model card that is written from them. A gallery becomes a data set: vectors and ids, no pictures.
Both are named ORG/NAME[@REVISION] wherever a program takes a folder:
  python -m eval.evaluate --checkpoint lab/face-feedback
  python -m eval.certify lab/photos-vit-b-32
"""


def main(arguments: Sequence[str]) -> None:
    """Push in one commit, and print its address."""
    parser = Parser(prog="python -m eval.push", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("folder", type=Path, help="output folder of train.py; with --gallery, a gallery or its file")
    parser.add_argument("name", help="ORG/NAME[@BRANCH] on the Hub; made where it is not there")
    parser.add_argument("--private", action="store_true", help="a new repository is private")
    parser.add_argument("--gallery", action="store_true", help="push a gallery, as a data set")
    parser.add_argument(
        "--despite_licence",
        action="store_true",
        help="of --gallery: push it although its data's licence does not let everybody pass it on",
    )
    options = parser.parse_args(list(arguments))
    if options.despite_licence and not options.gallery:
        parser.error("--despite_licence goes with --gallery; the pictures of a run are left out where they have to be")
    from multiturn.hub import HubName
    from multiturn.publishing import publish_gallery, publish_run

    name, private = HubName.of(options.name), options.private or None
    if options.gallery:
        done = publish_gallery(options.folder, name, private, options.despite_licence)
    else:
        done = publish_run(options.folder, name, private)
    print(f"pushed: {done.url}")
    print(f"name: {done.name}")


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
