"""Scripted studies and replays as users call them: `eval.study run` and `eval.replay`, on a few drawn faces."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.study.systems import open_system
from tests.multiturn.study.small import CONFIGS, FACES, checkpoint

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = "systems: {gru: runs/nowhere}\nturns: 2\npage_size: 3\n"


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on arguments, from the root of the checkout."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline
    )


@pytest.mark.parametrize("way", [["eval.study", "run"], ["eval.replay"]])
def test_help_shows_examples_and_loads_nothing_heavy(way: list[str]):
    shown = program("-X", "importtime", "-m", *way, "--help")
    assert shown.returncode == 0 and "examples:" in shown.stdout
    assert re.findall(r"\| +(torch|datasets|transformers|timm|faiss|matplotlib)$", shown.stderr, re.MULTILINE) == []


@pytest.mark.parametrize(
    ("protocol", "queries", "said"),
    [
        ("systems: {gru: x}\npage_sise: 3\n", "", "page_size"),
        (PROTOCOL, "", "holds no session"),
        (PROTOCOL, '{"target": "a", "participant": "p", "turns": ["Smiling"], "second": [1]}', "did you mean seconds"),
        (
            PROTOCOL,
            '{"target": "a", "participant": "p", "turns": ["a", "b", "c"]}',
            "line 1: 3 turns, but the protocol",
        ),
        (PROTOCOL, '{"target": "a", "participant": "p", "turns": ["a"]}', "runs/nowhere"),
    ],
)
def test_a_mistake_is_one_clear_message_before_anything_is_loaded(
    tmp_path: Path, protocol: str, queries: str, said: str
):
    (tmp_path / "study.yaml").write_text(protocol)
    (tmp_path / "queries.jsonl").write_text(queries)
    files = ["--protocol", str(tmp_path / "study.yaml"), "--queries", str(tmp_path / "queries.jsonl")]
    refused = program("-m", "eval.study", "run", *files, "--output_dir", str(tmp_path / "out"))
    assert refused.returncode in (1, 2) and said in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.slow
def test_words_are_played_with_two_tasks_and_their_transcripts_replayed(tmp_path: Path):
    gru = checkpoint("celeba-feedback", tmp_path / "gru", *FACES)
    encoder = ["--features.checkpoint", str(gru / "encoder")]
    space = checkpoint("celeba-attributes", tmp_path / "space", *FACES, *encoder)
    ids = open_system("gru", str(gru), CONFIGS).gallery.ids[:3]
    lines = [
        {"target": name, "participant": who, "turns": said, "seconds": [3.5] * len(said)}
        for name in ids
        for who, said in (("ann", ["Smiling, not Male", "also young"]), ("bo", ["Male"]))
    ]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "study.yaml").write_text(f"systems: {{gru: {gru}, space: {space}}}\nturns: 2\npage_size: 4\n")
    files = ["--protocol", str(tmp_path / "study.yaml"), "--queries", str(tmp_path / "queries.jsonl")]
    done = program(
        "-m", "eval.study", "run", *files, "--evaluation.resamples", "20", "--output_dir", str(tmp_path / "o")
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (
        "2 people, 6 sessions, 3 targets" in done.stdout and "Sessions differ in length: 3 of 1, 3 of 2" in done.stdout
    )
    study = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert study["systems"]["space"]["found"]["timed"] == 6 and set(study["comparisons"]) == {"all", "best"}
    log = str(tmp_path / "o" / "gru" / "transcript.jsonl")
    again = program("-m", "eval.replay", log, "--checkpoint", str(gru), "--output_dir", str(tmp_path / "again"))
    assert again.returncode == 0 and "6 of 6 show every page as it was" in again.stdout, again.stderr[-2000:]
    refused = program("-m", "eval.replay", log, "--checkpoint", str(space), "--output_dir", str(tmp_path / "other"))
    assert refused.returncode == 1 and "understands wanted attributes, not AttributeReply" in refused.stderr
