"""Command lines of tasks: a YAML file a task, dotted overrides, errors that suggest the right key; nothing heavy."""

import argparse
import difflib
import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, runtime_checkable

import yaml
from jsonargparse import SUPPRESS, ArgumentParser, DefaultHelpFormatter, Namespace

from multiturn.config_files import check_plain, read_config
from multiturn.hub import HubName, local_checkpoint
from multiturn.settings import EvaluationSettings, TrainingSettings

if TYPE_CHECKING:
    from multiturn.task import Task

SETTINGS_CLASS = "settings_class"
INDEX_HELP = (
    "take the pages from an approximate index, by faiss's name of it (HNSW32, ...) or 'usual'; it is kept with its "
    "certificate in CHECKPOINT/indexes, and ranks stay exact"
)


@runtime_checkable
class TaskSettings(Protocol):
    """Settings of a task: a dataclass that loads nothing heavy until it is asked to build."""

    @property
    def seed(self) -> int:
        """Of weights and of every random draw."""
        ...

    @property
    def training(self) -> TrainingSettings:
        """Of the retriever."""
        ...

    @property
    def evaluation(self) -> EvaluationSettings:
        """Of the retriever and what it is compared with."""
        ...

    def build(self, output: Path) -> "Task":
        """Make the task; what it trains or caches goes to `output`."""
        ...


