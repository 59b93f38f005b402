"""The search program as users call it: by texts with a checkpoint, by photos with a gallery."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from shutil import copy

import pytest

from tests.hub_server import running_hub, use
from tests.multiturn.encoders.cases import faces
from tests.multiturn.encoders.tiny import open_clip_folder, pictures, timm_weights

ROOT = Path(__file__).resolve().parent.parent


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on arguments, from the root of the checkout."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, env=offline
    )


@pytest.mark.parametrize("way", [[], ["--gallery", "g"]])
def test_help_shows_examples_and_loads_nothing_heavy(way: list[str]):
    shown = program("-X", "importtime", "-m", "eval.search", *way, "--help")
    assert shown.returncode == 0 and "examples:" in shown.stdout and "--gallery" in shown.stdout
    assert re.findall(r"\| +(torch|datasets|transformers|timm|faiss|matplotlib)$", shown.stderr, re.MULTILINE) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gallery", "g"], "image"),
        (["--image", "x.jpg"], "gallery"),
        (["--gallery", "g", "--image", "x.jpg", "--top", "0"], "--top lists at least one candidate, not 0"),
        (["--gallery", "g", "--image", "x.jpg", "a bird"], "photos, as --image FILE, or words"),
        (
            ["--gallery", "g", "--image", "x.jpg", "--picture", "tests"],
            "--picture is a PNG file, and tests is a folder",
        ),
        (["--task", "lfw-reverse"], "say what to look for"),
    ],
)
def test_a_wrong_command_line_is_answered_with_the_remedy(arguments: list[str], said: str):
    refused = program("-m", "eval.search", *arguments)
    assert refused.returncode == 2 and said in refused.stderr


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of five pictures; they lie in photos/ beside it."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "photos").mkdir()
    for row in pictures(5):
        row["image"].save(folder / "photos" / row["id"])  # pyright: ignore
    chosen = ["--encoder.kind", "faces", "--encoder.detector", "none", "--encoder.crop", "[0,0,40,40]"]
    chosen += ["--encoder.embedder", "mobilefacenet", "--encoder.weights", str(faces(folder).weights)]
    chosen += ["--encoder.height", "32", "--encoder.width", "32", "--output", str(folder / "g")]
    done = program("-m", "data_prep.encode", "--data.root", str(folder / "photos"), *chosen)
    assert done.returncode == 0, done.stderr
    return folder / "g"


@pytest.mark.slow
def test_photos_are_searched_printed_and_pictured(gallery: Path):
    photos = [str(gallery.parent / "photos" / name) for name in ("p1.png", "p3.png")]
    done = program("-m", "eval.search", "--gallery", str(gallery), "--image", photos[0], "--top", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["1", "1.0000", "p1.png"] and len(lines) == 4
    assert lines[3] == f"picture: {gallery / 'search.png'}" and (gallery / "search.png").is_file()
    two = program("-m", "eval.search", "--gallery", str(gallery), "--image", photos[0], "--image", photos[1])
    assert {line.split()[2] for line in two.stdout.splitlines()[:2]} == {"p1.png", "p3.png"}


@pytest.mark.slow
def test_a_gallery_of_any_encoder_of_images_is_searched_by_a_photo(gallery: Path, tmp_path: Path):
    photos = gallery.parent / "photos"
    chosen = ["--encoder.kind", "timm", "--encoder.name", "test_resnet", "--encoder.weights", timm_weights(tmp_path)]
    made = program("-m", "data_prep.encode", "--data.root", str(photos), *chosen, "--output", str(tmp_path / "g"))
    assert made.returncode == 0, made.stderr
    done = program("-m", "eval.search", "--gallery", str(tmp_path / "g"), "--image", str(photos / "p1.png"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["1", "1.0000", "p1.png"]


@pytest.mark.slow
def test_a_gallery_of_image_and_text_towers_is_searched_by_words(gallery: Path, tmp_path: Path):
    chosen = ["--encoder.kind", "open_clip", "--encoder.name", open_clip_folder(tmp_path / "model")]
    where = ["--data.root", str(gallery.parent / "photos"), "--output", str(tmp_path / "g")]
    made = program("-m", "data_prep.encode", *where, *chosen)
    assert made.returncode == 0, made.stderr
    done = program("-m", "eval.search", "--gallery", str(tmp_path / "g"), "a bird", "on the grass", "--top", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["1", "2", "3"] and len(lines) == 4
    assert lines[3] == f"picture: {tmp_path / 'g' / 'search.png'}" and (tmp_path / "g" / "search.png").is_file()
    near = program("-m", "eval.search", "--gallery", str(tmp_path / "g"), "a bird", "on the grass", "--index", "Flat")
    assert near.stdout.splitlines()[:3] == lines[:3], near.stderr
    assert (tmp_path / "g" / "gallery.indexes" / "Flat.cosine" / "index.json").is_file()


@pytest.mark.slow
def test_a_gallery_is_searched_by_its_file_with_moved_weights_and_an_index_by_name(gallery: Path, tmp_path: Path):
    photo = str(gallery.parent / "photos" / "p1.png")
    moved = str(copy(gallery.parent / "weights.pth", tmp_path / "elsewhere.pth"))
    named = ["--gallery", str(gallery / "gallery.safetensors"), "--image", photo, "--encoder.weights", moved]
    done = program("-m", "eval.search", *named, "--index", "Flat", "--top", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:3] == ["1", "1.0000", "p1.png"] and f"picture: {gallery}" in done.stdout
    for index, said in (("FLAT7", "faiss makes no index 'FLAT7'"), ("no/index", "no index in no/index")):
        refused = program("-m", "eval.search", *named, "--index", index)
        assert refused.returncode == 1 and said in refused.stderr


@pytest.mark.slow
def test_a_photo_that_cannot_be_read_is_one_clear_line(gallery: Path):
    (gallery.parent / "torn.jpg").write_bytes(b"\xff\xd8\xff nothing")
    for photo, said in (("torn.jpg", "cannot be decoded"), ("none.jpg", "no photo at")):
        done = program("-m", "eval.search", "--gallery", str(gallery), "--image", str(gallery.parent / photo))
        assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_gallery_on_the_hub_is_searched_by_its_name_and_the_cache_stays_clean(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    photo = str(gallery.parent / "photos" / "p1.png")
    with running_hub() as hub:
        use(hub, tmp_path / "cache", monkeypatch)
        monkeypatch.chdir(tmp_path)
        arguments = [str(gallery), "lab/photos", "--gallery", "--despite_licence", "--private"]
        runpy.run_module("eval.push")["main"](arguments)
        assert not [name for name in hub.datasets["lab/photos"].files() if name.endswith((".png", ".csv"))]
        runpy.run_module("eval.search")["main"](["--gallery", "lab/photos", "--image", photo, "--top", "3"])
    said = capsys.readouterr().out
    assert re.search(r"1 +1\.0000 +p1\.png", said) and "picture: runs/lab--photos/search.png" in said
    assert Path("runs/lab--photos/search.png").is_file() and not list((tmp_path / "cache").rglob("*.png"))
