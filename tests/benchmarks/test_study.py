"""The benchmarks of live studies, small: they run, nothing is lost, and the pages can show what they write."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.study_kills import study_kills, study_kills_block
from benchmarks.study_load import study_load, study_load_block
from tests.multiturn.study.small import faces

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the server is a fork of the process that has the model"),
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(faces(tmp_path_factory.mktemp("study") / "faces"))


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(checkpoint: str, tmp_path: Path):
    result = study_kills(checkpoint, kills=3, participants=2, longest=0.5, output=tmp_path)
    assert json.loads((tmp_path / "study_kills.json").read_text()) == result
    assert result["acknowledged"] > 4 and result["lost"] == result["other_pages"] == 0 and result["database"] == "ok"
    assert "| 3 |" in study_kills_block(result)


def test_many_participants_are_served_without_an_error(checkpoint: str, tmp_path: Path):
    result = study_load(checkpoint, participants=8, think=0.3, seconds=4.0, page_size=4, output=tmp_path)
    assert json.loads((tmp_path / "study_load.json").read_text()) == result
    assert result["errors"] == 0 and result["turns"] >= 8 and result["images"] > result["turns"]
    assert "| 8 |" in study_load_block(result)
