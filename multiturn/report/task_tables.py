"""Tables that a task leaves beside its pictures, as pictures/NAME.table.json; the page of the run prints them."""

import json
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from multiturn.files import write_text
from multiturn.report.tables import html_table


def write_task_table(path: Path, title: str, table: Sequence[Sequence[str]], note: str) -> None:
    """Write a table for the page of the run, all or nothing.

    Args:
        path: pictures/NAME.table.json in the folder of the run.
        title: above it.
        table: rows of text, the header first.
        note: under it, what a reader of the table alone must know.
    """
    write_text(path, json.dumps({"title": title, "table": table, "note": note}, indent=1))


def task_tables(folder: Path) -> list[Markup]:
    """The tables in the folder of a run, in the order of their names, as a page prints them.

    Raises:
        ValueError: a damaged file.
    """
    found = []
    for path in sorted((folder / "pictures").glob("*.table.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.append(html_table(told["table"], told["note"], told["title"]))
        except (json.JSONDecodeError, KeyError, TypeError) as reason:
            raise ValueError(f"{path} holds no table ({reason!r}); evaluate the run again") from reason
    return found
