"""Count the parameters of a task's model, without any data: `python -m eval.describe --task vg-drilldown`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from multiturn.cli import Parser, clear_errors, tasks_that

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.describe --task vg-drilldown
  python -m eval.describe --task vg-drilldown --model.states 5 --model.dim 256
  python -m eval.describe --task vg-drilldown --model.kind r-hre --model.dim 1280 --json
  python -m eval.describe --task vg-drilldown --sizes.vocabulary 400 --sizes.region_dim 512 --sizes.regions 36
"""


@runtime_checkable
class Describable(Protocol):
    """Settings of a task whose model can be counted without data."""

    def describe(self, vocabulary: int, region_dim: int, regions: int) -> dict[str, Any]:
        """Returns `model`, `parameters` by part and in `all`, `query_state`, `picture`, `data` and `notes`."""
        ...


def main(arguments: Sequence[str]) -> None:
    """Print the sizes of a model."""
    parser = Parser(prog="python -m eval.describe", description=__doc__, epilog=EXAMPLES)
    able = ", ".join(tasks_that(Describable, CONFIGS))
    parser.add_task(arguments, CONFIGS, f"one of those whose model can be counted without data: {able}")
    # What only data could tell; the defaults are those of papers/drill-down.txt, section 4.
    parser.add_argument("--sizes.vocabulary", type=int, default=14284, help="words, four special ones among them")
    parser.add_argument("--sizes.region_dim", type=int, default=2048, help="length of a region's vector")
    parser.add_argument("--sizes.regions", type=int, default=36, help="regions of a picture")
    parser.add_argument("--json", action="store_true", help="print JSON")
    settings, options, _ = parser.parse_task(arguments)
    if not isinstance(settings, Describable):
        parser.error(f"task {options.task} has no model that can be counted without data; these have: {able}")
    found = settings.describe(options.sizes.vocabulary, options.sizes.region_dim, options.sizes.regions)
    print(json.dumps(found, indent=1) if options.json else _text(found))


def _text(found: dict[str, Any]) -> str:
    parameters = found["parameters"]
    widest = max(map(len, parameters))
    rows = [f"{part:<{widest}}  {count:>12,}" for part, count in parameters.items()]
    data = ", ".join(f"{name} {value:,}" for name, value in found["data"].items())
    numbers = f"numbers kept: {found['query_state']:,} a session, {found['picture']:,} a picture"
    return "\n".join([f"{found['model']} ({data})", *rows, numbers, *(f"note: {one}" for one in found["notes"])])


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
