"""Claims about the page of a comparison: sessions in which the runs differ most, and figures for papers."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from multiturn.comparison import compare
from multiturn.report.comparison import apart_table, write_comparison
from multiturn.report.picks import sessions_apart
from multiturn.results import Results
from multiturn.settings import EvaluationSettings
from tests.multiturn.test_report_picks import results

SETTINGS = EvaluationSettings(recall_at=[1, 10], resamples=20)


@pytest.fixture(scope="module")
def runs() -> list[Results]:
    ours = torch.tensor([[90, 10], [90, 20], [90, 30], [90, 40]])
    theirs = torch.tensor([[90, 20], [90, 20], [90, 15], [90, 400]])
    return [results(theirs, "theirs"), results(ours, "<i>ours</i>")]


def test_the_ranks_of_both_runs_stand_below_each_other(runs: list[Results]):
    table = apart_table(sessions_apart(runs[1], runs[0], 1))
    assert table == [
        ["Target", "Better", "Run", "Turn 0", "Turn 1"],
        ["image 3", "<i>ours</i>", "<i>ours</i>", "90", "40"],
        ["image 3", "<i>ours</i>", "theirs", "90", "400"],
        ["image 0", "<i>ours</i>", "<i>ours</i>", "90", "10"],
        ["image 0", "<i>ours</i>", "theirs", "90", "20"],
        ["image 2", "theirs", "<i>ours</i>", "90", "30"],
        ["image 2", "theirs", "theirs", "90", "15"],
    ]


def test_the_page_shows_the_sessions_in_which_the_runs_differ_most(runs: list[Results], tmp_path: Path):
    page = write_comparison(compare(runs, ["R@10"], SETTINGS), tmp_path).read_text()
    assert "&lt;i&gt;ours&lt;/i&gt; against theirs, turn 1" in page and "<i>" not in page
    assert page.index("image 3") < page.index("image 0") < page.index("image 2")
    assert "image 1" not in page  # Both rank it alike.


def test_runs_that_rank_alike_are_said_to(runs: list[Results], tmp_path: Path):
    alike = [runs[0], results(runs[0].ranks.best, "again")]
    page = write_comparison(compare(alike, ["R@10"], SETTINGS), tmp_path).read_text()
    assert "Both rank every target alike." in page


def test_every_figure_is_there_as_png_and_svg(runs: list[Results], tmp_path: Path):
    write_comparison(compare(runs, ["R@10", "Hits@10"], SETTINGS), tmp_path)
    stems = {"r_at_10", "hits_at_10"}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{s}.{k}" for s in stems for k in ("png", "svg")
    }
    for stem in stems:
        with Image.open(tmp_path / "figures" / f"{stem}.png") as picture:
            assert picture.width >= 800
