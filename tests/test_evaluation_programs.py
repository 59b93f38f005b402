"""The programs eval.evaluate and eval.compare on results of other systems, as users call them."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
RESAMPLES = ("--evaluation.resamples", "50")


def program(name: str, *arguments: str | Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", f"eval.{name}", *map(str, arguments)]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline, check=False)


def write_ranks(path: Path, worst: int, seed: int, target: str = "image") -> Path:
    """Random ranks of 40 sessions: anywhere at turn 0, among the first `worst` after it; one session ends early."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["session", "turn", "target", "rank"])
        for session in range(40):
            for turn in range(4 if session else 3):
                rows.writerow([session, turn, f"{target}-{session}", rng.integers(1, worst + 1 if turn else 101)])
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluated results, a control, and the folder they lie in."""
    folder = tmp_path_factory.mktemp("results")
    control = write_ranks(folder / "silent.csv", 100, 3)
    for name, worst in (("good", 15), ("poor", 60)):
        path = write_ranks(folder / f"{name}.csv", worst, worst)
        done = program(
            "evaluate", "--ranks", path, "--gallery_size", "100", "--control", control,
            "--output_dir", folder / name, *RESAMPLES,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_results_of_another_system_get_all_protocols_tables_and_the_page(evaluated: Path):
    names = {"config.yaml", "metrics.json", "ranks.parquet", "sessions.json", "report.html", "figures"}
    assert {path.name for path in (evaluated / "good").iterdir()} == names
    metrics = json.loads((evaluated / "good" / "metrics.json").read_text())
    wanted = {"percentile", "percentile_of_n", "R@1", "R@10", "reciprocal_rank", "mean_rank", "median_rank"}
    assert wanted | {"Hits@1", "Hits@10", "carry@10", "carry@10:R@1"} <= metrics["per_turn"][-1].keys()
    assert {"BRI", "rounds@10", "area:R@1", "area:R@10"} <= metrics["summary"].keys()
    assert len(metrics["harm_rate"]) == 3
    assert "good: 1 of 40 sessions ended early; their last rank is carried on" in metrics["warnings"]
    page = (evaluated / "good" / "report.html").read_text()
    for words in ("Hits@10, %", "BRI", "Rounds to hit@10", "keep their last rank", "count from turn 1", "did harm"):
        assert words in page


@pytest.mark.slow
def test_folders_and_files_of_ranks_are_compared_alike(evaluated: Path):
    sides = [[evaluated / name for name in names] for names in (("good", "poor"), ("good.csv", "poor.csv"))]
    answers = [
        program("compare", *runs, "--gallery_size", "100", "--output_dir", evaluated / "compared", *RESAMPLES)
        for runs in sides
    ]
    assert [answer.returncode for answer in answers] == [0, 0], answers[0].stderr + answers[1].stderr
    assert answers[0].stdout == answers[1].stdout
    assert "| R@10, % | 3 | poor | good |" in answers[0].stdout and "| worse |" in answers[0].stdout


@pytest.mark.slow
def test_a_metric_and_a_turn_can_be_asked_for(evaluated: Path):
    runs = (evaluated / "good", evaluated / "poor", "--output_dir", evaluated / "one")
    answer = program("compare", *runs, "--metric", "R@5", "--turn", "2", *RESAMPLES)
    assert "| R@5, % | 2 | poor | good |" in answer.stdout
    assert len(answer.stdout.split("\n\n")[0].splitlines()) == 3


@pytest.mark.slow
def test_other_targets_end_with_one_clear_line(evaluated: Path):
    other = write_ranks(evaluated / "other.csv", 15, 1, "photo")
    answer = program("compare", evaluated / "good", other, "--gallery_size", "100", "--output_dir", evaluated / "no")
    assert answer.returncode == 1
    words = (
        "error: good and other cannot be compared: 40 of 40 targets of good are not in other, and 40 of 40 the other"
    )
    assert answer.stderr.startswith(words)
    assert not (evaluated / "no").exists()


@pytest.mark.slow
def test_the_words_of_a_refusal_are_those_that_let_a_difference_pass(evaluated: Path):
    again = ("evaluate", "--ranks", evaluated / "poor.csv", "--gallery_size", "100", *RESAMPLES)
    program(*again, "--evaluation.seen", "drop_from_rank", "--output_dir", evaluated / "dropped")
    pair = ("compare", evaluated / "good", evaluated / "dropped", "--output_dir", evaluated / "seen", *RESAMPLES)
    refused = program(*pair)
    assert refused.stderr.strip().endswith("evaluate both alike, or accept that with --allow 'seen'")
    allowed = program(*pair, "--allow", "seen", "--metric", "R@1,BRI")
    assert allowed.returncode == 0, allowed.stderr
    assert "seen differs: keep in good, drop_from_rank in poor" in allowed.stdout
    assert "| R@1, % |" in allowed.stdout and "| BRI |" in allowed.stdout


@pytest.mark.slow
def test_a_control_of_the_same_file_name_is_told_apart_by_its_path(evaluated: Path):
    (evaluated / "elsewhere").mkdir()
    other = write_ranks(evaluated / "elsewhere" / "good.csv", 15, 1, "photo")
    asked = ("--ranks", evaluated / "good.csv", "--control", other, "--gallery_size", "100")
    answer = program("evaluate", *asked, "--output_dir", evaluated / "no")
    assert f"40 of 40 targets of good are not in {other}" in answer.stderr


@pytest.mark.slow
def test_bad_ranks_end_with_one_clear_line_and_leave_nothing(tmp_path: Path):
    path = tmp_path / "r.csv"
    path.write_text("session,turn,target,rank\n1,1,a,0\n")
    answer = program("evaluate", "--ranks", path, "--gallery_size", "9", "--output_dir", tmp_path / "out")
    assert answer.returncode == 1
    assert answer.stderr.strip().endswith(
        "session '1', turn 1 has rank 0; ranks count from 1; add 1 to ranks that count from 0"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluate", "compare"])
def test_a_run_that_was_cut_is_read_and_the_page_says_what_is_missing(tmp_path: Path, name: str):
    queries = [f"{session}_{turn}" for session in "st" for turn in (0, 1)]
    for run, found in (("one", 4), ("two", 3)):
        lines = [f"{query} Q0 {found} 1 0.5 x\n" for query in queries]
        (tmp_path / f"{run}.trec").write_text("".join(lines))
    (tmp_path / "qrels.trec").write_text("".join(f"{query} 0 3 1\n" for query in queries))
    runs = [tmp_path / "one.trec", tmp_path / "two.trec"]
    asked = ["--ranks", runs[0]] if name == "evaluate" else runs
    rest = ["--qrels", tmp_path / "qrels.trec", "--gallery_size", "9", "--output_dir", tmp_path / "out", *RESAMPLES]
    answer = program(name, *asked, *rest)
    assert answer.returncode == 0, answer.stderr
    words = "one.trec: 32 of 36 candidates are not listed, in 4 of 4 turns of 2 sessions; they count as equal"
    page = tmp_path / "out" / ("report.html" if name == "evaluate" else "comparison.html")
    assert words in answer.stdout and words in page.read_text()


@pytest.mark.slow
def test_a_file_of_ranks_that_is_not_there_is_named_by_both_programs(tmp_path: Path):
    gone = tmp_path / "gone.csv"
    for arguments in (["evaluate", "--ranks", gone], ["compare", gone, gone]):
        answer = program(*arguments, "--gallery_size", "9", "--output_dir", tmp_path / "out")
        assert answer.returncode == 1
        assert answer.stderr.strip().splitlines()[-1] == f"error: there is no file {gone}"


def test_help_tells_every_form_of_a_file_of_results():
    shown = program("evaluate", "--ranks", "x.csv", "--help").stdout
    for words in (".tsv", ".jsonl", "`SESSION_TURN Q0 CANDIDATE RANK SCORE TAG`", "`SESSION_TURN 0 TARGET 1`", "17_1"):
        assert words in shown


def test_ranks_and_scores_at_once_are_refused(tmp_path: Path):
    answer = program("evaluate", "--ranks", "a.csv", "--scores", "b.csv", "--output_dir", tmp_path)
    assert answer.returncode == 2
    assert "give either --ranks FILE or --scores FILE" in answer.stderr


@pytest.mark.parametrize("name", ["evaluate", "compare", "evaluate --ranks x.csv"])
def test_help_shows_examples_and_loads_nothing_heavy(name: str):
    shown = program(*name.split(), "--help", flags=("-X", "importtime"))
    assert "examples:" in shown.stdout
    heavy = re.findall(
        r"\| +(torch|datasets|transformers|timm|faiss|matplotlib|scipy|pyarrow)$", shown.stderr, re.MULTILINE
    )
    assert heavy == []
