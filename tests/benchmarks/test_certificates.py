"""Claims about the certificates that the pages show."""

import json
import runpy
import sys

import pytest
import torch

from benchmarks.certificates import certificates
from benchmarks.readme import block_of
from multiturn.gallery import Gallery


def test_all_certificates_beside_a_gallery_of_regions_come_into_the_block(tmp_path, monkeypatch):
    vectors = torch.randn(40, 3, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(40, 3, dtype=torch.bool)
    gallery = tmp_path / "gallery.safetensors"
    Gallery(tuple(f"{n:02}" for n in range(40)), vectors, "enc", "drawn", mask).save(gallery)
    with pytest.raises(FileNotFoundError, match=r"no certificate beside .*; make some with python -m eval\.certify"):
        certificates(tmp_path, tmp_path)
    asked = ["--index", "Flat", "--by", "pooled", "both", "--count", "20", "--at", "1", "5", "--proposals", "1", "4"]
    monkeypatch.setattr(sys, "argv", ["certify", str(gallery), *asked])
    runpy.run_module("eval.certify", run_name="__main__")
    told = json.loads(certificates(gallery, tmp_path).read_text())["certificates"]
    assert len(told) == 4
    lines = block_of("certificates", tmp_path).splitlines()
    assert sum("Flat of pooled" in line for line in lines) == 4
    assert sum("Flat of regions" in line for line in lines) == 2
    assert any("20 queries" in line and "40 candidates" in line for line in lines)
