"""A stand-in for the Hub's HTTP interface, as much of it as huggingface_hub uses to push and to download.

Files of a safetensors kind go the way of large files (LFS), all others travel in the commit, as on the Hub.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

LARGE = (".safetensors", ".bin", ".pt")
TOKEN = "hf_of_the_owner"


@dataclass
class Repository:
    """Commits by their hash, and the branches that point to them."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": b""})

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        told = [
            branch,
            len(self.commits),
            *sorted((name, hashlib.sha1(one).hexdigest()) for name, one in files.items()),
        ]
        sha = hashlib.sha1(json.dumps(told).encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        return sha

    def find(self, revision: str) -> str | None:
        sha = self.branches.get(revision, revision)
        return sha if sha in self.commits else None

    def files(self, revision: str = "main") -> dict[str, bytes]:
        return self.commits[self.branches.get(revision, revision)]

    def replace(self, name: str, content: bytes | None, branch: str = "main") -> str:
        """Commit a file that nobody pushed by our programs."""
        files = {one: old for one, old in self.files(branch).items() if one != name}
        return self.commit(branch, files if content is None else files | {name: content})


@dataclass
class Hub:
    """What the server holds and was asked for."""

    url: str = ""
    models: dict[str, Repository] = field(default_factory=dict)
    datasets: dict[str, Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: int = 0  # status to answer everything with

    def downloads(self) -> list[str]:
        """Names of the files whose content was sent."""
        return [path.partition("/resolve/")[2].partition("/")[2] for path in self.asked if path.startswith("GET")][:]

    def kind(self, kind: str) -> dict[str, Repository]:
        return self.datasets if kind.startswith("dataset") else self.models


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve an empty Hub on 127.0.0.1."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(hub: Hub, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process use the stand-in, with an empty cache, as its owner."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def environment(hub: Hub, cache: Any) -> dict[str, str]:
    """Variables that let another process do the same."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
        "OMP_NUM_THREADS": "1",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length", 0))
        body = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self.rfile.read(length)
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.failing:
            self._send(self.hub.failing, {"error": "the stand-in fails"})
            return
        for pattern, method in _ROUTES:
            if found := re.fullmatch(pattern, path):
                getattr(self, method)(body, **found.groupdict())
                return
        self._send(404, {"error": f"the stand-in knows nothing of {path}"})

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    @property
    def _owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _send(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})

    def _repository(self, kind: str, name: str) -> Repository | None:
        """The repository, if it may be seen; or an answer that says why not."""
        found = self.hub.kind(kind).get(name)
        if found is None or (found.private and not self._owner):
            self._refuse(404 if self._owner else 401, "RepoNotFound", "Repository not found")
            return None
        return found

    def _at(self, kind: str, name: str, revision: str) -> tuple[Repository, str] | None:
        repository = self._repository(kind, name)
        if repository is None:
            return None
        if (sha := repository.find(revision)) is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, sha

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self._owner:
            self._send(401, {"error": "Invalid username or password."})
            return
        there = self.hub.kind(asked.get("type", "model"))
        prefix = "datasets/" if there is self.hub.datasets else ""
        status = 409 if name in there else 200
        there.setdefault(name, Repository(asked.get("visibility") == "private"))
        self._send(status, {"url": f"{self.hub.url}/{prefix}{name}"})

    def info(self, body: bytes, kind: str, name: str, revision: str = "main") -> None:
        if (found := self._at(kind, name, revision)) is not None:
            repository, sha = found
            siblings = [{"rfilename": one} for one in repository.commits[sha]]
            about = {"id": name, "sha": sha, "private": repository.private, "siblings": siblings, "tags": []}
            self._send(200, about | {"downloads": 0, "likes": 0, "gated": repository.gated})

    def tree(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if (found := self._at(kind, name, revision)) is None:
            return
        repository, sha = found
        rows = []
        for path, content in repository.commits[sha].items():
            row: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_blob(content)}
            if path.endswith(LARGE):
                row["lfs"] = {"oid": _sha256(content), "size": len(content), "pointerSize": 130}
            rows.append(row)
        self._send(200, rows)

    def branch(self, body: bytes, kind: str, name: str, branch: str) -> None:
        if (repository := self._repository(kind, name)) is not None:
            status = 409 if branch in repository.branches else 200
            repository.branches.setdefault(branch, repository.branches["main"])
            self._send(status, {})

    def preupload(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if not self._owner:
            self._refuse(403, "", "Forbidden")
        elif self._at(kind, name, revision) is not None:
            files = [
                {"path": one["path"], "uploadMode": _mode(one["path"]), "shouldIgnore": False, "oid": None}
                for one in json.loads(body)["files"]
            ]
            self._send(200, {"files": files})

    def batch(self, body: bytes, kind: str, name: str) -> None:
        objects = []
        for one in json.loads(body)["objects"]:
            row: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.large:
                row["actions"] = {"upload": {"href": f"{self.hub.url}/large/{one['oid']}", "header": {}}}
            objects.append(row)
        self._send(200, {"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> None:
        if _sha256(body) != oid:
            self._send(400, {"error": "another content"})
            return
        self.hub.large[oid] = body
        self._send(200, {})

    def commit(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if (found := self._at(kind, name, revision)) is None:
            return
        repository, sha = found
        files = dict(repository.commits[sha])
        for line in body.splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif row["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(revision, files)
        self._send(200, {"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}"})

    def validate(self, body: bytes) -> None:
        self._send(200, {"warnings": [], "errors": []})

    def resolve(self, body: bytes, name: str, revision: str, path: str, kind: str = "model") -> None:
        if (found := self._at(kind, name, revision)) is None:
            return
        repository, sha = found
        if repository.gated and not self._owner:
            self._refuse(403, "GatedRepo", f"Access to model {name} is restricted")
        elif path not in repository.commits[sha]:
            self._refuse(404, "EntryNotFound", "Entry not found")
        else:
            content = repository.commits[sha][path]
            etag = _sha256(content) if path.endswith(LARGE) else _git_blob(content)
            self._send(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"})


_REPOSITORY = r"(?P<name>[^/]+/[^/]+)"
_API = rf"/api/(?P<kind>models|datasets)/{_REPOSITORY}"
_ROUTES = [
    (r"/api/repos/create", "create"),
    (r"/api/validate-yaml", "validate"),
    (r"/large/(?P<oid>\w+)", "store"),
    (rf"{_API}", "info"),
    (rf"{_API}/revision/(?P<revision>.+)", "info"),
    (rf"{_API}/tree/(?P<revision>.+)", "tree"),
    (rf"{_API}/branch/(?P<branch>.+)", "branch"),
    (rf"{_API}/preupload/(?P<revision>.+)", "preupload"),
    (rf"{_API}/commit/(?P<revision>.+)", "commit"),
    (rf"/(?P<kind>datasets)/{_REPOSITORY}\.git/info/lfs/objects/batch", "batch"),
    (rf"/(?P<kind>){_REPOSITORY}\.git/info/lfs/objects/batch", "batch"),
    (rf"/(?P<kind>datasets)/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
    (rf"/{_REPOSITORY}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
]


def _mode(path: str) -> str:
    return "lfs" if path.endswith(LARGE) else "regular"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
