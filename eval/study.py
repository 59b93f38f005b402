"""Studies with people: `python -m eval.study serve --protocol study.yaml`, and what comes after."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.cli import Parser, clear_errors
from multiturn.settings import EvaluationSettings

if TYPE_CHECKING:
    from multiturn.study.store import Store

CONFIGS = Path(__file__).parent.parent / "configs"
PROGRAM = "python -m eval.study"
COMMANDS = """commands, each with a --help of its own:
  run       play what people said, as it was recorded, with one or several systems
  serve     let people take part in a study, in a browser
  report    say what came of a study: tables, curves, systems compared, one page
  export    write out what a study holds: transcripts, tables, run files, DRES, CIRCLED
  power     tell how many participants a difference needs
  withdraw  delete everything about the participant of a code

examples:
  python -m eval.study run --protocol configs/studies/scripted-faces.yaml \\
      --queries configs/studies/scripted-faces.jsonl
  python -m eval.study serve --protocol configs/studies/faces.yaml
  python -m eval.study withdraw ABCD-EFGH-IJKL-MNOP --database study.sqlite
"""
SERVE = """examples:
  python -m eval.study serve --protocol configs/studies/faces.yaml
  python -m eval.study serve --protocol study.yaml --database studies/one.sqlite --port 8080
  python -m eval.study serve --protocol study.yaml --origin https://study.example.org

It listens on this machine alone. To let people in from elsewhere put a web server with HTTPS before it that keeps no
log, and give its address as --origin. Stop it with Ctrl+C; started again with the same database it goes on.
"""
REPORT = """examples:
  python -m eval.study report --database study.sqlite --output_dir runs/study
  python -m eval.study report --database study.sqlite --evaluation.recall_at '[1,8,50]' --evaluation.resamples 10000

The server may go on running; who withdraws later makes the report disappear.
"""
EXPORT = """examples:
  python -m eval.study export --database study.sqlite --output_dir runs/study
  python -m eval.study run --protocol study.yaml --queries runs/study/SYSTEM/queries.jsonl

The server may go on running. Who has withdrawn is in no file; who withdraws later makes these files disappear.
"""
POWER = """examples:
  python -m eval.study power --difference 0.15 --base 0.6 --targets 12
  python -m eval.study power --measure seconds --difference -20 --base 90 --spread 40 --difference_spread 10
  python -m eval.study power --difference 0.1 --base 0.7 --targets 24 --power 0.9

Two systems, each participant with both, half of the targets with either; a paired test over participants, as eval.study
report makes it. The report corrects for the number of its tests: --alpha 0.0125 plans for four. Take base and spreads
from a pilot, whose report prints them.
"""
WITHDRAW = """examples:
  python -m eval.study withdraw ABCD-EFGH-IJKL-MNOP --database study.sqlite

