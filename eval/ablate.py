"""Train and compare the variants of a task's ablations: `python -m eval.ablate --task celeba-feedback`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from multiturn.cli import Parser, clear_errors, tasks_that

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.ablate --task celeba-feedback
  python -m eval.ablate --task celeba-feedback --faces.root /data/celeba --output_dir runs/celeba-ablation

A command that was stopped goes on where it was when it is given again.
"""


@runtime_checkable
class Ablatable(Protocol):
    """Settings of a task that has ablations."""

    def ablate(self, output: Path) -> list[dict[str, Any]]:
        """Train and evaluate all variants; returns tables with `title`, `table` and `note`."""
        ...


def main(arguments: Sequence[str]) -> None:
    """Run all variants and print their tables."""
    parser = Parser(prog="python -m eval.ablate", description=__doc__, epilog=EXAMPLES)
    able = ", ".join(tasks_that(Ablatable, CONFIGS))
    parser.add_task(arguments, CONFIGS, f"one of those that have ablations: {able}")
    parser.add_argument("--output_dir", type=Path, help="where results go; runs/TASK-ablation if not given")
    settings, options, _ = parser.parse_task(arguments)
    if not isinstance(settings, Ablatable):
        parser.error(f"task {options.task} has no ablations; these have: {able}")
    output = options.output_dir or Path("runs") / f"{options.task}-ablation"
    settings.ablate(output)
    print((output / "ablation.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
