"""Claims about writing files: all or nothing, whatever goes wrong."""

import os
import stat
from pathlib import Path

import pytest

from multiturn.files import atomic_file, commit_folder, write_text


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_missing_folder_is_made(tmp_path: Path):
    write_text(tmp_path / "new" / "deeper" / "a.txt", "x\u00e9")
    assert (tmp_path / "new" / "deeper" / "a.txt").read_bytes() == "x\u00e9".encode()


def test_a_file_can_be_read_by_whom_the_umask_allows(tmp_path: Path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_finished_folder_takes_its_name(tmp_path: Path):
    (tmp_path / "partial" / "deep").mkdir(parents=True)
    (tmp_path / "partial" / "deep" / "x").write_text("1")
    commit_folder(tmp_path / "partial", tmp_path / "done")
    assert (tmp_path / "done" / "deep" / "x").read_text() == "1"
    assert not (tmp_path / "partial").exists()


def test_a_finished_folder_is_never_replaced(tmp_path: Path):
    for name in ("partial", "done"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_text(name)
    with pytest.raises(FileExistsError, match="choose another folder"):
        commit_folder(tmp_path / "partial", tmp_path / "done")
    assert (tmp_path / "done" / "x").read_text() == "done"


def test_an_empty_folder_is_taken_over(tmp_path: Path):
    (tmp_path / "partial").mkdir()
    (tmp_path / "done").mkdir()
    (tmp_path / "partial" / "x").write_text("1")
    commit_folder(tmp_path / "partial", tmp_path / "done")
    assert (tmp_path / "done" / "x").exists()
