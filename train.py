"""Train a task's retriever and report on it: `accelerate launch train.py --task celeba-feedback`."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from multiturn.cli import Parser, TaskSettings, clear_errors
from multiturn.hub import HubName
from multiturn.hub.pushing import reserve
from multiturn.settings import TRACKERS

CONFIGS = Path(__file__).parent / "configs"
EXAMPLES = """examples:
  python train.py --task celeba-feedback
  python train.py --task celeba-feedback --faces.root /data/celeba
  python train.py --task celeba-feedback --gru.margin 1.0 --training.epochs 20 --output_dir runs/margin-1
  python train.py --task celeba-feedback --output_dir runs/margin-1 --resume
  python train.py --task celeba-feedback --training.accumulate 4 --training.checkpoint_seconds 60 --tracker none
  python train.py --task celeba-feedback --push_to_hub lab/face-feedback --private
  python train.py --task celeba-feedback --print_config
  accelerate launch --mixed_precision bf16 train.py --task celeba-feedback
"""


def parse(arguments: Sequence[str]) -> tuple[TaskSettings, Namespace, str]:
    """Read the command line; returns the settings, all options, and the resolved configuration as YAML."""
    parser = Parser(prog="train.py", description=__doc__, epilog=EXAMPLES)
    arguments = [*begun(arguments), *arguments]
    parser.add_task(arguments, CONFIGS)
    parser.add_argument("--output_dir", type=Path, help="where all results go; runs/TASK if not given")
    parser.add_argument(
        "--resume",
        nargs="?",
        choices=["latest", "auto"],
        const="latest",
        help="go on from the latest whole checkpoint of each training in output_dir, as if it had never stopped; its "
        "settings are the defaults. auto: begin if nothing is there yet",
    )
    parser.add_argument(
        "--tracker",
        choices=TRACKERS,
        help="what is told losses, learning rate, gradient norm and validation values; tensorboard where it is "
        "installed, if not given: tensorboard --logdir OUTPUT_DIR",
    )
    parser.add_argument("--push_to_hub", help="ORG/NAME[@BRANCH] on the Hub, where the finished run is pushed to")
    parser.add_argument("--private", action="store_true", help="of --push_to_hub: a new repository is private")
    return parser.parse_task(arguments)


def begun(arguments: Sequence[str]) -> list[str]:
    """Arguments that make the configuration of a run that is to be resumed the default; none for a new one."""
    first = ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task", default="")
    first.add_argument("--output_dir", type=Path)
    first.add_argument("--resume", nargs="?", const="latest")
    asked, _ = first.parse_known_args(list(arguments))
    config = (asked.output_dir or Path("runs") / asked.task) / "config.yaml"
    return ["--config", str(config)] if asked.resume and config.is_file() else []


def main(arguments: Sequence[str]) -> None:
    """Train, keep the best epoch, report on the test part."""
    settings, options, config = parse(arguments)
    pushed_to = HubName.of(options.push_to_hub) if options.push_to_hub else None
    # Heavy imports come after the command line is known to be right.
    from multiturn.experiment import report, start_output, train_retriever
    from multiturn.processes import launched
    from multiturn.publishing import publish_run, write_card
    from multiturn.tracking import tracked

    output, resume = options.output_dir or Path("runs") / options.task, options.resume is not None
    if options.resume == "latest" and not (output / "config.yaml").is_file():
        raise ValueError(f"{output} holds no run to go on from; leave --resume out to begin one, or say --resume auto")
    if pushed_to and launched().is_main_process:
        reserve(pushed_to, "model", options.private or None)
    with tracked(options.tracker):
        start_output(output, config, resume, resumable=True)
        task = settings.build(output)
        task.prepare(resume)
        retriever = train_retriever(task, settings, output, resume)
    report(task, retriever, settings.evaluation, output, options.task)
    if launched().is_main_process:
        write_card(output)
        if pushed_to:
            print(f"pushed: {publish_run(output, pushed_to, options.private or None).url}")


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
