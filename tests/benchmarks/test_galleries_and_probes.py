import json
import os
from pathlib import Path

import pytest
import torch

from benchmarks import galleries, probes
from benchmarks.blocks import galleries_block, probes_block
from benchmarks.probes import Probe, nearest_of_same_class, rank_1, real_data

REAL = os.environ.get("RETRIEVAL_REAL_DATA")
real = pytest.mark.skipif(REAL is None, reason="RETRIEVAL_REAL_DATA names no real data")


def test_no_picture_is_its_own_nearest():
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), dim=1)
    assert nearest_of_same_class(vectors, torch.tensor([0, 0, 1])) == pytest.approx(2 / 3)


def test_a_person_without_a_face_counts_as_wrong_and_leads_nobody_astray():
    first = torch.eye(3)
    second = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert rank_1(first, second, torch.tensor([True, True, False])) == pytest.approx(2 / 3)
    assert rank_1(first, torch.eye(3), torch.tensor([True, True, True])) == 1


def test_a_probe_holds_between_its_bounds():
    def found(share: float, least: float | None, most: float | None) -> bool:
        return Probe("w", "e", 2, 2, share, least, most, 0, 1.0).holds

    assert found(0.6, 0.58, 0.62) and found(0.99, 0.92, None) and found(0.1, None, None)
    assert not found(0.57, 0.58, 0.62) and not found(0.63, 0.58, 0.62) and not found(0.91, 0.92, None)


def test_data_that_are_not_named_or_not_there_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("RETRIEVAL_REAL_DATA", raising=False)
    with pytest.raises(ValueError, match=r"RETRIEVAL_REAL_DATA is not set; name the folder .* by --data"):
        real_data(None)
    with pytest.raises(FileNotFoundError, match="holds no folder weights"):
        real_data(tmp_path)


@pytest.mark.parametrize("program", [probes.probes, galleries.galleries])
def test_a_limit_of_one_is_refused(program, tmp_path: Path):
    with pytest.raises(ValueError, match="limit must be at least 2, not 1"):
        program(tmp_path, limit=1)


@real
@pytest.mark.slow
def test_the_probes_of_a_few_classes_write_a_result_that_the_readme_can_show(tmp_path: Path):
    result = probes.probes(Path(REAL or ""), limit=4, output=tmp_path)
    assert json.loads((tmp_path / "probes.json").read_text()) == result
    assert [probe["classes"] for probe in result["probes"]] == [4, 4, 4]
    assert all(probe["found"] >= 0.5 and probe["least"] is None for probe in result["probes"])
    assert "no result" in probes_block(result)


@real
@pytest.mark.slow
def test_a_few_pictures_become_galleries_of_half_the_size_in_float16(tmp_path: Path):
    result = galleries.galleries(Path(REAL or ""), limit=4, output=tmp_path)
    assert json.loads((tmp_path / "galleries.json").read_text()) == result
    cells = [row for row in result["galleries"] if row["vectors_per_candidate"] == 36]
    assert [row["data"] for row in cells] == ["Flickr8k", "CUB", "LFW"]
    assert all(row["dim"] == 512 and row["candidates"] == 4 for row in cells)
    assert all(0.5 < row["megabytes"]["float16"] / row["megabytes"]["float32"] < 0.6 for row in cells)
    assert galleries_block(result).count("| LFW |") == 4
