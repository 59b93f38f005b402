"""The Hub by the programs as users call them: train.py --push_to_hub, then all that takes --checkpoint ORG/NAME."""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_prep import audit
from tests.hub_server import Hub, environment, running_hub, use

ROOT = Path(__file__).resolve().parent.parent
SMALL = [
    *("--task", "celeba-feedback", "--faces.count", "120", "--faces.size", "32", "--faces.validation_share", "0.2"),
    *("--features.height", "32", "--features.width", "32", "--features.channels", "[4,4,4,8]"),
    *("--features.training.epochs", "1", "--features.training.batch_size", "32", "--training.batch_size", "32"),
    *("--training.epochs", "1", "--gru.hidden", "16", "--evaluation.resamples", "10", "--evaluation.turns", "2"),
    *("--witness.masked", "[0.5,0.0]"),
]


@dataclass
class Bench:
    """A Hub, a user's folder and that of somebody else, each with a cache of its own."""

    hub: Hub
    folder: Path

    def program(self, *arguments: str, at: str, code: int = 0, **variables: str) -> str:
        """Run Python on arguments in a folder; returns what it wrote to both streams."""
        (self.folder / at).mkdir(exist_ok=True)
        told = environment(self.hub, self.folder / at / "cache") | {"PYTHONPATH": str(ROOT)} | variables
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder / at,
            capture_output=True,
            text=True,
            timeout=280,
            env=os.environ | told,
        )
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run that was trained and pushed by train.py, and evaluated from the Hub by somebody else."""
    with running_hub() as hub:
        made = Bench(hub, tmp_path_factory.mktemp("push"))
        said = made.program(
            str(ROOT / "train.py"), *SMALL, "--output_dir", "run", "--push_to_hub", "lab/faces", "--private", at="home"
        )
        assert re.search(rf"pushed: {hub.url}/lab/faces/commit/\w+", said)
        revision = hub.models["lab/faces"].branches["main"]
        said = made.program("-m", "eval.evaluate", "--checkpoint", f"lab/faces@{revision}", at="away")
        assert f"report: runs/lab--faces@{revision}/evaluation/report.html" in said
        yield made


def run(name: str, *arguments: str) -> None:
    """Run a program of eval/ in this process."""
    runpy.run_module(name)["main"](list(arguments))


def revision(bench: Bench) -> str:
    return bench.hub.models["lab/faces"].branches["main"]


@pytest.mark.slow
def test_a_mistyped_name_is_known_before_anything_is_trained(tmp_path: Path):
    with running_hub() as hub:
        made = Bench(hub, tmp_path)
        said = made.program(str(ROOT / "train.py"), *SMALL, "--push_to_hub", "faces", at="home", code=1)
        assert "'faces' is no name on the Hub; it reads ORG/NAME" in said
        said = made.program(
            *(str(ROOT / "train.py"), *SMALL, "--push_to_hub", "lab/faces"), at="home", code=1, HF_TOKEN="of_nobody"
        )
        assert "refuses access to lab/faces (401); log in with hf auth login" in said
        assert not (tmp_path / "home" / "runs").exists()


@pytest.mark.slow
def test_evaluated_elsewhere_every_number_is_the_same_to_the_last_bit(bench: Bench):
    here = json.loads((bench.folder / "home/run/metrics.json").read_text())
    (path,) = (bench.folder / "away/runs").rglob("metrics.json")
    there = json.loads(path.read_text())
    for name in ("per_turn", "before_feedback", "others", "comparisons", "harm_rate", "gallery", "sessions"):
        assert here[name] == there[name], name


@pytest.mark.slow
def test_nothing_is_written_to_the_cache_but_what_was_pushed(bench: Bench):
    (snapshot,) = (bench.folder / "away/cache/models--lab--faces/snapshots").iterdir()
    found = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if not path.is_dir()}
    assert found == {
        *("config.json", "config.yaml", "files.json", "history.json", "metrics.json", "model.safetensors"),
        *("ranks.parquet", "sessions.json", "encoder/config.json", "encoder/model.safetensors"),
        *("encoder/standardise.safetensors", "encoder/history.json"),
    }
    pushed = bench.hub.models["lab/faces"].files()
    assert {"README.md", "report.html", "pictures/sessions.png"} <= pushed.keys()
    assert not [
        name for name in pushed if re.search(r"checkpoints/|galleries/|faces/|best\.|transcript|\.partial", name)
    ]
    assert bench.hub.models["lab/faces"].private


@pytest.mark.slow
def test_offline_the_cache_is_enough_to_compare_with_a_run_of_one_s_own(bench: Bench):
    (path,) = (bench.folder / "away/runs").rglob("metrics.json")
    bench.hub.asked.clear()
    command = ["-m", "eval.compare", f"lab/faces@{revision(bench)}", str(path.parent), "--metric", "R@10"]
    said = bench.program(*command, "--evaluation.resamples", "10", at="away", HF_HUB_OFFLINE="1")
    assert "R@10" in said and bench.hub.asked == []


@pytest.mark.slow
def test_the_report_of_a_pushed_run_is_made_again_beside_its_evaluation(bench: Bench):
    told = f"lab/faces@{revision(bench)}"
    said = bench.program("-m", "eval.report", told, at="away", HF_HUB_OFFLINE="1")
    folder = bench.folder / "away/runs" / told.replace("/", "--") / "report"
    assert f"written to {folder.relative_to(bench.folder / 'away')}/report.html" in said and "| Turn |" in said
    page = (folder / "report.html").read_text()
    # Sessions were pushed, too, as the drawn faces may be passed on.
    assert page.count("<img") > 3 and any((folder / "figures").glob("*.png"))


@pytest.mark.slow
def test_the_card_s_words_work_as_printed(bench: Bench):
    card = bench.hub.models["lab/faces"].files()["README.md"].decode()
    blocks = dict(re.findall(r"```(bash|python)\n(.*?)```", card.partition("## Data")[0], re.DOTALL))
    assert blocks["bash"] == "python -m eval.evaluate --checkpoint lab/faces\n"  # as in the fixture, at a revision
    gallery = json.loads((bench.folder / "home/run/metrics.json").read_text())["gallery"]
    assert gallery["fingerprint"] in bench.program("-c", blocks["python"], at="away")
    local = (bench.folder / "home/run/README.md").read_text()
    assert "--checkpoint run\n" in local and "python -m eval.push run ORG/NAME" in local


@pytest.mark.slow
def test_a_finished_run_and_a_gallery_are_pushed_later_and_searched_by_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    use(bench.hub, bench.folder / "away/cache", monkeypatch)
    monkeypatch.chdir(bench.folder / "home")
    run("eval.push", "run", "lab/again@v1")
    assert re.search(r"name: lab/again@\w+", capsys.readouterr().out)
    there = bench.hub.models["lab/again"]
    assert there.files("v1").keys() == bench.hub.models["lab/faces"].files().keys()
    assert "files.json" not in there.files("main")
    gallery = ["run/galleries/test.safetensors", "lab/gallery", "--gallery"]
    with pytest.raises(ValueError, match="not stated\\) does not let everybody pass on"):
        run("eval.push", *gallery)
    assert "lab/gallery" not in bench.hub.datasets
    run("eval.push", *gallery, "--despite_licence")
    monkeypatch.chdir(bench.folder / "away")
    run("eval.certify", "lab/gallery", "--count", "5", "--at", "1")
    assert "runs/lab--gallery/gallery.indexes" in capsys.readouterr().err
    assert Path("runs/lab--gallery/gallery.indexes").is_dir()
    audit.main(["lab/gallery"])
    assert "vectors that are zero" in capsys.readouterr().out


def readme() -> str:
    """The README's section on the Hub, with an organisation of the stand-in."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition("## Checkpoints on the Hub\n")[2].partition("\n## ")[0].replace("ORG/", "lab/")


