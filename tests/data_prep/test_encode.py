"""Claims about the program that makes galleries, run as a user runs it."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from multiturn.gallery import Gallery
from tests.multiturn.encoders.tiny import pictures, sentence_folder, timm_weights

ROOT = Path(__file__).resolve().parents[2]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(*options: str, launch: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, *(launch or []), "-m", "data_prep.encode", *options]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Options for eleven pictures, at two depths."""
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    for number, image in enumerate(pictures(11)["image"]):
        image.save(tmp_path / "photos" / ("inner" if number % 2 else "") / f"{number}.png")
    options = ["--data.root", str(tmp_path / "photos"), "--encoder.kind", "timm", "--encoder.name", "test_vit"]
    options += ["--encoder.weights", timm_weights(tmp_path, "test_vit"), "--encoder.height", "160"]
    return [*options, "--batch_size", "2", "--shard_size", "3", "--output"]


@pytest.mark.slow
def test_one_process_and_two_make_the_same_gallery_with_a_manifest(photos: list[str], tmp_path: Path):
    said = run(*photos, str(tmp_path / "one"))
    assert f"{tmp_path / 'one'}: 11 candidates, 0 kept, 11 new; made by timm-test_vit-160x160" in said.stdout
    assert "11/11" in said.stderr and "item/s" in said.stderr
    assert run(*photos, str(tmp_path / "two"), launch=TORCHRUN).returncode == 0
    one, two = (tmp_path / name / "gallery.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert Gallery.load(tmp_path / "one").ids[-1] == "inner/9.png"
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest["gallery"]["sha256"] == sha256(one.read_bytes()).hexdigest()
    assert (manifest["candidates"], manifest["dim"], manifest["dtype"]) == (11, 64, "float32")
    assert manifest["command"].startswith("python -m data_prep.encode --data.root")
    assert manifest["versions"]["torch"] and manifest["encoder"]["name"] == "test_vit"


@pytest.mark.slow
def test_growing_data_and_bad_pictures_are_told_and_listed(photos: list[str], tmp_path: Path):
    run(*photos, str(tmp_path / "g"))
    pictures(1, seed=5)[0]["image"].save(tmp_path / "photos" / "late.png")
    (tmp_path / "photos" / "torn.png").write_bytes((tmp_path / "photos" / "0.png").read_bytes()[:400])
    refused = run(*photos, str(tmp_path / "g"))
    assert refused.returncode == 1 and "'torn.png' cannot be decoded" in refused.stderr.splitlines()[-1]
    said = run(*photos, str(tmp_path / "g"), "--on_bad_image", "skip").stdout
    assert "12 candidates, 11 kept, 1 new, 1 left out (picture cannot be decoded)" in said
    manifest = json.loads((tmp_path / "g" / "manifest.json").read_text())
    assert manifest["left_out"] == {"picture cannot be decoded": ["torn.png"]}
    (tmp_path / "photos" / "late.png").unlink()
    dropped = run(*photos, str(tmp_path / "g"), "--on_bad_image", "skip", "--drop_removed").stdout
    assert "11 candidates, 11 kept, 0 new, 1 that the data lacks dropped" in dropped


@pytest.mark.slow
def test_captions_of_a_data_set_become_a_gallery_of_texts_with_labels(tmp_path: Path):
    options = ["--data.name", "drawn_scenes", "--data.count", "40", "--data.size", "64", "--data.split", "test"]
    encoder = ["--encoder.kind", "sentence_transformers", "--encoder.name", sentence_folder(tmp_path)]
    done = run(*options, "--data.column", "captions", *encoder, "--dtype", "float16", "--output", str(tmp_path / "g"))
    assert done.returncode == 0, done.stderr
    gallery = Gallery.load(tmp_path / "g")
    assert gallery.ids[0].endswith(".png#0") and gallery.vectors.dtype.itemsize == 2
    labels = (tmp_path / "g" / "labels.csv").read_text().splitlines()
    assert labels[0] == "id,family" and len(labels) == len(gallery) + 1
    assert json.loads((tmp_path / "g" / "manifest.json").read_text())["licence"] == "Apache-2.0"


@pytest.mark.slow
def test_a_mistake_is_answered_with_one_line_and_a_suggestion(tmp_path: Path):
    texts = tmp_path / "captions.jsonl"
    texts.write_text("\n".join(json.dumps({"id": name, "text": name}) for name in "abc"))
    both = ["--data.root", str(texts), "--output", str(tmp_path / "g")]
    for options, message in (
        (["--encoder.kind", "open-clp", "--encoder.name", "x"], "did you mean open_clip?"),
        (["--encoder.kind", "timm", "--encoder.name", "resnet50"], "holds texts, and timm encodes images"),
        (["--encoder.kind", "words", "--encoder.name", "x", "--encoder.wieght", "y"], "--encoder.weights"),
        (["--encoder.kind", "words", "--encoder.name", "x", "--data.name", "flickr9k"], "flickr8k"),
        (["--encoder.kind", "words", "--encoder.name", "x", "--shard_size", "0"], "shard_size must be at least 1"),
    ):
        done = run(*both, *options)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    done = run(*both, "--encoder.kind", "words", "--encoder.name", str(tmp_path))
    assert done.returncode == 1 and "no config.json" in done.stderr and done.stderr.count("\n") == 1


REAL = os.environ.get("RETRIEVAL_REAL_DATA")


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA is not set")
def test_real_birds_killed_ten_times_and_resumed_are_the_same_file(tmp_path: Path):
    root, draw = Path(REAL or ""), random.Random(0)
    for folder in sorted((root / "cub" / "images").iterdir())[::20]:
        (tmp_path / "cub" / "images").mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, tmp_path / "cub" / "images" / folder.name)
    options = ["--data.name", "cub", "--data.root", str(tmp_path / "cub"), "--encoder.kind", "squeezenet"]
    options += ["--encoder.weights", str(root / "weights" / "squeezenet1.1_notop_oihw.npz"), "--shard_size", "8"]
    options += ["--encoder.height", "64", "--batch_size", "4", "--output"]
    assert run(*options, str(tmp_path / "whole")).returncode == 0
    output, environment = tmp_path / "killed", os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "data_prep.encode", *options, str(output)]
    kills = 0
    while kills < 10:
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as victim:
            wanted = len(list(output.glob("*.shards/*/*.safetensors"))) + draw.randint(0, 1)
            while len(list(output.glob("*.shards/*/*.safetensors"))) < wanted and victim.poll() is None:
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.05))
            assert victim.poll() is None
            victim.kill()
        kills += 1
    assert run(*options, str(output)).returncode == 0
    assert (output / "gallery.safetensors").read_bytes() == (tmp_path / "whole" / "gallery.safetensors").read_bytes()
    assert sorted(path.name for path in output.iterdir()) == ["gallery.safetensors", "labels.csv", "manifest.json"]
