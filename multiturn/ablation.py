"""Runs of one task's variants, each trained and reported in a folder of its own; which they are, a system says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import yaml

from multiturn.cli import TaskSettings
from multiturn.experiment import report, train_retriever
from multiturn.files import write_text
from multiturn.processes import launched
from multiturn.report.tables import markdown_table
from multiturn.task import Task

Runs = Mapping[str, Mapping[str, Any]]  # what metrics.json of each run holds, by its title


@runtime_checkable
class Varied(Task, Protocol):
    """A task whose data and encoder serve several settings."""

    def variant(self, settings: Any) -> Task:
        """The same data and encoder with other settings of what is trained on them."""
        ...


class Runner:
    """Runs that share the data and the encoder of one task.

    Args:
        name: of the task.
        task: prepared when the first run needs it.
        output: each run has a folder below it.
    """

    def __init__(self, name: str, task: Varied, output: Path) -> None:
        self._name, self._task, self._output = name, task, output
        self._prepared = False

    def folder(self, title: str) -> Path:
        """Where the run of this title goes."""
        return self._output / title.replace(",", "").replace(" ", "-")

    def run(self, title: str, settings: TaskSettings) -> Mapping[str, Any]:
        """Train and evaluate one variant, or read what a finished run of it wrote.

        Returns:
            what metrics.json holds; nothing in all but the first of several processes.
        """
        folder, everyone = self.folder(title), launched()
        finished = folder / "metrics.json"
        if finished.is_file():
            everyone.print(f"{title}: finished before, in {folder}")
            return json.loads(finished.read_text(encoding="utf-8"))
        if not self._prepared:
            self._task.prepare(resume=True)
            self._prepared = True
        everyone.print(f"{title}: {folder}")
        if everyone.is_main_process:
            resolved = {"task": self._name} | asdict(settings)  # type: ignore[call-overload]
            write_text(folder / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
        task = self._task.variant(settings)
        retriever = train_retriever(task, settings, folder, resume=True)
        metrics = report(task, retriever, settings.evaluation, folder, self._name)
        everyone.wait_for_everyone()
        return metrics


def write_tables(tables: Sequence[Mapping[str, Any]], output: Path) -> None:
    """Write the tables of an ablation as ablation.md and ablation.json, each all or nothing.

    Args:
        tables: each with its `title`, `table` and `note`.
        output: folder for both.
    """
    parts = [f"## {one['title']}\n\n{markdown_table(one['table'], one['note'])}" for one in tables]
    write_text(output / "ablation.md", "\n\n".join(parts) + "\n")
    write_text(output / "ablation.json", json.dumps(tables, indent=1))
