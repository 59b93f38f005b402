"""Claims about the program that certifies indexes."""

import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from multiturn.certificates import read_certificate
from multiturn.faiss_index import load_index
from multiturn.index_settings import Effort
from tests.test_certify import GALLERY, REGIONS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def certify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the program here, where PyTorch is loaded already; gives its exit status and what it printed."""

    def run(*arguments: str | Path) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["certify", *map(str, arguments)])
        status: object = 0
        try:
            runpy.run_module("eval.certify", run_name="__main__")
        except SystemExit as stopped:
            status = stopped.code
        return status, *capsys.readouterr()

    return run


@pytest.mark.slow
def test_the_program_compares_indexes_and_keeps_certificates_beside_them(certify, tmp_path: Path):
    GALLERY.save(tmp_path / "test.safetensors")
    arguments = [tmp_path / "test.safetensors", "--index", "Flat", "--index", "IVF8,Flat", "--nprobe", "1", "8"]
    status, printed, said = certify(*arguments, "--count", "20", "--at", "1", "10", "1000")
    rows = [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")]
    assert status == 0 and rows[2:] == ["Flat", "IVF8,Flat (nprobe 1)", "IVF8,Flat (nprobe 8)"]
    assert "recall at [1000] is left out" in said and said.count("building") == 2
    folder = tmp_path / "test.indexes"
    assert {path.name for path in folder.iterdir()} == {"Flat.l2", "IVF8-Flat.l2", "recall.png", "recall.svg"}
    index = load_index(folder / "IVF8-Flat.l2", GALLERY, Effort(nprobe=8))
    assert read_certificate(index, folder / "IVF8-Flat.l2").recall[1].value == 1.0


def test_the_program_builds_only_what_is_not_there_or_is_of_another_gallery(certify, tmp_path: Path):
    GALLERY.save(tmp_path / "gallery.safetensors")
    arguments = (tmp_path, "--index", "Flat", "--count", "5")
    assert "no index in" in certify(*arguments)[2]
    assert "building" not in certify(*arguments, "--queries", "held_out")[2]
    replace(GALLERY, vectors=GALLERY.vectors + 1).save(tmp_path / "gallery.safetensors")
    _, printed, said = certify(*arguments)
    assert "built of another gallery" in said and "100.00 [" in printed


@pytest.mark.slow
def test_the_program_certifies_pooled_vectors_and_regions_alone_and_together(certify, tmp_path: Path):
    REGIONS.save(tmp_path / "gallery.safetensors")
    arguments = ("--index", "Flat", "--by", "pooled", "both", "--states", "2", "--count", "5")
    status, printed, _ = certify(tmp_path, *arguments)
    assert status == 0
    assert "| Flat of pooled (proposals 10) |" in printed
    assert "| Flat of pooled (proposals 10) and Flat of regions (proposals 10) |" in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--index", "Flatt"], "could not parse index string Flatt"),
        (["--index", "IVF9999,Flat"], "9999 lists, and there are 400 vectors"),
        (["--queries", "none.npy"], "none.npy"),
        (["--by", "pooled"], "has no regions; leave --by out"),
    ],
)
def test_what_cannot_be_measured_ends_with_one_clear_line(certify, tmp_path: Path, arguments: list[str], said: str):
    GALLERY.save(tmp_path / "gallery.safetensors")
    status, _, refused = certify(tmp_path, *arguments)
    assert status == 1 and refused.strip().splitlines()[-1].startswith("error: ") and said in refused


def test_a_gallery_that_is_not_there_is_named(certify, tmp_path: Path):
    status, _, refused = certify(tmp_path / "none.safetensors")
    assert status == 1 and "none.safetensors" in refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--index", "Flat", "--nprobe", "3"], "has a use for --nprobe"),
        (["--index", "IVF8,Flat", "--nprobe", "0"], "nprobe must be at least 1, not 0"),
        (["--similarity", "l1"], "l1"),
    ],
)
def test_a_wrong_command_line_is_refused(certify, tmp_path: Path, arguments: list[str], said: str):
    status, _, refused = certify(tmp_path, *arguments)
    assert status == 2 and said in refused


def test_help_shows_examples_and_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "eval.certify", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=True)
    assert "examples:" in shown.stdout
    assert re.findall(r"\| +(torch|faiss|matplotlib|numpy)$", shown.stderr, re.MULTILINE) == []
