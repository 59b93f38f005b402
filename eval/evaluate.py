"""Evaluate a trained retriever: `python -m eval.evaluate --checkpoint runs/demo`."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from multiturn.cli import Parser, clear_errors

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.evaluate --checkpoint runs/demo
  python -m eval.evaluate --checkpoint runs/demo --evaluation.seen drop_from_rank --output_dir runs/demo-seen
  python -m eval.evaluate --checkpoint runs/demo --witness.nested true
"""


def main(arguments: Sequence[str]) -> None:
    """Play the test part of the data with a checkpoint and write its report."""
    parser = Parser(prog="python -m eval.evaluate", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--checkpoint", help="output folder of train.py; its configuration is used")
    parser.add_argument("--output_dir", type=Path, help="where results go; CHECKPOINT/evaluation if not given")
    folder, config = _checkpoint(parser, arguments)
    parser.add_task([*config, *arguments], CONFIGS)
    settings, options, resolved = parser.parse_task([*config, *arguments])
    from multiturn.experiment import report, start_output

    output = options.output_dir or folder / "evaluation"
    start_output(output, resolved, resume=False)
    task = settings.build(output)
    task.prepare(checkpoint=folder)
    report(task, task.load_retriever(str(folder)), settings.evaluation, output, options.task)


def _checkpoint(parser: Parser, arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The checkpoint's folder, and the arguments that make its configuration the default."""
    found = [value for name, value in pairwise(arguments) if name == "--checkpoint"]
    found += [a.partition("=")[2] for a in arguments if a.startswith("--checkpoint=")]
    if not found:
        return Path(), []
    folder = Path(found[-1])
    config = folder / "config.yaml"
    if not config.is_file():
        parser.error(f"no {config}; --checkpoint is the output folder of a finished train.py")
    return folder, ["--config", str(config)]


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
