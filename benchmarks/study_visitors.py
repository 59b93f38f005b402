"""Participants of a study who are programs, and the server that they visit, in a process that may be killed."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from http.client import HTTPConnection, HTTPException
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from multiturn.study.protocol import StudyProtocol
    from multiturn.study.systems import System

STARTS_WITHIN = 60.0  # seconds
CONFIGS = Path(__file__).resolve().parent.parent / "configs"


class Refused(Exception):
    """The server answered with something else than a page."""


class Visitor:
    """One participant, who fills in whatever form a page has, at random.

    Args:
        port: of the server, on this machine.
        seed: of what they do.
        persistent: whether they look for their targets for ever: they say something until it is no longer allowed, and
            then give up; otherwise they claim images too.
    """

    def __init__(self, port: int, seed: int, persistent: bool = False) -> None:
        self.port, self._random, self._persistent = port, Random(seed), persistent
        self._cookie, self.page, self.leaving = "", "", False
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    @property
    def step(self) -> int:
        """Of the page that they are on; -1 where it has none."""
        found = re.search(r'name="step" value="(\d+)"', self.page)
        return int(found[1]) if found else -1

    def arrive(self) -> None:
        """Agree to take part, or after a new start of the server see where they were."""
        self.page = self._ask("GET", "/study" if self._cookie else "/")
        if not self._cookie:
            self.send("/consent", {"agree": "yes"})

    def act(self) -> tuple[str, dict[str, str]]:
        """Do the next thing that the page offers.

        Returns:
            the address that was sent to, and the fields.
        """
        for path in ("/study/begin", "/study/start", "/study/answer"):
            if f'action="{path}"' in self.page:
                return self.send(path, self._scales() if path == "/study/answer" else {})
        if 'action="/study/give-up"' not in self.page:
            raise Refused(f"a page without a form: {self.page[:300]}")
        if 'action="/study/reply"' not in self.page:
            return self.send("/study/give-up", {})
        if 'action="/study/undo"' in self.page and self._random.random() < 0.1:
            return self.send("/study/undo", {})
        if not self._persistent and self._random.random() < 0.1 and 'name="place"' in self.page:
            return self.send("/study/claim", {"place": "1"})
        return self.send("/study/reply", self._reply())

    def send(self, path: str, fields: dict[str, str]) -> tuple[str, dict[str, str]]:
        """Send a form with the hidden fields of the page, and read the page that it leads to."""
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page))
        self.page = self._ask("POST", path, {**hidden, **fields})
        return path, fields

    def look(self) -> int:
        """Fetch the images of the page; returns how many there are."""
        images = re.findall(r'<img src="([^"]+)"', self.page)
        for image in images:
            self._ask("GET", image)
        return len(images)

    def move(self, port: int) -> None:
        """Go on with a server that was started anew."""
        self._connection.close()
        self.port = port
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def _reply(self) -> dict[str, str]:
        if 'name="text"' in self.page:
            words = ("a red one", "on the left", "smiling", "large", "two of them", "with a hat", "dark", "bright")
            return {"text": " ".join(self._random.sample(words, 2))}
        if 'name="closest"' in self.page:
            return {"closest": "1"}
        marks = sorted(set(re.findall(r'name="(mark-\d+)"', self.page)))
        fields = {name: self._random.choice("+-") for name in self._random.sample(marks, min(4, len(marks)))}
        return fields | ({"about": "1"} if 'name="about"' in self.page else {})

    def _scales(self) -> dict[str, str]:
        return dict(re.findall(r'type="radio" name="(\w+)" value="(\d+)"', self.page))

    def _ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> str:
        """The page at an address, redirections followed.

        Raises:
            Refused: the answer is an error.
        """
        body = None if fields is None else urlencode(fields)
        headers = {"Cookie": self._cookie} if self._cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        if answer.status == 303:
            return self._ask("GET", answer.getheader("Location") or "/")
        if answer.status != 200:
            raise Refused(f"{method} {path} was answered with {answer.status}")
        return content.decode("utf-8", errors="replace")


# What a visitor meets when the server is killed.
GONE = (OSError, HTTPException)


def opened(checkpoint: str) -> dict[str, System]:
    """A study's one system, called "system", in this process, whose children then have it at once."""
    import torch

    from multiturn.study.systems import open_systems

    # A process that has computed with several threads cannot be forked and compute.
    torch.set_num_threads(1)
    return {system.name: system for system in open_systems({"system": checkpoint}, CONFIGS)}


@contextmanager
def serving(protocol: StudyProtocol, systems: dict[str, System], database: Path) -> Iterator[tuple[int, BaseProcess]]:
    """Serve a study in a child of this process, on this machine alone; yields its port and the child.

    Raises:
        ValueError: it does not answer in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    child = get_context("fork").Process(target=_serve, args=(protocol, systems, database, port), daemon=True)
    child.start()
    try:
        _wait(port, child)
        yield port, child
    finally:
        child.kill()
        child.join()


def _serve(protocol: StudyProtocol, systems: dict[str, System], database: Path, port: int) -> None:
    from multiturn.study.conduct import Study
    from multiturn.study.serving import serve_study
    from multiturn.study.store import Store

    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        serve_study(Study(protocol, systems, Store(database)), "127.0.0.1", port)


def _wait(port: int, child: BaseProcess) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and child.is_alive():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    raise ValueError(f"the server did not answer on port {port}; its messages are above")
