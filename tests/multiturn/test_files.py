"""Claims about writing files: all or nothing, whatever goes wrong."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from multiturn.files import atomic_file, atomic_files, commit_folder, write_text

WRITER = """
import sys
from pathlib import Path
from multiturn.files import {kind}
with {kind}(Path(sys.argv[1])) as temporary:
    {write}
    print("begun", flush=True)
    sys.stdin.read()
"""
WRITES = {
    "atomic_file": ("temporary.write_text('theirs')", lambda folder: folder / "a[1].txt"),
    "atomic_files": ("(temporary / 'a[1].txt').write_text('theirs')", lambda folder: folder),
}


@pytest.fixture(params=WRITES)
def writer(request, tmp_path: Path):
    """Another process in the middle of writing, and how to write the same here."""
    write, place = WRITES[request.param]
    command = [sys.executable, "-c", WRITER.format(kind=request.param, write=write), str(place(tmp_path))]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"

        def write_here():
            if request.param == "atomic_file":
                return write_text(tmp_path / "a[1].txt", "ours")
            with atomic_files(tmp_path) as partial:
                (partial / "a[1].txt").write_text("ours")

        yield process, write_here
        process.kill()


def test_what_a_killed_writer_left_is_gone_after_the_next(writer, tmp_path: Path):
    process, write_here = writer
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(tmp_path.glob(".*.partial"))) == 1
    write_here()
    assert [path.name for path in tmp_path.iterdir()] == ["a[1].txt"]
    assert (tmp_path / "a[1].txt").read_text() == "ours"


def test_a_writer_at_work_is_left_alone_and_the_last_to_finish_wins(writer, tmp_path: Path):
    process, write_here = writer
    write_here()
    assert (tmp_path / "a[1].txt").read_text() == "ours"
    process.communicate("")
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a[1].txt"]
    assert (tmp_path / "a[1].txt").read_text() == "theirs"


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
