"""Claims about the comparison of all models: the same memory, one folder each, and nothing done twice."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drilldown.ablation import ablate, variants
from drilldown.model_settings import LossSettings, ModelSettings
from drilldown.scenes_network import LABELS, SceneNetwork
from drilldown.settings import CaptionSettings, DrilldownSettings, RegionSettings
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import EvaluationSettings, TrainingSettings
from multiturn.training import save_pretrained

PAPER = DrilldownSettings(model=ModelSettings(states=5, dim=256))


def test_the_models_are_those_of_figure_3_and_a_single_state_and_have_one_memory():
    models = variants(PAPER)
    assert list(models) == [
        "HRE 1280",
        "R-HRE 1280",
        "R-RE 1280",
        "R-RankFusion 1280",
        "Single state of 1280",
        "Drill-down 5 x 256, fixed policy",
        "Drill-down 5 x 256, learned policy",
    ]
    assert {one.model.states * one.model.dim for one in models.values()} == {1280}


def test_a_variant_changes_the_model_alone():
    for one in variants(PAPER).values():
        assert replace(one, model=PAPER.model) == PAPER
        assert one.model.sharpness == PAPER.model.sharpness


def test_a_state_for_every_turn_leaves_no_policy_to_learn():
    assert len(variants(replace(PAPER, model=ModelSettings(states=10, dim=8)))) == 6


def test_a_frozen_text_encoder_leaves_out_the_model_that_reads_words():
    text = ModelSettings(text=EncoderSettings("words", "x"))
    assert not any(name.startswith("R-RE ") for name in variants(replace(PAPER, model=text)))


@pytest.mark.slow
@pytest.mark.timeout(900)  # seven trainings and reports
def test_the_comparison_makes_all_tables_and_figures_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    torch.manual_seed(0)
    network = SceneNetwork([*LABELS], [*LABELS.values()])
    save_pretrained(network, tmp_path / "network" / "encoder")
    training = TrainingSettings(1, batch_size=16)
    settings = DrilldownSettings(
        CaptionSettings(count=80, size=64, captions=4, more_than=0),
        RegionSettings(checkpoint=str(tmp_path / "network")),
        ModelSettings(states=2, dim=8, embedding_dim=8),
        LossSettings(turns=4),
        training,
        training,
        evaluation=EvaluationSettings(4, recall_at=[1, 5, 10], resamples=20),
    )
    tables = ablate(settings, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "ablation.json").read_text()) == tables
    assert [table["title"] for table in tables] == [
        "Figure 3: R@1, % by turn",
        "Figure 3: R@5, % by turn",
        "Figure 3: R@10, % by turn",
        "Drill-down 2 x 8, learned policy over the others at turn 4",
    ]
    assert all(len(table["table"]) == 8 and len(table["table"][0]) == 5 for table in tables[:3])
    assert len(tables[3]["table"]) == 7
    assert {f"figure-3-r-at-{k}.{kind}" for k in (1, 5, 10) for kind in ("png", "svg")} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    sources = {
        json.loads(path.read_text())["gallery"]["fingerprint"] for path in (tmp_path / "out").rglob("metrics.json")
    }
    assert len(sources) == 1
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
    capsys.readouterr()
    assert ablate(settings, tmp_path / "out") == tables
    assert capsys.readouterr().out.count("finished before") == 7
    assert stamps == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
