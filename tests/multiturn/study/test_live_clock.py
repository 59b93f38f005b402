"""The study's clock over crashes and stops of the server."""

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from multiturn.study.clock import Clock
from multiturn.study.serving import _keep_time
from multiturn.study.store import Store
from tests.multiturn.study.squares import Visitor, study

SERVE = """
import sys
from pathlib import Path
from multiturn.study.serving import serve_study
from tests.multiturn.study.squares import study
serve_study(study(Path(sys.argv[1]), trial_seconds=90), "127.0.0.1", int(sys.argv[2]))
"""


def served(folder: Path) -> tuple[subprocess.Popen, str]:
    """A server of a study, in a process of its own, that answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(folder), str(port)], cwd=Path(__file__).parents[3])
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx.get(f"{address}/study.css")
            return process, address
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


@pytest.mark.slow
@pytest.mark.parametrize(("stopped", "lost"), [(signal.SIGKILL, 2.0), (signal.SIGTERM, 0.4), (signal.SIGINT, 0.4)])
def test_time_that_somebody_has_looked_is_not_given_back_when_the_server_ends(
    tmp_path: Path, stopped: signal.Signals, lost: float
):
    process, address = served(tmp_path)
    visitor = Visitor(study(tmp_path, trial_seconds=90))
    visitor.client = httpx.Client(base_url=address, follow_redirects=True)  # type: ignore[assignment]
    visitor.begin()
    began = time.monotonic()
    time.sleep(4)
    process.send_signal(stopped)
    looked = time.monotonic() - began
    process.wait(30)
    again = study(tmp_path, trial_seconds=90)
    trial = again.progress(again.store.participants()[0]).trial
    since = (again.clock.now() - trial.started) / 1000
    assert looked - lost < since < looked + 1


def test_a_clock_goes_on_from_the_moment_that_was_kept(tmp_path: Path):
    seconds = [0.0]
    running = study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=60)
    visitor = Visitor(running).begin()
    seconds[0] = 50.0
    running.keep_time()
    later = [0.0]
    clock = Clock(Store(tmp_path / "study.sqlite").latest(), lambda: later[0])
    again = study(tmp_path, clock=clock, trial_seconds=60)
    later[0] = 9.0
    assert again.progress(visitor.who).phase == "search"
    later[0] = 11.0
    assert again.progress(visitor.who).trials[0].outcome == "time"


def test_the_moment_of_an_event_after_the_one_that_was_kept_counts(tmp_path: Path):
    seconds = [1.0]
    running = study(tmp_path, clock=Clock(0, lambda: seconds[0]))
    running.keep_time()
    seconds[0] = 3.0
    Visitor(running).agree()
    assert running.store.latest() == 2000


def test_a_full_disk_does_not_end_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    running = study(tmp_path)

    def full(at: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(running.store, "keep_time", full)
    _keep_time(running)
    assert "disk is full; the study's clock was not saved" in capsys.readouterr().err