PROGRAMS = ("eval.push", "eval.evaluate", "eval.compare", "eval.report")


@pytest.mark.slow
def test_the_readme_s_words_work_as_printed(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    use(bench.hub, bench.folder / "reader-cache", monkeypatch)
    monkeypatch.chdir(bench.folder / "home")
    Path("runs/photos").mkdir(parents=True)
    Path("runs/faces").symlink_to(Path("run").resolve())
    shutil.copyfile("run/galleries/test.safetensors", "runs/photos/gallery.safetensors")
    about = {
        "schema": 1,
        "gallery": {"file": "gallery.safetensors"},
        "licence": "CC0-1.0",
        "command": "",
        "created": "",
    }
    Path("runs/photos/manifest.json").write_text(json.dumps(about))
    bash, python = re.findall(r"```(?:bash|python)\n(.*?)```", readme(), re.DOTALL)
    commands = [shlex.split(line, comments=True) for line in bash.splitlines() if line.startswith("python -m eval.")]
    ran = [words[2] for words in commands if words[2] in PROGRAMS]
    assert ran == ["eval.push", "eval.evaluate", "eval.compare", "eval.report", "eval.push"]
    for words in commands:
        if words[2] in PROGRAMS:
            run(*words[2:])
    assert Path("runs/lab--faces@v1/report/report.html").is_file()
    assert Path("runs/lab--faces@v1/evaluation/metrics.json").is_file() and "lab/photos" in bench.hub.datasets
    exec(python, {})
    assert {"config.json", "model.safetensors", "README.md"} <= bench.hub.models["lab/faces-alone"].files().keys()


@pytest.mark.slow
def test_a_tampered_checkpoint_is_refused_by_the_program(bench: Bench):
    there = bench.hub.models["lab/faces"]
    weights = there.files()["encoder/model.safetensors"]
    there.replace("encoder/model.safetensors", weights[:-1] + bytes([weights[-1] ^ 1]), branch="main")
    try:
        said = bench.program("-m", "eval.evaluate", "--checkpoint", "lab/faces", at="away", code=2)
        assert "encoder/model.safetensors of lab/faces is not the file that was pushed" in said
    finally:
        there.replace("encoder/model.safetensors", weights)
