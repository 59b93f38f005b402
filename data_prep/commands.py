"""Command lines of the loaders: one function a command, examples in --help, mistakes as one line; no data set."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_prep.splits import Splits


def run(module: str, description: str, examples: str, commands: dict[str, Any], args: list[str] | None) -> None:
    """Run one command of `python -m MODULE`; a mistake in the input ends it with a message and exit status 1."""
    import argparse

    from jsonargparse import auto_cli

    try:
        auto_cli(
            commands,
            args=args,
            prog=f"python -m {module}",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            as_positional=False,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def tell(table: str, agrees: bool) -> None:
    """Print a table of counts; exit status 1 where one differs."""
    print(table)
    if not agrees:
        sys.exit(1)


def write(output: Path, load: Callable[[], Splits]) -> None:
    """Load, write the splits, images included, to a new folder, and print what is in it and what is not."""
    from data_prep.splits import check_free, save

    check_free(output)
    loaded = load()
    save(loaded, output)
    print(f"{loaded.source}, written to {output}")
    for name, rows in loaded.splits.items():
        print(f"  {name}: {len(rows):,}")
    for reason, count in loaded.left_out.items():
        print(f"  left out: {count:,} ({reason})")
