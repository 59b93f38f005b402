"""Compare evaluations of the same targets, in pairs: `python -m eval.compare runs/one runs/other`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.cli import Parser, clear_errors
from multiturn.settings import EvaluationSettings

EXAMPLES = """examples:
  python -m eval.compare runs/demo runs/demo-margin-1
  python -m eval.compare runs/one runs/other runs/third --metric R@10 --turn 5 --all_pairs
  python -m eval.compare runs/one runs/other --metric R@1,Hits@10,BRI --allow fingerprint
  python -m eval.compare runs/ours theirs.csv --gallery ids.txt --output_dir runs/ours-theirs

A run is an output folder of train.py or eval.evaluate, ORG/NAME[@REVISION] of one on the Hub, or a file of ranks as
eval.evaluate --ranks reads it. Runs that differ in candidates, targets, turns or protocol are refused, and the
difference is named.
"""


def main(arguments: Sequence[str]) -> None:
    """Test each run against the first, print the table, and write it with curves."""
    parser = Parser(prog="python -m eval.compare", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("runs", nargs="+", type=Path, help="folders or files; the first is compared with all others")
    parser.add_argument(
        "--metric", type=str | list[str], default=["R@10", "Hits@10", "BRI"], help="one or more: R@1,BRI"
    )
    parser.add_argument("--turn", type=int, help="the last if not given")
    parser.add_argument("--all_pairs", action="store_true", help="compare each with each")
    parser.add_argument(
        "--allow",
        type=str | list[str],
        default=[],
        help="differences to accept, as a refusal names them: seen,page_size",
    )
    parser.add_argument("--gallery", type=Path, help="for files: gallery that was searched, or a text of its ids")
    parser.add_argument("--gallery_size", type=int, help="for files: number of candidates")
    parser.add_argument("--qrels", type=Path, help="for TREC runs: the targets")
    parser.add_class_arguments(EvaluationSettings, "evaluation", skip={"turns", "batch_size", "recall_at"})
    parser.add_argument("--output_dir", type=Path, default=Path("runs/comparison"), help="where tables and figures go")
    options = parser.parse_args(list(arguments))
    try:
        settings: EvaluationSettings = parser.instantiate(options).evaluation
    except ValueError as reason:
        parser.error(str(reason))
    from dataclasses import replace

    from multiturn.comparison import compare
    from multiturn.hub import local_checkpoint
    from multiturn.rank_rows import Searched, tabulate
    from multiturn.report.comparison import comparison_line, paired_table, write_comparison
    from multiturn.report.tables import markdown_table
    from multiturn.result_files import read_ranks
    from multiturn.result_tables import ARRAY, TABLES
    from multiturn.results import Results
    from multiturn.run_folder import read_run

    left_out: list[str] = []

    def results(path: Path) -> Results:
        if path.is_dir() or not (path.exists() or path.suffix in (*TABLES, ARRAY)):
            return read_run(local_checkpoint(path, "run"))
        searched = Searched.of(options.gallery, options.gallery_size)
        rows = read_ranks(path, searched, options.qrels, None, 0)
        left_out.extend(rows.notes)
        return tabulate(rows, path.stem, searched.candidates, {"seen": settings.seen})

    runs = [results(path) for path in options.runs]
    names = [run.name for run in runs]
    runs = [
        replace(run, name=f"{run.name} ({path})") if names.count(run.name) > 1 else run
        for run, path in zip(runs, options.runs, strict=True)
    ]
    metrics, allowed = words(options.metric), words(options.allow)
    comparison = compare(runs, metrics, settings, options.turn, options.all_pairs, allowed)
    comparison["warnings"] = [*left_out, *comparison["warnings"]]
    page = write_comparison(comparison, options.output_dir)
    print(markdown_table(paired_table(comparison), comparison_line(comparison)))
    for line in comparison["warnings"]:
        print(line)
    print(f"written to {page.parent}", file=sys.stderr)


def words(given: str | list[str]) -> list[str]:
    """Words of an option: a list, or text with commas between them.

    Example:
        >>> words("R@1, BRI"), words(["seen"]), words("first turn")
        (['R@1', 'BRI'], ['seen'], ['first turn'])
    """
    return [word.strip() for word in given.split(",")] if isinstance(given, str) else given


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
