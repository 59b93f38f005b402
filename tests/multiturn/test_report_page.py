import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from multiturn.report.figures import report_figures
from multiturn.report.page import histories, report_run, write_report
from multiturn.report.tables import html_table, markdown_table, per_turn_table, protocol_line
from multiturn.report.task_tables import write_task_table
from tests.multiturn.test_report import HISTORY, made_up_metrics

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "task: celeba-feedback\nseed: 0\n"


@pytest.fixture(scope="module")
def shared() -> dict:
    return made_up_metrics()


@pytest.fixture
def metrics(shared: dict) -> dict:
    return json.loads(json.dumps(shared))


def write_run(folder: Path, metrics: dict) -> Path:
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "history.json").write_text(json.dumps(HISTORY))
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "pictures").mkdir()
    Image.new("RGB", (20, 10)).save(folder / "pictures" / "some_faces.png")
    return folder


@pytest.fixture
def run(metrics: dict, tmp_path: Path) -> Path:
    return write_run(tmp_path, metrics)


@pytest.fixture(scope="module")
def page(shared: dict, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_run(tmp_path_factory.mktemp("run"), shared)
    report_run(folder)
    return (folder / "report.html").read_text()


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_html_escapes_what_a_name_holds():
    page = html_table([["<b>", "R@1, %"], ["<script>", "1 [0, <i>]"]], "<u>", '"<s>')
    assert not {tag for tag, _ in Tags(page).seen} & {"b", "script", "i", "u", "s"}


def test_the_page_is_one_file_that_asks_nothing_of_the_network(page):
    tags = Tags(page).seen
    assert not {tag for tag, _ in tags} & {"script", "link", "iframe", "object", "base"}
    addresses = [attributes[key] for _, attributes in tags for key in ("src", "href") if key in attributes]
    assert len(addresses) == 7
    for address in addresses:
        assert base64.b64decode(re.sub(r"^data:image/(png|svg\+xml);base64,", "", address or ""), validate=True)
    assert "url(" not in page


def test_every_image_of_the_page_has_words(page):
    images = [attributes for tag, attributes in Tags(page).seen if tag == "img"]
    assert all(image["alt"] for image in images)
    assert images[-1]["alt"] == "Some faces"


@pytest.mark.parametrize(
    "words",
    ["drawn faces (not photographs)", "stands at percentile", "by the rule for ties", "did harm",
     "train.py --task celeba-feedback", "seed: 0", "2.11.0", "counting matches (baseline)"],
)  # fmt: skip
def test_the_page_says(page, words):
    assert words in page


def test_nothing_in_the_page_can_smuggle_a_script(metrics, tmp_path):
    bad = "<script>alert(1)</script>"
    metrics |= {"task": bad, "data": bad, "command": bad, "warnings": [bad], "versions": {bad: bad}}
    metrics["others"][0]["name"] = metrics["gallery"]["source"] = metrics["protocol"]["masked"] = bad
    page = write_report(tmp_path, metrics, {}, {}, bad).read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 8


def test_an_evaluation_without_others_and_measures_makes_a_page(metrics, tmp_path):
    metrics |= {"others": [], "harm_rate": [], "comparisons": [], "warnings": []}
    for row in [metrics["before_feedback"], *metrics["per_turn"]]:
        del row["loss"]
    page = write_report(tmp_path, metrics, report_figures(metrics, {}, tmp_path), {}, CONFIG).read_text()
    assert "Read with care" not in page
    assert "Loss" not in page


def test_the_certificate_of_an_approximate_index_stands_on_the_page_of_a_run_that_used_one(metrics, tmp_path):
    assert "Approximate index" not in write_report(tmp_path, metrics, {}, {}, CONFIG).read_text()
    metrics["index"] = {"text": "recall@10 <b>0.98</b>\n2 ms a query"}
    page = write_report(tmp_path, metrics, {}, {}, CONFIG).read_text()
    assert "<li>recall@10 &lt;b&gt;0.98&lt;/b&gt;</li>" in page and "<li>2 ms a query</li>" in page


def test_a_file_that_is_no_image_is_refused(metrics, tmp_path):
    with pytest.raises(ValueError, match=r"notes\.txt is no image"):
        write_report(tmp_path, metrics, {"notes": tmp_path / "notes.txt"}, {}, CONFIG)
    assert not (tmp_path / "report.html").exists()


def test_a_heavy_picture_goes_into_the_page_as_a_light_one_of_the_same_size(metrics, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    page = write_report(tmp_path, metrics, {}, {"noise": tmp_path / "noise.png"}, CONFIG).read_text()
    (found,) = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    data = base64.b64decode(found)
    assert len(data) < (tmp_path / "noise.png").stat().st_size
    with Image.open(BytesIO(data)) as picture:
        assert picture.size == (600, 400)


@pytest.mark.parametrize("name", ["metrics.json", "config.yaml"])
def test_a_run_without_a_file_is_named(run, name):
    (run / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        report_run(run)


@pytest.mark.slow
def test_a_run_that_never_trained_has_a_page(run):
    (run / "history.json").unlink()
    report_run(run)
    assert not (run / "figures" / "training.svg").exists()


@pytest.mark.slow
def test_every_stage_of_training_is_drawn_under_its_name(run):
    for folder in ("stage-1", "single-state", "pictures/deeper"):
        (run / folder).mkdir()
        (run / folder / "history.json").write_text(json.dumps(HISTORY))
    report_run(run)
    page = (run / "report.html").read_text()
    assert re.findall(r"Curves: (Training[^.]*)\.", page) == [
        "Training: single state",
        "Training: stage 1",
        "Training: stage 2",
    ]
    assert len({path.name for path in (run / "figures").glob("training*.svg")}) == 3


def test_the_retriever_is_named_where_something_else_was_trained_too(run):
    assert list(histories(run)) == [""]
    (run / "encoder").mkdir()
    (run / "encoder" / "history.json").write_text(json.dumps(HISTORY))
    assert list(histories(run)) == ["encoder", "retriever"]


@pytest.mark.slow
def test_a_table_that_the_task_made_is_in_the_page_with_its_title_and_note(run):
    table = [["Embedder", "FNIR, %"], ["net <b>", "98.68 [97.46, 99.44]"]]
    write_task_table(run / "pictures" / "open_set.table.json", "Open set", table, "Halves of the people.")
    report_run(run)
    page = (run / "report.html").read_text()
    assert "<caption>Open set</caption>" in page and '<p class="note">Halves of the people.</p>' in page
    assert "net &lt;b&gt;" in page and "98.68 <small>[97.46, 99.44]</small>" in page


def test_a_damaged_table_of_a_task_is_named(run):
    (run / "pictures" / "own.table.json").write_text('{"title": "x"}')
    with pytest.raises(
        ValueError, match=r"own\.table\.json holds no table .KeyError.'table'.*; evaluate the run again"
    ):
        report_run(run)


def test_metrics_that_lack_a_part_name_it(run, metrics):
    del metrics["harm_rate"], metrics["created"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ValueError, match="lacks harm_rate, created"):
        report_run(run)


def test_a_page_can_be_written_elsewhere(run, tmp_path_factory):
    output = tmp_path_factory.mktemp("elsewhere")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    report_run(run, output)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert (output / "report.html").is_file() and any((output / "figures").iterdir())


def program(*arguments: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", "eval.report", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


def test_help_shows_examples_and_loads_nothing_heavy():
    answer = program("--help", flags=("-X", "importtime"))
    assert "python -m eval.report runs/demo" in answer.stdout
    assert re.findall(r"\| +(torch|datasets|transformers|matplotlib|numpy)$", answer.stderr, re.MULTILINE) == []


@pytest.mark.slow
def test_a_missing_folder_is_one_line_and_exit_status_1():
    answer = program("no-such-run")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(
        "error: no run called 'no-such-run'; give an output folder of train.py, or ORG/NAME"
    )
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_the_program_prints_the_table_and_writes_the_page(run, metrics):
    answer = program(str(run))
    assert answer.stdout.strip() == markdown_table(per_turn_table(metrics), protocol_line(metrics))
    assert (run / "report.html").is_file()
