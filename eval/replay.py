"""Tell any checkpoint what a log's users said: `python -m eval.replay LOG --checkpoint DIR`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from multiturn.cli import Parser, clear_errors
from multiturn.settings import EvaluationSettings

if TYPE_CHECKING:
    from multiturn.study.logs import Log

SEEN = ["keep", "drop_from_display", "drop_from_rank"]
CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = """examples:
  python -m eval.replay runs/demo/transcript.jsonl --checkpoint runs/demo            # shows every page as it was
  python -m eval.replay runs/study/gru/transcript.jsonl --checkpoint runs/margin-1
  python -m eval.replay VisDial_v1.0_queries_val.json --checkpoint runs/text --page_size 10
  python -m eval.replay dres-events.txt --targets targets.json --checkpoint runs/text
  python -m eval.replay runs/study/dres.json --team gru --checkpoint runs/margin-1
  python -m eval.replay runs/study/text/transcript.jsonl --to_circled sessions.json

LOG is a transcript of ours (simulated, scripted or live), dialogues of VisDial or ChatIR, sessions of CIRCLED, or a log
of DRES; STUDIES.md says what is read of each. The first turn at which the checkpoint would have shown another page is
marked, since what was said after it answers a page that nobody would have seen.
"""


def main(arguments: Sequence[str]) -> None:
    """Play a log with a checkpoint, and write its ranks beside the log's; or write a transcript as CIRCLED has it."""
    parser = Parser(prog="python -m eval.replay", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("log", type=Path, help="file of sessions")
    parser.add_argument("--checkpoint", help="output folder of train.py, or a model on the Hub")
    parser.add_argument("--targets", type=Path, help="JSON file of targets, {SEARCH: ID}, for logs of DRES without")
    parser.add_argument("--team", help="whose searches to play, of a log of DRES that has several teams")
    parser.add_argument("--page_size", type=int, help="candidates shown a turn; the log's if not given, or else 10")
    parser.add_argument("--seen", choices=SEEN, help="the log's if not given, or else keep")
    parser.add_argument("--ended", default="carry", choices=["carry", "missed"], help="after a session ended early")
    parser.add_argument("--run_depth", type=int, default=0, help="candidates a turn in run.trec; 0 writes no run file")
    parser.add_argument(
        "--to_circled", type=Path, help="write the transcript's sessions to this file, and play nothing"
    )
    parser.add_class_arguments(EvaluationSettings, "evaluation", skip={"turns", "seen", "page", "batch_size"})
    parser.set_defaults({"evaluation.recall_at": [1, 5, 10]})
    parser.add_argument("--output_dir", type=Path, default=Path("runs/replay"), help="where results go")
    options = parser.parse_args(list(arguments))
    if options.to_circled is not None:
        convert(options.log, options.to_circled)
        return
    if options.checkpoint is None:
        parser.error("say what the log is to be played with: --checkpoint DIR")
    if options.page_size is not None and options.page_size < 1:
        parser.error(f"--page_size shows at least one candidate, not {options.page_size}")
    try:
        asked: EvaluationSettings = parser.instantiate(options).evaluation
    except ValueError as reason:
        parser.error(str(reason))
    from multiturn.report.tables import markdown_table
    from multiturn.study.logs import read_log, read_targets
    from multiturn.study.logs.log import Names
    from multiturn.study.recording import Rules
    from multiturn.study.replay_page import headline, turn_note, turn_table, warnings
    from multiturn.study.replaying import replay
    from multiturn.study.systems import open_system

    targets = None if options.targets is None else read_targets(options.targets)
    system = open_system(Path(options.checkpoint).name, options.checkpoint, CONFIGS)
    log = read_log(options.log, Names(system.gallery.ids, system.gallery.source), targets, options.team)
    page_size = options.page_size or log.page_size or min(10, len(system.gallery))
    rules = Rules(page_size, options.seen or log.seen or "keep", options.run_depth, options.ended)
    settings = replace(asked, turns=turns_of(log), seen=rules.seen, page=max(page_size, 1))
    title = "/".join(options.log.parts[-2:])
    told = replay(log, system, settings, rules, options.output_dir, parser.dump(options), title)
    print(f"{headline(told)}\n\n{markdown_table(turn_table(told), turn_note(told))}\n")
    print("\n".join([*warnings(told), f"report: {options.output_dir / 'replay.html'}"]))


def turns_of(log: "Log") -> int:
    """Replies of the longest session."""
    return max(len(one.script.said) for one in log.sessions)


def convert(log: Path, output: Path) -> None:
    """Write the sessions of a transcript as CIRCLED has them."""
    from multiturn.files import write_text
    from multiturn.study.logs.dialogues import to_circled
    from multiturn.transcript import read_transcript

    sessions = to_circled(read_transcript(log), log.parent.name)
    write_text(output, json.dumps(sessions, indent=1) + "\n")
    print(f"{len(sessions)} sessions: {output}")


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
