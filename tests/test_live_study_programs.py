"""python -m eval.study serve, report, export, power and withdraw, as users call them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.study.tokens import code_of
from tests.multiturn.study.squares import Visitor, study

ROOT = Path(__file__).resolve().parent.parent


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "report", "export", "power", "withdraw"])
def test_help_shows_examples_and_loads_nothing_heavy(command: str):
    shown = program("-X", "importtime", "-m", "eval.study", command, "--help")
    assert shown.returncode == 0 and "examples:" in shown.stdout and f"python -m eval.study {command}" in shown.stdout
    assert re.findall(r"\| +(torch|datasets|fastapi|statsmodels|matplotlib)$", shown.stderr, re.MULTILINE) == []


@pytest.mark.slow
def test_a_mistake_is_answered_with_one_line(tmp_path: Path):
    (tmp_path / "study.yaml").write_text("systems: {a: x}\nturn: 3\n", encoding="utf-8")
    for arguments, said in (
        (["serve", "--protocol", str(tmp_path / "study.yaml")], "did you mean turns?"),
        (["export", "--database", str(tmp_path / "none.sqlite")], "no database at"),
    ):
        refused = program("-m", "eval.study", *arguments)
        assert refused.returncode == 1 and said in refused.stderr and refused.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_study_is_reported_exported_and_somebody_taken_out_of_it(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).all_of_it()
    who, code = visitor.who.id, code_of(visitor.client.cookies["session"])
    where = ["--database", str(tmp_path / "study.sqlite")]
    for command in ("report", "export"):
        done = program("-m", "eval.study", command, *where, "--output_dir", str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file() and (tmp_path / "out" / "one" / "transcript.jsonl").is_file()
    assert program("-m", "eval.study", "withdraw", code, *where).returncode == 0
    assert not any(who.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    again = program("-m", "eval.study", "withdraw", code, *where)
    assert again.returncode == 1 and "nobody in this study has this code" in again.stderr
