"""Running a study's server in this process; what it answers is in `server`."""

import asyncio
import socket
import sqlite3
import sys

import torch
import uvicorn

from multiturn.study.conduct import Study
from multiturn.study.server import study_app


def serve_study(study: Study, host: str, port: int, origin: str = "") -> None:
    """Serve a study until the process is told to stop; requests are not logged, and its clock is kept every second.

    Args:
        host: address to listen on.
        port: likewise; 0 takes a free one.
        origin: see `multiturn.study.server.study_app`.
    Raises:
        OSError: the port is taken, or is not ours to take.
    """
    # One request computes on one core, and several requests share the others.
    torch.set_num_threads(1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as reason:
        raise OSError(f"cannot listen on {host}, port {port} ({reason.strerror}); choose another --port") from reason
    # No log of requests, no believing of headers about addresses: whose request it is stays unknown.
    config = uvicorn.Config(
        study_app(study, origin),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        callback_notify=lambda: asyncio.to_thread(_keep_time, study),
        timeout_notify=0,  # whenever uvicorn looks, which is once a second
    )
    name = f"[{host}]" if ":" in host else host
    print(f"{study.protocol.title}: http://{name}:{listening.getsockname()[1]}/ (Ctrl+C stops it)", flush=True)
    print(f"database: {study.store.path}", flush=True)
    _Server(config, study).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Stores the study's clock when it is told to stop, by whatever signal."""

    def __init__(self, config: uvicorn.Config, study: Study) -> None:
        super().__init__(config)
        self._study = study

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        await super().shutdown(sockets)
        _keep_time(self._study)


def _keep_time(study: Study) -> None:
    """Store the study's clock; a disk that is full for a while must not end the server."""
    try:
        study.keep_time()
    except sqlite3.OperationalError as reason:
        print(f"error: {reason}; the study's clock was not saved", file=sys.stderr, flush=True)
