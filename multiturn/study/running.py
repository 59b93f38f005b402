"""The command line of scripted studies: `python -m eval.study run`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from multiturn.cli import Parser
from multiturn.settings import EvaluationSettings

EXAMPLES = """examples:
  python -m eval.study run --protocol configs/studies/scripted-faces.yaml \\
      --queries configs/studies/scripted-faces.jsonl --output_dir runs/study-faces
  python -m eval.study run --protocol study.yaml --queries queries.jsonl --evaluation.recall_at [1,5,10]
  python -m eval.study run --protocol study.yaml --queries queries.jsonl --ended missed

queries.jsonl has a JSON object a line, one a session:
  {"target": "ID", "participant": "p1", "turns": ["a red ball", "it lies on grass"], "seconds": [14.2, 9.0]}
A turn is a text, as the task of the systems reads it, or a reply as a transcript has it. `seconds`, and `opening`, a
list of ids for the page before the first reply, may be left out. STUDIES.md tells more.
"""


def run(arguments: Sequence[str], program: str, configs: Path) -> None:
    """Play what people said, as it was recorded, with every system of a protocol, and write one report.

    Args:
        arguments: of the command.
        program: as help and errors call it.
        configs: folder of the tasks.
    """
    parser = Parser(prog=program, description=(run.__doc__ or "").split("\n")[0], epilog=EXAMPLES)
    parser.add_argument("--protocol", type=Path, required=True, help="YAML file: title, systems, turns, page_size, ...")
    parser.add_argument("--queries", type=Path, required=True, help="what people said, a JSON object a line")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/scripted-study"), help="where results go")
    parser.add_argument("--run_depth", type=int, default=10, help="candidates a turn in run.trec; 0 writes no run file")
    parser.add_argument("--ended", default="carry", choices=["carry", "missed"], help="after a session ended early")
    parser.add_class_arguments(EvaluationSettings, "evaluation", skip={"turns", "seen", "page"})
    parser.set_defaults({"evaluation.recall_at": [1, 5, 10], "evaluation.batch_size": 64})
    options = parser.parse_args(list(arguments))
    try:
        asked: EvaluationSettings = parser.instantiate(options).evaluation
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.study.protocol import read_protocol
    from multiturn.study.scripts import read_queries

    protocol = read_protocol(options.protocol, scripted=True)
    scripts = read_queries(options.queries, protocol)
    from multiturn.report.tables import markdown_table
    from multiturn.study.recording import Rules
    from multiturn.study.scripted import run_study
    from multiturn.study.scripted_page import found_table, headline, turn_note, turn_table, warnings
    from multiturn.study.systems import open_systems

    settings = replace(asked, turns=protocol.turns, seen=protocol.seen, page=protocol.page_size)
    rules = Rules(protocol.page_size, protocol.seen, options.run_depth, options.ended)
    systems = open_systems(protocol.systems, configs)
    study = run_study(protocol, scripts, systems, settings, rules, options.output_dir, parser.dump(options))
    print(f"{headline(study)}\n")
    for which, title in (("per_turn", "All sessions"), ("best_of_users", "The best person of each image")):
        print(f"{title}:\n\n{markdown_table(turn_table(study, which))}\n")
    print(markdown_table(found_table(study)))
    print("\n".join([turn_note(study), *warnings(study), f"report: {options.output_dir / 'report.html'}"]))
