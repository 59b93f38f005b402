"""From a task to a trained retriever and its report: the steps that train.py and the evaluator share."""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate.utils import gather_object
from torch import nn

from multiturn.certificates import CertifiedIndex, certificate_line, certified_index
from multiturn.cli import TaskSettings
from multiturn.evaluation import metric_names, summarise
from multiturn.files import write_text
from multiturn.gallery import Gallery
from multiturn.metrics import metric_named
from multiturn.processes import launched
from multiturn.ranks import Ranks, join
from multiturn.report.page import report_run
from multiturn.report.protocol_tables import protocol_table, session_table
from multiturn.report.sessions import keep_sessions
from multiturn.report.tables import certificate_lines, comparison_table, markdown_table, per_turn_table, protocol_line
from multiturn.results import results_of
from multiturn.session import Retriever
from multiturn.settings import CHANGEABLE, EvaluationSettings
from multiturn.task import Exam, Pictured, Stage, Staged, Task
from multiturn.training import fit, save_pretrained
from multiturn.trec import recorded
from multiturn.trial import Outcome, Trial, run

_COMMAND = "# begun by: "  # first words of config.yaml
PACKAGES = ("multiturn-retrieval", "torch", "timm", "accelerate", "datasets", "numpy")


def start_output(output: Path, config: str, resume: bool, resumable: bool = False) -> None:
    """Make an output folder and save the resolved configuration in it; of several processes only the first does.

    The file begins with the command, which `command_of` reads: a run that is resumed is made again by its first one. A
    folder with nothing but a configuration is that of a run that was refused, and may be begun anew.

    Args:
        resumable: whether the program has --resume.
    Raises:
        ValueError: the folder holds results, and they are not to be resumed, or were made with other settings than
            those that may change (`multiturn.settings.CHANGEABLE`).
    """
    if not launched().is_main_process:
        return
    path, command = output / "config.yaml", _own_command()
    if path.exists():
        refused = [entry.name for entry in output.iterdir()] == [path.name]
        if not (resume or refused):
            remedy = "add --resume to go on, choose" if resumable else "choose"
            raise ValueError(f"{output} already holds results; {remedy} another --output_dir, or delete it")
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        changed = list(_changed(before, yaml.safe_load(config)))
        if changed and not refused:
            raise ValueError(
                f"{output} was begun with other settings: {'; '.join(changed)}; give those it was begun with, or "
                "choose another --output_dir"
            )
        if resume and not changed:
            command = command_of(output)
    write_text(path, f"{_COMMAND}{command}\n{config}")


def command_of(output: Path) -> str:
    """The command that began a folder; this program's own where the folder does not tell."""
    path = output / "config.yaml"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.removeprefix(_COMMAND) if first.startswith(_COMMAND) else _own_command()


def _own_command() -> str:
    """The command line of this program, in one line."""
    return " ".join(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]).splitlines())


