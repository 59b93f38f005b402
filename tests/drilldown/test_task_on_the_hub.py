"""A trained Drill-down by way of the Hub: pushed by train.py, evaluated and told sentences elsewhere by its name."""

import json
import re
from pathlib import Path

import pytest

from tests.drilldown.test_task_programs import ROOT, SMALL
from tests.hub_server import running_hub
from tests.test_push import Bench


@pytest.mark.slow
def test_what_train_pushed_is_evaluated_and_searched_elsewhere_to_the_same_numbers(tmp_path: Path):
    with running_hub() as hub:
        bench = Bench(hub, tmp_path)
        said = bench.program(
            *(str(ROOT / "train.py"), *SMALL, "--output_dir", "run", "--push_to_hub", "lab/scenes"), at="home"
        )
        assert re.search(rf"pushed: {hub.url}/lab/scenes/commit/\w+", said)
        # Both stages' weights are not needed, only those that the run ended with, and its network for regions. How the
        # first stage went is told.
        pushed = hub.models["lab/scenes"].files().keys()
        assert {"model.safetensors", "config.yaml", "encoder/model.safetensors", "ranks.parquet"} <= pushed
        assert not [
            name for name in pushed if re.search("stage-1/(?!history)|transcript|checkpoints|galleries|scenes/", name)
        ]
        bench.program("-m", "eval.evaluate", "--checkpoint", "lab/scenes", at="away")
        here, there = (
            json.loads((tmp_path / folder / "metrics.json").read_text())
            for folder in ("home/run", "away/runs/lab--scenes/evaluation")
        )
        for name in ("model", "per_turn", "before_feedback", "others", "harm_rate", "gallery", "sessions"):
            assert here[name] == there[name], name
        words = ("-m", "eval.search", "--checkpoint", "lab/scenes", "a red circle")
        pages = [
            bench.program(*words, at="away", HF_HUB_OFFLINE="1"),
            bench.program("-m", "eval.search", "--checkpoint", "run", words[-1], at="home"),
        ]
        found = [re.findall(r"scene-?\d+\S*", page) for page in pages]
        assert found[0] == found[1] and found[0]
