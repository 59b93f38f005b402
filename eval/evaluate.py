"""Evaluate a trained retriever or the results of any other system: `python -m eval.evaluate --checkpoint DIR`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from multiturn.cli import INDEX_HELP, Parser, asked_checkpoint, clear_errors, home_of
from multiturn.settings import EvaluationSettings

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.evaluate --checkpoint runs/demo
  python -m eval.evaluate --checkpoint runs/demo --evaluation.seen drop_from_rank --output_dir runs/demo-seen
  python -m eval.evaluate --checkpoint runs/demo --witness.nested true
  python -m eval.evaluate --checkpoint runs/demo --index usual --output_dir runs/demo-index
  python -m eval.evaluate --checkpoint lab/face-feedback@v1
  python -m eval.evaluate --ranks theirs.csv --gallery_size 9896 --name theirs --output_dir runs/theirs
  python -m eval.evaluate --scores theirs.run --qrels theirs.qrels --gallery ids.txt --output_dir runs/theirs
"""
FILES = """The end of a file's name says how it is read:
  .parquet .csv .tsv .jsonl   a table with columns (of .jsonl: an object a line, with keys) session, turn, target and
                                for --ranks   rank, and rank_worst where ranks tie
                                for --scores  candidate and score, higher is better; or, in .parquet and .jsonl,
                                              lists `scores` in the order of --gallery
  .npy                        an array with axes session, turn and, for --scores, candidate; it may have a last axis
                              of (rank, rank_worst) for --ranks; --targets says who is looked for
  .trec .run .txt             a TREC run, lines `SESSION_TURN Q0 CANDIDATE RANK SCORE TAG`; --qrels has the targets, in
                              lines `SESSION_TURN 0 TARGET 1`; the query of session 17 after one reply is 17_1
Turn 0 is before any reply. Ranks count from 1. Lists of --scores and runs may end before the gallery does: what they
leave out counts as equal, below all that they list, and it is printed how much that is.

examples:
  python -m eval.evaluate --ranks theirs.csv --gallery_size 9896 --name theirs --output_dir runs/theirs
  python -m eval.evaluate --ranks ranks.npy --gallery_size 50000 --evaluation.hits_from 0 --output_dir runs/theirs
  python -m eval.evaluate --scores theirs.run --qrels theirs.qrels --gallery ids.txt --output_dir runs/theirs
"""


def main(arguments: Sequence[str]) -> None:
    """Play the test part of the data with a checkpoint, or read what another system did, and write the report."""
    if any(argument.partition("=")[0] in ("--ranks", "--scores") for argument in arguments):
        of_files(arguments)
        return
    parser = Parser(prog="python -m eval.evaluate", description=__doc__, epilog=EXAMPLES)
    parser.add_argument(
        "--checkpoint", help="output folder of train.py, or ORG/NAME[@REVISION] on the Hub; its configuration is used"
    )
    parser.add_argument(
        "--output_dir", type=Path, help="where results go; CHECKPOINT/evaluation, or runs/ORG--NAME/evaluation"
    )
    parser.add_argument("--run_depth", type=int, default=10, help="candidates a turn in run.trec; 0 writes no run file")
    parser.add_argument("--index", default="", help=INDEX_HELP)
    parser.add_argument(
        "--ranks", type=Path, help="ranks of another system; `--ranks FILE --help` tells what goes with it"
    )
    parser.add_argument("--scores", type=Path, help="scores of another system, likewise")
    folder, config = asked_checkpoint(parser, arguments)
    words = "of the checkpoint, which names it: need not be given"
    parser.add_task([*config, *arguments], CONFIGS, words, required=False)
    if not config and not {"-h", "--help"} & set(arguments):
        parser.error("give --checkpoint FOLDER, or --ranks FILE or --scores FILE of another system")
    settings, options, resolved = parser.parse_task([*config, *arguments])
    from multiturn.experiment import report, start_output

    output = options.output_dir or home_of(options.checkpoint or "") / "evaluation"
    start_output(output, resolved, resume=False)
    task = settings.build(output)
    task.prepare(checkpoint=folder)
    retriever, kept = task.load_retriever(str(folder)), folder / "indexes"
    report(task, retriever, settings.evaluation, output, options.task, options.run_depth, options.index, kept)


def of_files(arguments: Sequence[str]) -> None:
    """Evaluate the results of any system, without a model."""
    parser = Parser(prog="python -m eval.evaluate", description=of_files.__doc__, epilog=FILES)
    parser.add_argument("--ranks", type=Path, help="file of ranks of the targets")
    parser.add_argument("--scores", type=Path, help="file of scores of candidates")
    parser.add_argument("--control", type=Path, help="the same without feedback: gives the share that feedback harms")
    parser.add_argument("--qrels", type=Path, help="targets of a TREC run, lines `SESSION_TURN 0 TARGET 1`")
    parser.add_argument("--targets", type=Path, help="targets of an .npy, one a line")
    parser.add_argument("--first_turn", type=int, default=0, help="number of the turn in the first column of an .npy")
    parser.add_argument("--gallery", type=Path, help="gallery that was searched: .safetensors, or a text of ids")
    parser.add_argument("--gallery_size", type=int, help="number of candidates, where there is no such file")
    parser.add_argument("--ended", default="carry", choices=["carry", "missed"], help="after a session ended early")
    parser.add_argument("--name", help="of the system; the file's if not given")
    parser.add_argument("--data", default="not stated", help="what the images are, for the report")
    parser.add_class_arguments(EvaluationSettings, "evaluation", skip={"turns", "batch_size"})
    parser.add_argument("--output_dir", type=Path, required=True, help="where results go")
    options = parser.parse_args(list(arguments))
    if (options.ranks is None) == (options.scores is None):
        parser.error("give either --ranks FILE or --scores FILE")
    try:
        settings: EvaluationSettings = parser.instantiate(options).evaluation
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.evaluation import summarise
    from multiturn.experiment import publish, start_output
    from multiturn.rank_rows import Searched, tabulate
    from multiturn.report.sessions import keep_sessions
    from multiturn.result_files import read_ranks, read_scores
    from multiturn.results import Results
    from multiturn.run_folder import write_ranks

    searched = Searched.of(options.gallery, options.gallery_size)
    read, path = (read_ranks, options.ranks) if options.scores is None else (read_scores, options.scores)
    notes: list[str] = []

    def results(file: Path, name: str) -> Results:
        rows = read(file, searched, options.qrels, options.targets, options.first_turn)
        notes.extend(rows.notes)
        return tabulate(rows, name, searched.candidates, {"seen": settings.seen}, options.ended)

    model = results(path, options.name or path.stem)
    others = []
    if options.control is not None:
        alike = options.control.stem == model.name
        others = [("control", results(options.control, str(options.control) if alike else options.control.stem))]
    metrics = summarise(model, others, settings, options.data)
    metrics["warnings"] = [*notes, *metrics["warnings"]]
    start_output(options.output_dir, parser.dump(options), resume=False)
    write_ranks(model, options.output_dir / "ranks.parquet")
    keep_sessions(options.output_dir, model, others[0][1] if others else None)
    publish(metrics, options.output_dir, model.name)
    print(f"report: {options.output_dir / 'report.html'}")


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
