import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from multiturn.report.figures import curves, save_figure, training_curves
from tests.multiturn.test_report import HISTORY, made_up_metrics


@pytest.fixture(scope="module")
def shared() -> dict:
    return made_up_metrics()


@pytest.fixture
def metrics(shared: dict) -> dict:
    return json.loads(json.dumps(shared))


def test_a_figure_is_a_png_and_an_svg(metrics, tmp_path):
    svg = save_figure(curves({"model": metrics["per_turn"]}, "loss"), tmp_path / "loss")
    assert ElementTree.parse(svg).getroot().tag.endswith("svg")
    with Image.open(tmp_path / "loss.png") as image:
        assert np.ptp(np.asarray(image.convert("L"))) > 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss.png", "loss.svg"]


def test_the_same_numbers_give_the_same_files(metrics, tmp_path):
    one, two = (tmp_path / name / "loss" for name in ("one", "two"))
    for path in (one, two):
        save_figure(curves({"model": metrics["per_turn"]}, "loss"), path)
    for kind in (".png", ".svg"):
        assert one.with_suffix(kind).read_bytes() == two.with_suffix(kind).read_bytes()


def test_a_curve_passes_through_its_numbers_in_percent(metrics):
    (axes,) = curves({"model": metrics["per_turn"]}, "percentile").axes
    assert list(axes.lines[0].get_xdata()) == [1, 2, 3, 4, 5]
    assert list(axes.lines[0].get_ydata()) == [100 * row["percentile"] for row in metrics["per_turn"]]
    assert axes.get_ylabel() == "Percentile, %"


def test_a_baseline_of_one_row_is_a_level_line_in_its_band_of_ties(metrics):
    (row,) = metrics["others"][1]["per_turn"]
    (axes,) = curves({"model": metrics["per_turn"], "baseline": [row]}, "percentile").axes
    (level,) = [line for line in axes.lines if str(line.get_label()).startswith("baseline")]
    assert set(level.get_ydata()) == {100 * row["percentile"]}
    worst, best = (100 * end for end in row["ties"]["percentile"])
    bands = [patch.get_y() + height for patch in axes.patches for height in (0, patch.get_height())]
    assert sorted(set(np.round(bands, 6))) == pytest.approx([worst, best])


def test_no_two_curves_share_colour_marker_and_dash(metrics):
    (axes,) = curves({str(i): metrics["per_turn"] for i in range(7)}, "loss").axes
    for look in ("get_color", "get_marker"):
        assert len({getattr(line, look)() for line in axes.lines}) == 7


def test_a_metric_that_nobody_has_is_an_error(metrics):
    with pytest.raises(ValueError, match="no series has 'R@7'; there are model"):
        curves({"model": metrics["per_turn"]}, "R@7")


def test_training_is_drawn_by_epoch_one_panel_a_value():
    panels = training_curves(HISTORY).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["Training loss", "Validation percentile, %"]
    assert list(panels[1].lines[0].get_ydata()) == [70.0, 80.0]


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_epochs_are_marked_by_whole_numbers(epochs):
    figure = training_curves([{"epoch": float(one + 1), "loss": 1 / (one + 1)} for one in range(epochs)])
    (axes,) = figure.axes
    figure.draw_without_rendering()
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == list(range(1, epochs + 1))


def test_a_training_is_drawn_with_its_name():
    assert training_curves(HISTORY, "stage 1").get_suptitle() == "Stage 1"
    assert training_curves(HISTORY).get_suptitle() == ""


def test_the_recalls_of_training_share_a_panel():
    epoch = {"epoch": 1.0, "loss": 2.0, "R@1": 0.1, "R@10": 0.2, "reciprocal_rank": 0.1, "validation_loss": 1.0}
    panels = training_curves([epoch]).axes
    labels = ["Training loss", "Validation R@K, %", "Validation loss"]
    assert [axes.get_title(loc="left") for axes in panels] == labels


def test_one_turn_has_no_axis_of_turns(metrics):
    (axes,) = curves({"model": metrics["per_turn"][-1:]}, "percentile").axes
    assert list(axes.get_xticks()) == [] and axes.get_xlabel() == "Turn 5"


def test_a_history_without_values_is_an_error():
    with pytest.raises(ValueError, match="no value to draw"):
        training_curves([])
