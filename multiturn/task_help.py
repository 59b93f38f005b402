"""Which tasks a program works for, as its help and its refusals name them; the list of all tasks is that of cli.py."""

from pathlib import Path

from multiturn.cli import Parser, task_names


def tasks_that(can: type, configs: Path) -> list[str]:
    """Names of the tasks whose settings can do what a program asks of them.

    Args:
        can: a protocol that can be checked at run time.
        configs: folder of YAML files, one a task.
    """
    found = []
    for name in task_names(configs):
        parser = Parser(prog=name)
        parser.add_task(["--task", name], configs)
        settings, _, _ = parser.parse_task(["--task", name])
        if isinstance(settings, can):
            found.append(name)
    return found


def tell_task(parser: Parser, words: str, required: bool = True) -> None:
    """Say in the help of --task what a program takes, where it is not every task or need not be given.

    Args:
        parser: after its `add_task`.
    """
    option = parser._option_string_actions["--task"]
    option.help, option.required = words, required
