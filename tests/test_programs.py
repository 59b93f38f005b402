"""The programs as users call them: train.py, eval.evaluate, eval.ablate, eval.report, on a few drawn faces."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from facefb.retriever import FeedbackRetriever
from multiturn.cli import Parser
from multiturn.experiment import validation_values
from multiturn.gallery import Gallery
from multiturn.session import Session
from multiturn.transcript import read_transcript

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    *("--task", "celeba-feedback", "--faces.count", "160", "--faces.size", "32", "--faces.validation_share", "0.2"),
    *("--features.height", "32", "--features.width", "32", "--features.channels", "[8,8,8,16]"),
    *("--features.training.epochs", "1", "--features.training.batch_size", "32", "--training.batch_size", "32"),
    *("--evaluation.resamples", "50"),
]
TURNS = 5


def program(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python on arguments, from the root of the checkout."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline
    )
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return done


def train(output: Path, *more: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return program("train.py", *SMALL, "--output_dir", str(output), *more, check=check)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, never interrupted."""
    output = tmp_path_factory.mktemp("run") / "whole"
    train(output, "--training.epochs", "2")
    return output


@pytest.mark.slow
def test_a_run_leaves_everything_that_the_readme_names(trained: Path):
    names = {"config.yaml", "config.json", "model.safetensors", "transcript.jsonl", "metrics.json", "history.json"}
    folders = {"encoder", "figures", "pictures", "galleries", "checkpoints"}
    assert names | folders | {"report.html"} <= {path.name for path in trained.iterdir()}
    assert not list(trained.rglob("*.partial"))


@pytest.mark.slow
def test_metrics_have_one_entry_a_turn_with_metric_names_as_keys(trained: Path):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert [row["turn"] for row in metrics["per_turn"]] == list(range(1, TURNS + 1))
    wanted = {"percentile", "percentile_of_n", "R@1", "R@5", "R@10", "R@100", "mean_rank", "median_rank"}
    for row in metrics["per_turn"]:
        assert wanted | {"loss", "matching_attributes"} <= row.keys()
        assert all(row["interval"][name][0] <= row[name] <= row["interval"][name][1] for name in wanted)
    assert {other["role"] for other in metrics["others"]} == {"control", "baseline", "reference"}
    assert len(metrics["harm_rate"]) == TURNS
    assert "drawn" in metrics["data"]


@pytest.mark.slow
def test_metrics_can_be_computed_from_the_transcript(trained: Path):
    metrics = json.loads((trained / "metrics.json").read_text())
    transcript = read_transcript(trained / "transcript.jsonl")
    assert transcript.torn == ""
    ranks = [sum(row["rank"]) / 2 for row in transcript.rows if row["turn"] == TURNS]
    size = metrics["gallery"]["size"]
    assert len(ranks) == metrics["sessions"] == size
    percentile = sum((size - rank) / (size - 1) for rank in ranks) / len(ranks)
    assert percentile == pytest.approx(metrics["per_turn"][-1]["percentile"])


@pytest.mark.slow
def test_a_checkpoint_and_its_gallery_load_and_show_a_page(trained: Path):
    retriever = FeedbackRetriever.from_pretrained(str(trained))
    path = trained / "galleries" / "test.safetensors"
    page = Session(retriever, Gallery.load(path, retriever.fingerprint), torch.tensor([0]), page_size=5).show()
    assert page.shown.shape == (1, 5)


def kill_when(there: str, output: Path, *more: str) -> None:
    """Start a training, and kill it as soon as a checkpoint of that pattern lies below its output folder."""
    command = [sys.executable, "train.py", *SMALL, "--output_dir", str(output), "--training.epochs", "2", *more]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 240
        while not list(output.glob(there)) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_killed_in_both_trainings_and_resumed_a_run_ends_with_the_same_weights_and_numbers(
    trained: Path, tmp_path: Path
):
    output = tmp_path / "killed"
    often = ["--training.checkpoint_steps", "1", "--features.training.checkpoint_steps", "1"]
    kill_when("encoder/checkpoints/epoch-0000-step-*", output, *often)
    kill_when("checkpoints/epoch-0001-step-*", output, *often, "--resume")
    # The settings are those that the run was begun with.
    resume = ["train.py", "--task", "celeba-feedback", "--output_dir", str(output), "--resume"]
    said = program(*resume, "latest").stdout
    assert "retriever: resumed after epoch 1 and " in said and "attribute classifier: " not in said
    for name in ("model.safetensors", "encoder/model.safetensors"):
        whole, resumed = (load_file(folder / name) for folder in (trained, output))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert (trained / "history.json").read_text() == (output / "history.json").read_text()
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, output))
    assert first["per_turn"] == second["per_turn"]
    again = program(*resume).stdout
    assert "was finished after epoch 2; nothing is left to train" in again and "report.html" in again


