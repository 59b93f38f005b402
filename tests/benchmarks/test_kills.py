import json
from pathlib import Path

import pytest

from benchmarks import kills
from benchmarks.killed import ANNOUNCED
from multiturn.checkpoints import MANIFEST


@pytest.mark.slow
def test_a_training_killed_a_few_times_loses_nothing_and_the_page_can_show_it(tmp_path: Path):
    result = kills.kills(kills=3, epochs=2, output=tmp_path)
    assert json.loads((tmp_path / "kills.json").read_text()) == result
    counts = result["counts"]
    assert counts["kills"] == 3
    assert counts["lost"] == counts["damaged"] == 0
    assert counts["identical"] == counts["trainings"] > 0
    assert counts["announced"] > 0
    assert "| Killed with SIGKILL | 3 times" in kills.table_of_kills(result)


def looked(folder: Path, announced: list[str], there: list[str]) -> dict[str, int]:
    """What is counted where these checkpoints were announced, and these are there."""
    (folder / ANNOUNCED).write_text("".join(f"{folder / 'checkpoints' / name}\n" for name in announced))
    for name in there:
        (folder / "checkpoints" / name).mkdir(parents=True)
        (folder / "checkpoints" / name / MANIFEST).write_text("{}")
    counts = dict.fromkeys(("kills", "half_written", "before_the_first", "lost", "damaged"), 0)
    kills._look(folder, 2, counts)
    return counts


def test_a_checkpoint_that_was_announced_and_is_gone_is_counted_as_lost(tmp_path: Path):
    counts = looked(tmp_path, ["epoch-0001", "epoch-0002"], ["epoch-0001"])
    assert counts["lost"] == 1


def test_a_checkpoint_that_made_room_for_newer_ones_is_not_lost(tmp_path: Path):
    counts = looked(tmp_path, ["epoch-0001", "epoch-0002"], ["epoch-0002", "epoch-0003"])
    assert counts["lost"] == 0


def test_a_checkpoint_whose_files_are_not_as_written_is_counted_as_damaged_and_lost(tmp_path: Path):
    (tmp_path / "checkpoints" / "epoch-0002").mkdir(parents=True)
    counts = looked(tmp_path, ["epoch-0002"], [])
    assert counts["damaged"] == counts["lost"] == 1
