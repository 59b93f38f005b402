"""What CONTRIBUTING.md shows works as it stands there."""

import re
from pathlib import Path

import pytest

from multiturn.run_folder import read_run

TEXT = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_method_of_your_own_runs_and_leaves_a_report_that_can_be_compared(tmp_path, monkeypatch, capsys):
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "CONTRIBUTING.md", "exec"), {"__name__": "__main__"})
    assert "towards what is liked" in capsys.readouterr().out
    assert "told nothing" in (tmp_path / "runs" / "mine" / "report.html").read_text(encoding="utf-8")
    first, *_, last = read_run(tmp_path / "runs" / "mine").ranks.under("expected").mean(0).tolist()
    assert last < 0.2 * first