The server may go on running. Exports and reports that were written before are deleted; write them again.
"""


def main(arguments: Sequence[str]) -> None:
    """Run the command that the first argument names."""
    commands: dict[str, Callable[[Sequence[str]], None]] = {
        "run": scripted,
        "serve": serve,
        "report": tell,
        "export": write_out,
        "power": plan,
        "withdraw": take_out,
    }
    if arguments and arguments[0] in commands:
        commands[arguments[0]](arguments[1:])
        return
    parser = Parser(prog=PROGRAM, description=__doc__, epilog=COMMANDS)
    parser.add_argument("command", choices=list(commands))
    parser.parse_args(list(arguments[:1]))


def scripted(arguments: Sequence[str]) -> None:
    """Play what people said, as it was recorded, with every system of a protocol."""
    from multiturn.study.running import run

    run(arguments, f"{PROGRAM} run", CONFIGS)


def serve(arguments: Sequence[str]) -> None:
    """Let people take part in a study with a browser, until it is stopped."""
    parser = Parser(prog=f"{PROGRAM} serve", description=serve.__doc__, epilog=SERVE)
    parser.add_argument("--protocol", type=Path, required=True, help="YAML file; see configs/studies/")
    parser.add_argument("--database", type=Path, default=Path("study.sqlite"), help="where everything is kept")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--origin", default="", help="address that participants use, where a web server stands before")
    options = parser.parse_args(list(arguments))
    from multiturn.study.protocol import read_protocol

    protocol = read_protocol(options.protocol)
    from multiturn.study.conduct import Study
    from multiturn.study.serving import serve_study
    from multiturn.study.store import Store
    from multiturn.study.systems import open_systems

    systems = {system.name: system for system in open_systems(protocol.systems, CONFIGS)}
    with closing(Store(options.database)) as store:
        serve_study(Study(protocol, systems, store), options.host, options.port, options.origin)


def tell(arguments: Sequence[str]) -> None:
    """Compute what came of a study, print its tables, and write the page."""
    parser = Parser(prog=f"{PROGRAM} report", description=tell.__doc__, epilog=REPORT)
    parser.add_argument("--database", type=Path, default=Path("study.sqlite"), help="of the study")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/study"), help="where the page goes")
    parser.add_class_arguments(
        EvaluationSettings, "evaluation", skip={"turns", "batch_size", "seen", "page", "hits_from"}
    )
    options = parser.parse_args(list(arguments))
    try:
        settings: EvaluationSettings = parser.instantiate(options).evaluation
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.report.tables import markdown_table
    from multiturn.study.live_page import comparison_table, headline, report, score_table, system_table

    with opened(options.database) as store:
        numbers = report(store, options.output_dir, settings)
    print(headline(numbers))
    for table in (system_table(numbers), score_table(numbers), comparison_table(numbers)):
        if len(table) > 1:
            print(f"\n{markdown_table(table)}")
    print(f"\nreport: {options.output_dir / 'report.html'}")


def write_out(arguments: Sequence[str]) -> None:
    """Write out everything that a study holds, for other programs."""
    parser = Parser(prog=f"{PROGRAM} export", description=write_out.__doc__, epilog=EXPORT)
    parser.add_argument("--database", type=Path, default=Path("study.sqlite"), help="of the study")
    parser.add_argument("--output_dir", type=Path, default=Path("runs/study"), help="where the files go")
    options = parser.parse_args(list(arguments))
    from multiturn.study.export import export

    with opened(options.database) as store:
        files = export(store, options.output_dir)
    print(f"written to {options.output_dir}: {len(files)} files")


def plan(arguments: Sequence[str]) -> None:
    """Tell how many participants a difference between two systems needs, by simulating studies."""
    from multiturn.study.power import STUDIES, PlannedStudy, participants_needed

    parser = Parser(prog=f"{PROGRAM} power", description=plan.__doc__, epilog=POWER)
    parser.add_class_arguments(PlannedStudy)
    parser.add_argument("--power", type=float, default=0.8, help="chance of seeing the difference")
    parser.add_argument("--studies", type=int, default=STUDIES, help="to simulate for each number of participants")
    parser.add_argument("--seed", type=int, default=0, help="of the simulation")
    options = parser.parse_args(list(arguments))
    wanted, studies, seed = options.power, options.studies, options.seed
    if not 0 < wanted < 1 or studies < 1:
        parser.error(f"--power lies between 0 and 1 and --studies is at least 1, not {wanted} and {studies}")
    try:
        planned = PlannedStudy(**{name: options[name] for name in PlannedStudy.__dataclass_fields__})
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.report.tables import markdown_table

    size, rows = participants_needed(planned, wanted, studies=studies, seed=seed)
    table = [["Participants", "Power"], *([str(count), f"{share:.3f}"] for count, share in rows)]
    what = f"a difference of {planned.difference:g} in {planned.measure}, from {planned.base:g}"
    print(markdown_table(table, f"For {what}, with {planned.targets} targets each; {studies} simulated studies a row."))
    if size is None:
        raise ValueError(f"{rows[-1][0]} participants are too few for a power of {wanted:g}; use more targets")
    print(f"\n{size} participants see it with a chance of {rows[-1][1]:.2f}")


def take_out(arguments: Sequence[str]) -> None:
    """Delete everything about the participant of a code."""
    parser = Parser(prog=f"{PROGRAM} withdraw", description=take_out.__doc__, epilog=WITHDRAW)
    parser.add_argument("code", help="which the participant was given")
    parser.add_argument("--database", type=Path, default=Path("study.sqlite"), help="of the study")
    options = parser.parse_args(list(arguments))
    from multiturn.study.withdrawal import withdraw

    with opened(options.database) as store:
        withdraw(store, options.code)
    print("deleted: everything about this participant, and what was exported while they took part")


def opened(database: Path) -> "AbstractContextManager[Store]":
    """A database that is there, closed in the end."""
    from multiturn.study.store import Store

    return closing(Store(database, must_exist=True))


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
