"""From a task to a trained retriever and its report: the steps that train.py and the evaluator share."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import nn

from multiturn.cli import TaskSettings
from multiturn.evaluation import difference, harm_rate, metric_names, per_turn, tie_warnings
from multiturn.files import write_text
from multiturn.metrics import metric_named
from multiturn.processes import launched
from multiturn.report.page import report_run
from multiturn.report.tables import markdown_table, per_turn_table, protocol_line
from multiturn.settings import EvaluationSettings
from multiturn.task import Exam, Task
from multiturn.training import fit, save_pretrained
from multiturn.trial import Outcome, run

PACKAGES = ("multiturn-retrieval", "torch", "timm", "accelerate", "datasets", "numpy")


def start_output(output: Path, config: str, resume: bool) -> None:
    """Make an output folder and save the resolved configuration in it; of several processes only the first does.

    Raises:
        ValueError: the folder holds results, and they are not to be resumed.
    """
    if not launched().is_main_process:
        return
    if not resume and (output / "config.yaml").exists():
        raise ValueError(
            f"{output} already holds results; add --resume to go on, choose another --output_dir, or delete it"
        )
    write_text(output / "config.yaml", config)


def train_retriever(task: Task, settings: TaskSettings, output: Path, resume: bool = False) -> nn.Module:
    """Train a task's retriever, the best epoch by its primary metric; weights and configuration go to `output`."""
    retriever = task.new_retriever()

    def validate(module: nn.Module) -> Mapping[str, float]:
        outcome = run(task.validation(retriever), settings.evaluation.batch_size, show_progress=False)
        names = metric_names(settings.evaluation)
        values = {name: float(metric_named(name)(outcome.ranks, "expected")[:, -1].mean()) for name in names}
        # `loss` is the training loss in the history.
        return values | {f"validation_{name}": float(m[:, -1].mean()) for name, m in outcome.measures.items()}

    fit(
        task.rollout(retriever),
        task.examples(),
        settings.training,
        validate,
        task.primary,
        output,
        settings.seed,
        resume,
        "retriever",
    )
    if launched().is_main_process:
        save_pretrained(retriever, output)
    launched().wait_for_everyone()
    return retriever


def report(task: Task, retriever: nn.Module, settings: EvaluationSettings, output: Path, name: str) -> dict[str, Any]:
    """Evaluate a retriever beside its control and baselines, and write all that people read of it.

    Of several processes only the first does so.

    Writes transcript.jsonl, metrics.json, pictures/, figures/ and report.html, each all or nothing.

    Args:
        name: of the task.
    Returns:
        what metrics.json holds.
    """
    if not launched().is_main_process:
        return {}
    exam = task.exam(retriever)
    model = run(exam.model, settings.batch_size, output / "transcript.jsonl")
    others = [(role, run(trial, settings.batch_size)) for role, trial in exam.others]
    metrics = summary(exam, model, others, settings) | {
        "task": name,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
    }
    write_text(output / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False))
    task.pictures(model, output / "pictures")
    report_run(output)
    print(markdown_table(per_turn_table(metrics), protocol_line(metrics)))
    for line in (*comparisons(metrics), *metrics["warnings"]):
        print(line)
    print(f"report: {output / 'report.html'}\ncheckpoint: {output / 'model.safetensors'}")
    return metrics


def summary(
    exam: Exam, model: Outcome, others: Sequence[tuple[str, Outcome]], settings: EvaluationSettings
) -> dict[str, Any]:
    """All numbers of a report, JSON-ready; `per_turn` has a dict a turn with the metric names as keys."""
    turns = per_turn(model, settings)
    rows = {id(outcome): per_turn(outcome, settings) for _, outcome in others}
    control = next((outcome for role, outcome in others if role == "control"), None)
    last = len(turns) - 1
    trial = model.trial
    return {
        "data": exam.data,
        "model": trial.name,
        "gallery": {
            "size": len(trial.gallery),
            "source": trial.gallery.source,
            "fingerprint": trial.gallery.fingerprint,
        },
        "sessions": len(trial.targets),
        "protocol": {
            "turns": trial.turns,
            "page_size": trial.page_size,
            "seen": trial.seen,
            "tie": "expected",
            "confidence": settings.confidence,
            **exam.protocol,
        },
        "per_turn": turns[1:],
        "before_feedback": turns[0],
        "others": [
            {"name": outcome.trial.name, "role": role, "per_turn": rows[id(outcome)][1:]} for role, outcome in others
        ],
        "harm_rate": [] if control is None else harm_rate(model, control),
        "comparisons": [
            difference(model, outcome, "percentile", last, outcome.trial.turns, settings) for _, outcome in others
        ],
        "warnings": tie_warnings(trial.name, turns[1:])
        + [line for _, outcome in others for line in tie_warnings(outcome.trial.name, rows[id(outcome)][1:])],
    }


def comparisons(metrics: Mapping[str, Any]) -> list[str]:
    """A sentence for each comparison of the model with something else."""
    return [
        f"{one['of']} over {one['over']}: {100 * one['difference']:+.2f} points of {one['metric']} "
        f"[{100 * one['interval'][0]:+.2f}, {100 * one['interval'][1]:+.2f}], intervals "
        f"{'overlap' if one['intervals_overlap'] else 'do not overlap'}"
        for one in metrics["comparisons"]
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
