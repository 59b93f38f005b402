"""What a run has measured, put where the blocks of README.md and RESULTS.md are written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.blocks import KEPT
from benchmarks.program import RESULTS, start
from multiturn.files import write_text

EXAMPLES = """examples:
  python -m benchmarks.publish --run runs/cub-relevance --name cub-relevance
  python -m benchmarks.publish --run runs/lfw-reverse --name lfw-open-set
"""
# Blocks that are written from another file of a run than metrics.json.
FILES = {
    "lfw-open-set": "pictures/open_set.json",
    "ablation": "ablation.json",
    "ablation-celeba": "ablation.json",
    "flickr8k": "ablation.json",
}
DIGITS = 6


def publish(run: Path, name: str, output: Path | None = None) -> Path:
    """Copy the results of a run for a block, without the rank metrics that no block shows.

    Args:
        run: output folder of train.py, eval.evaluate, eval.ablate or eval.study.
        name: of the block; `python -m benchmarks.readme` writes it from NAME.json then.
        output: folder for NAME.json; benchmarks/results if not given.
    Returns:
        what was written.
    """
    source = run / FILES.get(name, "metrics.json")
    if not source.is_file():
        raise FileNotFoundError(f"block {name} is made of {source}, which is not there; finish the run first")
    content = json.loads(source.read_text(encoding="utf-8"))
    path = (output or RESULTS) / f"{name}.json"
    if name not in FILES:
        content = shortened_study(content) if "systems" in content else shortened(content)
    write_text(path, json.dumps(content, indent=1) + "\n")
    print(f"written to {path}")
    return path


def shortened(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The content of metrics.json with what the blocks show, numbers with six digits."""
    others = [{**other, "per_turn": [_row(row) for row in other["per_turn"]]} for other in metrics["others"]]
    before, turns = metrics["before_feedback"], [_row(row) for row in metrics["per_turn"]]
    kept = {name: value for name, value in metrics.items() if name not in ("comparisons", "index")}
    return kept | {"before_feedback": before and _row(before), "per_turn": turns, "others": others}


def shortened_study(study: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a scripted study: what its systems found turn by turn, all sessions together."""
    systems = {
        name: {"checkpoint": found["checkpoint"], "per_turn": [_row(row) for row in found["per_turn"]]}
        for name, found in study["systems"].items()
    }
    return {name: value for name, value in study.items() if name != "comparisons"} | {"systems": systems}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    from multiturn.metrics import known

    kept = {name: value for name, value in row.items() if name in KEPT or not known(name)}
    for part in ("interval", "ties"):
        kept[part] = {name: [_rounded(end) for end in ends] for name, ends in row[part].items() if name in kept}
    return {name: _rounded(value) if isinstance(value, float) else value for name, value in kept.items()}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


if __name__ == "__main__":
    start(publish, "publish", EXAMPLES)
