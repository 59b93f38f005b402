"""vg-drilldown as users call it: train.py and eval.evaluate on a few drawn scenes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from multiturn.transcript import read_transcript

ROOT = Path(__file__).resolve().parents[2]
TURNS = 5
SMALL = [
    *("--task", "vg-drilldown", "--data.count", "80", "--data.size", "64", "--data.captions", str(TURNS)),
    *("--regions.training.epochs", "1", "--regions.training.batch_size", "16", "--model.dim", "8"),
    *("--model.embedding_dim", "8", "--training.epochs", "1", "--training.batch_size", "16"),
    *("--joint.epochs", "1", "--joint.batch_size", "16", "--loss.turns", str(TURNS)),
    *("--evaluation.turns", str(TURNS), "--evaluation.resamples", "20"),
]


def program(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python on arguments, from the root of the checkout."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline
    )
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "whole"
    program("train.py", *SMALL, "--output_dir", str(output))
    return output


@pytest.mark.slow
def test_a_run_does_both_stages_and_leaves_a_report(trained: Path):
    names = {"config.yaml", "config.json", "model.safetensors", "transcript.jsonl", "metrics.json", "report.html"}
    assert names | {"stage-1", "encoder", "galleries", "pictures", "history.json"} <= {
        p.name for p in trained.iterdir()
    }
    assert {"sessions.png", "choices.json", "choices_of_the_policy.png"} <= {
        path.name for path in (trained / "pictures").iterdir()
    }
    assert not list(trained.rglob("*.partial"))
    assert yaml.safe_load((trained / "config.yaml").read_text())["model"]["policy"] == "learned"


@pytest.mark.slow
def test_the_report_has_every_turn_and_a_control_at_chance(trained: Path):
    metrics = json.loads((trained / "metrics.json").read_text())
    size = metrics["gallery"]["size"]
    assert metrics["model"] == "Drill-down 3 x 8, learned policy"
    assert [row["turn"] for row in metrics["per_turn"]] == list(range(1, TURNS + 1))
    assert {"R@1", "R@5", "R@10"} <= metrics["per_turn"][0].keys()
    control, single = metrics["others"]
    assert (single["role"], single["name"]) == ("baseline", "Single state of 24")
    assert control["role"] == "control"
    assert all(row["R@5"] == pytest.approx(5 / size) for row in control["per_turn"])
    assert "drawn scenes (not photographs)" in metrics["data"]


@pytest.mark.slow
def test_the_transcript_holds_the_captions_of_each_turn(trained: Path):
    rows = read_transcript(trained / "transcript.jsonl").rows
    said = [row["reply"]["text"] for row in rows if row["session"] == 0 and row["turn"] > 0]
    assert len(said) == len(set(said)) == TURNS


@pytest.mark.slow
def test_evaluating_the_checkpoint_again_gives_the_same_numbers(trained: Path, tmp_path: Path):
    program("-m", "eval.evaluate", "--checkpoint", str(trained), "--output_dir", str(tmp_path / "again"))
    first, again = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, tmp_path / "again"))
    assert first["per_turn"] == again["per_turn"]
    assert first["others"] == again["others"]


@pytest.mark.slow
def test_a_noisy_user_is_named_in_the_report(trained: Path, tmp_path: Path):
    arguments = ["--checkpoint", str(trained), "--output_dir", str(tmp_path / "noisy"), "--noise.dropped", "0.5"]
    program("-m", "eval.evaluate", *arguments)
    metrics = json.loads((tmp_path / "noisy" / "metrics.json").read_text())
    assert metrics["protocol"]["dropped captions"] == 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data.captions", "3"], "too few for 5 turns; lower evaluation.turns and loss.turns"),
        (["--stage", "2", "--stage1", "no-such-folder"], "no-such-folder"),
        (["--regions.checkpoint", "no-such-folder"], "no-such-folder"),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(tmp_path: Path, arguments: list[str], said: str):
    refused = program("train.py", *SMALL, "--output_dir", str(tmp_path / "run"), *arguments, check=False)
    assert refused.returncode == 1
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and said in last
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stage", "2"], "stage 2 goes on from stage 1; give its output folder as stage1"),
        (["--stage", "3"], "stage"),
        (["--model.states", "10"], "has nothing to choose"),
        (["--data.source", "flickr8k"], "give it as data.root"),
        (["--model.stats", "4"], "did you mean --model.states?"),
        (["--noise.dropped", "2"], "noise.dropped is a rate between 0 and 1, not 2"),
    ],
)
def test_a_wrong_command_line_is_answered_with_the_remedy(arguments: list[str], said: str):
    refused = program("train.py", "--task", "vg-drilldown", *arguments, check=False)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_reading_the_command_line_loads_nothing_heavy():
    shown = program("-X", "importtime", "train.py", "--task", "vg-drilldown", "--print_config")
    heavy = [name for name in ("torch", "datasets", "matplotlib") if f"| {name}\n" in shown.stderr]
    assert heavy == []
