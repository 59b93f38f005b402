"""Command line: `python -m eval.report RUN` writes the figures and the page of a run again."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

EXAMPLES = """examples:
  python -m eval.report runs/demo
  python -m eval.report runs/demo > table.md
  python -m eval.report ORG/faces@v1 --output_dir runs/theirs
"""


def report(run: str, output_dir: Path | None = None) -> None:
    """Write the figures and report.html of a run again, and print its table in Markdown.

    Nothing is evaluated: it reads metrics.json, config.yaml, every history.json and pictures/, and for the sessions
    shown sessions.json, transcript.jsonl or ranks.parquet.

    Args:
        run: output folder of a run that was evaluated, or ORG/NAME[@REVISION] on the Hub.
        output_dir: folder for the page; if not given, that of the run, or runs/ORG--NAME@REVISION/report.
    """
    from multiturn.cli import home_of
    from multiturn.hub import local_checkpoint
    from multiturn.report.page import report_run
    from multiturn.report.tables import markdown_table, per_turn_table, protocol_line

    folder = local_checkpoint(run, "run")
    # Nothing is written to the Hub's cache.
    output_dir = output_dir or (folder if Path(run).is_dir() else home_of(run) / "report")
    metrics = report_run(folder, output_dir)
    print(markdown_table(per_turn_table(metrics), protocol_line(metrics)))
    print(f"written to {output_dir / 'report.html'}", file=sys.stderr)


def main(arguments: Sequence[str]) -> None:
    """Run the program."""
    from jsonargparse import DefaultHelpFormatter, auto_cli

    class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
        """Keeps the line breaks of the examples."""

    auto_cli(report, args=[*arguments], prog="python -m eval.report", epilog=EXAMPLES, formatter_class=HelpFormatter)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