@pytest.mark.slow
def test_resuming_with_other_settings_is_refused_and_each_is_named(trained: Path):
    refused = train(trained, "--resume", "--gru.margin", "1.5", "--training.learning_rate", "0.1", check=False)
    assert refused.returncode == 1
    named = "gru.margin is 1.5, was 2.0; training.learning_rate is 0.1, was 0.001"
    assert f"was begun with other settings: {named}; give those" in refused.stderr


@pytest.mark.slow
def test_an_output_folder_with_results_is_not_overwritten(trained: Path):
    before = (trained / "metrics.json").read_text()
    refused = train(trained, check=False)
    assert refused.returncode != 0
    assert "already holds results" in refused.stderr and "--resume" in refused.stderr
    assert (trained / "metrics.json").read_text() == before


@pytest.fixture(scope="module")
def evaluated(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained run, evaluated again."""
    output = tmp_path_factory.mktemp("again") / "evaluation"
    program("-m", "eval.evaluate", "--checkpoint", str(trained), "--output_dir", str(output), "--run_depth", "3")
    return output


@pytest.mark.slow
def test_evaluating_a_checkpoint_leaves_a_run_file_of_every_session_and_turn(evaluated: Path):
    metrics = json.loads((evaluated / "metrics.json").read_text())
    queries = (TURNS + 1) * metrics["sessions"]
    assert len((evaluated / "run.trec").read_text().splitlines()) == 3 * queries
    assert len((evaluated / "qrels.trec").read_text().splitlines()) == queries


@pytest.mark.slow
def test_pages_of_an_index_are_certified_in_the_report_and_a_whole_index_changes_no_number(
    trained: Path, tmp_path: Path
):
    output = tmp_path / "indexed"
    asked = ("--checkpoint", str(trained), "--output_dir", str(output), "--index", "Flat", "--run_depth", "0")
    done = program("-m", "eval.evaluate", *asked)
    exact, indexed = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, output))
    assert [row["R@10"] for row in indexed["per_turn"]] == [row["R@10"] for row in exact["per_turn"]]
    assert indexed["protocol"]["pages proposed by"] == "Flat"
    line = "Pages were proposed by an approximate index, Flat"
    assert line in done.stdout and line in (output / "report.html").read_text()
    assert (trained / "indexes" / "Flat.l2" / "certificate.json").is_file()


@pytest.mark.slow
def test_evaluating_a_checkpoint_again_gives_the_same_numbers(trained: Path, evaluated: Path):
    first, again = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, evaluated))
    assert first["per_turn"] == again["per_turn"]
    assert first["others"] == again["others"]


@pytest.mark.slow
def test_the_ablation_makes_all_tables_and_figures_and_goes_on_where_it_stopped(tmp_path: Path):
    arguments = ["-m", "eval.ablate", *SMALL, "--training.epochs", "1", "--output_dir", str(tmp_path)]
    program(*arguments)
    tables = json.loads((tmp_path / "ablation.json").read_text())
    assert [table["title"].split(":")[0] for table in tables] == ["Table 1", "Table 2", "Table 3", "Figure 4"]
    assert len(tables[1]["table"]) == 5 and len(tables[2]["table"]) == 4 and len(tables[3]["table"]) == 4
    assert {"figure-4-percentile.svg", "figure-5-loss.png"} <= {path.name for path in tmp_path.iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
    assert "finished before" in program(*arguments).stdout
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}


@pytest.mark.slow
def test_accelerate_launch_trains_with_mixed_precision(tmp_path: Path):
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--mixed_precision", "bf16"]
    program(*launch, "train.py", *SMALL, "--training.epochs", "1", "--output_dir", str(tmp_path / "run"))
    assert len(json.loads((tmp_path / "run" / "metrics.json").read_text())["per_turn"]) == TURNS


@pytest.mark.slow
def test_two_processes_train_one_retriever_and_write_one_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    halves = ["--features.training.batch_size", "16", "--training.batch_size", "16", "--training.epochs", "2"]
    program(*launch, "train.py", *SMALL, *halves, "--output_dir", str(tmp_path / "run"))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["sessions"] == metrics["gallery"]["size"]
    rows = read_transcript(tmp_path / "run" / "transcript.jsonl").rows
    assert len(rows) == (TURNS + 1) * metrics["sessions"]
    # One process alone has the same numbers, of the report and of the validation that two have shared.
    program("-m", "eval.evaluate", "--checkpoint", str(tmp_path / "run"), "--output_dir", str(tmp_path / "alone"))
    assert json.loads((tmp_path / "alone" / "metrics.json").read_text())["per_turn"] == metrics["per_turn"]
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    best = max(history, key=lambda row: row["percentile"])
    alone = validated(tmp_path / "run")
    assert alone == {name: value for name, value in best.items() if name not in ("epoch", "loss")}


def validated(output: Path) -> dict[str, float]:
    """Validation values of the retriever of a run, as this process finds them."""
    parser, config = Parser(), ["--config", str(output / "config.yaml")]
    parser.add_task(config, ROOT / "configs")
    settings, _, _ = parser.parse_task(config)
    task = settings.build(output)
    task.prepare(checkpoint=output)
    return validation_values(task, task.load_retriever(str(output)).eval(), settings.evaluation)
