"""Train a task's retriever and report on it: `accelerate launch train.py --task celeba-feedback`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from multiturn.cli import Parser, TaskSettings, clear_errors

CONFIGS = Path(__file__).parent / "configs"
EXAMPLES = """examples:
  python train.py --task celeba-feedback
  python train.py --task celeba-feedback --faces.root /data/celeba
  python train.py --task celeba-feedback --gru.margin 1.0 --training.epochs 20 --output_dir runs/margin-1
  python train.py --task celeba-feedback --output_dir runs/margin-1 --resume
  python train.py --task celeba-feedback --print_config
  accelerate launch --mixed_precision bf16 train.py --task celeba-feedback
"""


def parse(arguments: Sequence[str]) -> tuple[TaskSettings, Namespace, str]:
    """Read the command line; returns the settings, all options, and the resolved configuration as YAML."""
    parser = Parser(prog="train.py", description=__doc__, epilog=EXAMPLES)
    parser.add_task(arguments, CONFIGS)
    parser.add_argument("--output_dir", type=Path, help="where all results go; runs/TASK if not given")
    parser.add_argument("--resume", action="store_true", help="go on from what output_dir holds")
    return parser.parse_task(arguments)


def main(arguments: Sequence[str]) -> None:
    """Train, keep the best epoch, report on the test part."""
    settings, options, config = parse(arguments)
    # Heavy imports come after the command line is known to be right.
    from multiturn.experiment import report, start_output, train_retriever

    output = options.output_dir or Path("runs") / options.task
    start_output(output, config, options.resume)
    task = settings.build(output)
    task.prepare(options.resume)
    retriever = train_retriever(task, settings, output, options.resume)
    report(task, retriever, settings.evaluation, output, options.task)


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