def _changed(before: Any, now: Any, name: str = "") -> Iterator[str]:
    """Settings that both configurations have and that differ; a setting that only one version knows is passed over."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted((before.keys() & now.keys()) - set(CHANGEABLE)):
            yield from _changed(before[key], now[key], f"{name}.{key}" if name else key)
    elif before != now:
        yield f"{name} is {now}, was {before}"


def train_retriever(task: Task, settings: TaskSettings, output: Path, resume: bool = False) -> nn.Module:
    """Train a task's retriever, the best epoch by its primary metric; weights and configuration go to `output`.

    A task in stages (`multiturn.task.Staged`) goes through them in order.
    """
    retriever = task.new_retriever()
    only = Stage("retriever", ".", task.rollout, settings.training, task.primary)
    for stage in task.stages() if isinstance(task, Staged) else [only]:

        def validate(module: nn.Module, stage: Stage = stage) -> Mapping[str, float]:
            values = validation_values(task, retriever, settings.evaluation)
            return values if stage.validate is None else {**values, **stage.validate(retriever)}

        fit(
            stage.rollout(retriever),
            task.examples(),
            stage.training,
            validate,
            stage.primary,
            output / stage.folder,
            settings.seed,
            resume,
            stage.name,
        )
    if launched().is_main_process:
        save_pretrained(retriever, output)
    launched().wait_for_everyone()
    return retriever


def validation_values(task: Task, retriever: nn.Module, settings: EvaluationSettings) -> dict[str, float]:
    """Metrics and measures of the last turn of the validation trial, and `recall`: R@K averaged over K and turns.

    Several processes play a part of the sessions each, and have the same values as one.
    """
    ranks, measures = _played_together(task.validation(retriever), settings.batch_size)
    tables = {name: metric_named(name)(ranks, "expected") for name in metric_names(settings)}
    values = {name: float(table[:, -1].mean()) for name, table in tables.items()}
    if settings.recall_at:
        recalls = [tables[f"R@{k}"][:, 1:].mean() for k in settings.recall_at]
        values["recall"] = float(torch.stack(recalls).mean())
    # `loss` is the training loss in the history.
    return values | {f"validation_{name}": float(m[:, -1].mean()) for name, m in measures.items()}


def _played_together(trial: Trial, batch_size: int) -> tuple[Ranks, Mapping[str, torch.Tensor]]:
    """Ranks and measures of all sessions of a trial, in their order, shared out among the processes."""
    state, sessions = launched(), len(trial.targets)
    if state.num_processes == 1 or sessions < state.num_processes:
        outcome = run(trial, batch_size, show_progress=False)
        return outcome.ranks, outcome.measures
    rows = torch.arange(sessions)
    own = rows[state.process_index :: state.num_processes]
    opening = None if trial.opening is None else trial.opening[own]
    outcome = run(replace(trial, targets=trial.targets[own], opening=opening), batch_size, show_progress=False)
    parts = gather_object([(own, outcome.ranks, outcome.measures)])
    order = torch.cat([part for part, _, _ in parts]).argsort()
    ranks = join([part for _, part, _ in parts], dim=0)
    measures = {name: torch.cat([part[name] for _, _, part in parts])[order] for name in outcome.measures}
    return Ranks(ranks.best[order], ranks.worst[order], ranks.candidates), measures


def report(
    task: Task,
    retriever: nn.Module,
    settings: EvaluationSettings,
    output: Path,
    name: str,
    run_depth: int = 0,
    index: str = "",
    indexes: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a retriever beside its control and baselines, and write all that people read of it.

    Of several processes only the first does so.

    Writes transcript.jsonl, metrics.json, sessions.json, pictures/, figures/ and report.html, each all or nothing.

    Args:
        name: of the task.
        run_depth: candidates listed a session and turn in run.trec, beside qrels.trec; 0 writes neither.
        index: faiss's name of the approximate index that proposes the model's pages, as
            `multiturn.certificates.certified_index` takes it; exact search if empty. Ranks are exact in either case.
        indexes: folder that keeps it; one in `output` if not given.
    Raises:
        ValueError: an index that faiss does not know, or a retriever whose scores have no vectors.
    Returns:
        what metrics.json holds.
    """
    if not launched().is_main_process:
        return {}
    exam = task.exam(retriever)
    own, certified = exam.model, None
    if index:
        certified = index_for(own.retriever, own.gallery, index, indexes or output / "indexes")
        told = {"pages proposed by": certified.certificate.name}
        own = replace(own, index=certified.index, header={**own.header, **told})
        exam = replace(exam, model=own, protocol={**exam.protocol, **told})
    recording = recorded(exam.model, output, run_depth) if run_depth else nullcontext(exam.model)
    with recording as trial:
        model = replace(run(trial, settings.batch_size, output / "transcript.jsonl"), trial=exam.model)
    others = [(role, run(trial, settings.batch_size)) for role, trial in exam.others]
    metrics = {**summary(exam, model, others, settings, task.primary), **_origin(task, retriever)}
    if certified is not None:
        metrics["index"] = {"text": certificate_line(certified.certificate), **asdict(certified.certificate)}
    control = next((results_of(outcome) for role, outcome in others if role == "control"), None)
    keep_sessions(output, results_of(model), control, task.images() if isinstance(task, Pictured) else None)
    task.pictures(model, output / "pictures", None if control is None else control.ranks.under("expected")[:, -1])
    metrics = publish(metrics, output, name)
    print(f"report: {output / 'report.html'}")
    if (weights := output / "model.safetensors").is_file():
        print(f"checkpoint: {weights}")
    return metrics


@torch.no_grad()
def index_for(retriever: Retriever, gallery: Gallery, factory: str, folder: Path) -> CertifiedIndex:
    """The approximate index of what a retriever scores; see `multiturn.certificates.certified_index`."""
    scores = retriever.score(retriever.start(1, gallery), gallery)
    return certified_index(scores, gallery, factory, folder)


def publish(metrics: Mapping[str, Any], output: Path, name: str) -> dict[str, Any]:
    """Write metrics.json, figures and the page of an evaluation, and print its tables.

    Args:
        name: of the task, or what else was evaluated.
    Returns:
        what metrics.json holds.
    """
    whole = write_metrics(metrics, output, name)
    print(markdown_table(per_turn_table(whole), protocol_line(whole)))
    for table in (
        protocol_table(whole),
        session_table(whole),
        *([comparison_table(whole)] * bool(whole["comparisons"])),
    ):
        print(f"\n{markdown_table(table)}")
    for line in (*certificate_lines(whole), *whole["warnings"]):
        print(line)
    return whole


def write_metrics(metrics: Mapping[str, Any], output: Path, name: str) -> dict[str, Any]:
    """Write metrics.json, figures and the page of an evaluation, as `publish` does, and print nothing."""
    whole = {**metrics, "task": name, **origin(), "command": command_of(output)}
    write_text(output / "metrics.json", json.dumps(whole, indent=1, allow_nan=False))
    report_run(output)
    return whole


def origin() -> dict[str, Any]:
    """What made the numbers of a report: command, time and versions."""
    return {
        "command": _own_command(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: found for package in PACKAGES if (found := _version(package))},
    }


def summary(
    exam: Exam,
    model: Outcome,
    others: Sequence[tuple[str, Outcome]],
    settings: EvaluationSettings,
    primary: str = "percentile",
) -> dict[str, Any]:
    """All numbers of an exam, as `multiturn.evaluation.summarise` gives them.

    Args:
        primary: the task's metric, which is compared beside R@K.
    """
    beside = [(role, results_of(outcome)) for role, outcome in others]
    return summarise(results_of(model, exam.protocol), beside, settings, exam.data, primary)


def _origin(task: Task, retriever: nn.Module) -> dict[str, str]:
    """What a card tells beside the numbers: the retriever's class, and licence and citation of the data."""
    about = task.images().info if isinstance(task, Pictured) else None
    return {
        "retriever": f"{type(retriever).__module__}.{type(retriever).__qualname__}",
        "licence": about.license if about else "",
        "citation": about.citation if about else "",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