class _Formatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of examples."""


class Parser(ArgumentParser):
    """jsonargparse's parser for the programs: settings of a task, and errors that name the key that was meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)
        self._settings: type | None = None

    def add_task(self, arguments: Sequence[str], configs: Path, words: str = "", required: bool = True) -> None:
        """Add the settings of the task that the arguments name, its YAML file's values as defaults.

        The class of the settings is named in that file, under `settings_class`; no class is ever imported by a
        name found in a checkpoint or in a file given with --config.

        Args:
            arguments: the command line; exits with status 2 if it names no task of `configs`.
            configs: folder of YAML files, one a task; the list of files is the list of tasks.
            words: help of --task, where the program does not take each of them.
            required: whether --task must be given.
        """
        names = task_names(configs)
        self.add_argument("--task", required=required, help=words or f"one of: {', '.join(names)}")
        self.add_argument("--config", action="config", help="YAML file whose settings replace the task's own")
        self.add_argument(f"--{SETTINGS_CLASS}", help=SUPPRESS)
        task = _asked_task(arguments)
        if task is None:
            return
        if task not in names:
            close = difflib.get_close_matches(task, names, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            self.error(f"unknown task {task!r}; the tasks are {', '.join(names)}{hint}")
        path = configs / f"{task}.yaml"
        settings = _settings_of(path)
        for file in _asked_configs(arguments):
            try:
                check_plain(read_config(file), settings, file)
            except (ValueError, OSError) as reason:
                self.error(str(reason))
        self.add_class_arguments(settings)
        self._settings = settings
        self.default_config_files = [str(path)]

    def parse_task(self, arguments: Sequence[str]) -> tuple[TaskSettings, Namespace, str]:
        """Parse a command line that names a task.

        Returns:
            the task's settings; all other options; the resolved configuration as YAML, fit for --config.
        """
        options = self.parse_args(list(arguments))
        assert self._settings is not None
        try:
            made = self.instantiate(options)
            settings = self._settings(**{field.name: made[field.name] for field in fields(self._settings)})
        except ValueError as reason:
            self.error(str(reason))
        whole = yaml.safe_load(self.dump(options))
        kept = {"task": options.task} | {field.name: whole.get(field.name) for field in fields(self._settings)}
        return settings, options, yaml.safe_dump(kept, sort_keys=False)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Exit with status 2 and the message."""
        super().error(message + self._suggestions(message), ex)

    def _suggestions(self, message: str) -> str:
        known = sorted(option for option in self._option_string_actions if option.startswith("--"))
        asked = re.findall(r"(--[\w.]+)", message) if "nrecognized arguments" in message else []
        if found := re.search(r"Group '([\w.]+)' does not accept option '([\w.]+)'", message):
            asked = [f"--{found[1]}.{found[2]}"]
        elif found := re.search(r"(?:Key|Option) '([\w.]+)'", message):
            asked = [f"--{found[1]}"]
        meant = [closest for name in asked if (closest := _closest(name, known))]
        return "".join([f"\n  did you mean {option}?" for option in meant])


def _settings_of(path: Path) -> type:
    """The class that a task's YAML file names.

    Raises:
        ValueError: it names none, or one that is not there.
    """
    name = yaml.safe_load(path.read_text(encoding="utf-8")).get(SETTINGS_CLASS, "")
    module, _, own = name.rpartition(".")
    if not module:
        raise ValueError(f"{path} names no {SETTINGS_CLASS}: a dataclass of a module, such as facefb.settings.Settings")
    try:
        return vars(importlib.import_module(module))[own]
    except (ImportError, KeyError) as reason:
        raise ValueError(f"{path} names {SETTINGS_CLASS} {name}, which cannot be imported: {reason}") from reason


def asked_checkpoint(parser: ArgumentParser, arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder that --checkpoint names, and the arguments that make its configuration the default.

    It must be known before the rest can be parsed, and after the program's own options are. A checkpoint on the Hub
    is downloaded. Without --checkpoint both are empty; exits with status 2 if there is no such checkpoint, it has no
    configuration, or one that sets options of the program, such as where results go.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--checkpoint")
    asked, _ = first.parse_known_args(list(arguments))
    if asked.checkpoint is None:
        return Path(), []
    try:
        folder = local_checkpoint(asked.checkpoint)
    except (ValueError, OSError) as reason:
        parser.error(str(reason))
    config = folder / "config.yaml"
    if not config.is_file():
        parser.error(f"no {config}; --checkpoint is the output folder of a finished train.py, or such a one on the Hub")
    try:
        told = read_config(config)
    except ValueError as reason:
        parser.error(str(reason))
    if "task" not in told:
        parser.error(f"{config} names no task; it is not the configuration of a run")
    own = {"config", SETTINGS_CLASS, *(option.lstrip("-") for option in parser._option_string_actions)}
    if found := sorted(own & {str(key).partition(".")[0] for key in told}):
        parser.error(f"{config} sets {', '.join(found)}, which is no setting of a task; do not use it")
    return folder, ["--config", str(config)]


def home_of(checkpoint: str) -> Path:
    """Where what is made of a checkpoint goes: into its folder, or, if it is on the Hub, to runs/.

    Example:
        >>> home_of("lab/faces@v2")
        PosixPath('runs/lab--faces@v2')
    """
    return Path(checkpoint) if Path(checkpoint).is_dir() else Path("runs") / HubName.of(checkpoint).as_folder


@contextmanager
def clear_errors() -> Iterator[None]:
    """End a program with one line instead of a traceback where the user can put it right.

    Set MULTITURN_TRACEBACK=1 to see where the error came from.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if os.environ.get("MULTITURN_TRACEBACK"):
            raise
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(1) from None


def task_names(configs: Path) -> list[str]:
    """Names of the tasks: one YAML file each."""
    return sorted(path.stem for path in configs.glob("*.yaml"))


def tasks_that(can: type, configs: Path) -> list[str]:
    """Names of the tasks whose settings can do what a program asks of them.

    Args:
        can: a protocol that can be checked at run time.
        configs: folder of YAML files, one a task.
    """
    found = []
    for name in task_names(configs):
        parser, asked = Parser(prog=name), ["--task", name]
        parser.add_task(asked, configs)
        if isinstance(parser.parse_task(asked)[0], can):
            found.append(name)
    return found


def _closest(name: str, known: list[str]) -> str | None:
    """The option most like `name`: spelled alike as a whole, or else alike in its last part."""
    if whole := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
        return whole[0]
    leaves = {option.lstrip("-").rsplit(".", 1)[-1]: option for option in known}
    alike = difflib.get_close_matches(name.lstrip("-").rsplit(".", 1)[-1], list(leaves), n=1, cutoff=0.75)
    return leaves[alike[0]] if alike else None


def _asked_task(arguments: Sequence[str]) -> str | None:
    """The task named by --task, or else by the last file given with --config: needed before the rest can be parsed."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--task")
    asked, _ = first.parse_known_args(list(arguments))
    if asked.task is None:
        for file in reversed(_asked_configs(arguments)):
            with suppress(ValueError, OSError):  # It is refused when it is read in earnest.
                asked.task = asked.task or read_config(file).get("task")
    return asked.task


def _asked_configs(arguments: Sequence[str]) -> list[Path]:
    """The files given with --config."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", action="append", default=[], type=Path)
    return first.parse_known_args(list(arguments))[0].config
