"""Command line: `python -m eval.report RUN_DIR` writes the figures and the page of a run again."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path

EXAMPLES = """examples:
  python -m eval.report runs/demo
  python -m eval.report runs/demo > table.md
"""


def report(run_dir: Path) -> None:
    """Write RUN_DIR/figures and RUN_DIR/report.html again, and print the table in Markdown.

    Nothing is evaluated: it reads metrics.json, config.yaml, history.json, sessions.json and pictures/ of RUN_DIR.

    Args:
        run_dir: output folder of a run that was evaluated.
    """
    from multiturn.report.page import report_run
    from multiturn.report.tables import markdown_table, per_turn_table, protocol_line

    metrics = report_run(run_dir)
    print(markdown_table(per_turn_table(metrics), protocol_line(metrics)))
    print(f"written to {run_dir / 'report.html'}", file=sys.stderr)


if __name__ == "__main__":
    from jsonargparse import DefaultHelpFormatter, auto_cli

    class HelpFormatter(DefaultHelpFormatter, RawDescriptionHelpFormatter):
        """Keeps the line breaks of the examples."""

    try:
        auto_cli(report, prog="python -m eval.report", epilog=EXAMPLES, formatter_class=HelpFormatter)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
