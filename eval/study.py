"""Studies with people: `python -m eval.study serve --protocol study.yaml`, and what comes after."""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.cli import Parser, clear_errors

if TYPE_CHECKING:
    from multiturn.study.store import Store

CONFIGS = Path(__file__).parent.parent / "configs"
PROGRAM = "python -m eval.study"
COMMANDS = """commands, each with a --help of its own:
  run       play what people said, as it was recorded, with one or several systems
  serve     let people take part in a study, in a browser
  export    write out what a study holds: transcripts, tables, run files, DRES, CIRCLED
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
EXPORT = """examples:
  python -m eval.study export --database study.sqlite --output_dir runs/study
  python -m eval.study run --protocol study.yaml --queries runs/study/SYSTEM/queries.jsonl

The server may go on running. Who has withdrawn is in no file; who withdraws later makes these files disappear.
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
        "export": write_out,
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
