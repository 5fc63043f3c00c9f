"""A real server process of the waiting door, on the database of the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers import free_port, wait_for_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30


def until(look: Callable[[], Any], what: str) -> Any:
    """Look again until something is there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s for {what}")


class Server:
    """uvicorn with the waiting door, or a `plain` web server of threads. Its log says what Django was asked, which no
    client can see."""

    def __init__(self, folder: Path, env: dict[str, str], *, plain: bool = False) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"waiting-{self.port}.log"
        words = ["uvicorn", "hitl.longpoll:app", "--port", str(self.port), "--no-access-log"]
        if plain:
            words = ["waitress", f"--listen=127.0.0.1:{self.port}", "--threads=8", "project.wsgi:application"]
        command = [sys.executable, "-m", *words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=log, stderr=log)
        self._pool = ThreadPoolExecutor(32)
        try:
            wait_for_port(self.port)
        except TimeoutError:
            self.process.kill()
            raise AssertionError(self.log.read_text()) from None

    def get(self, path: str, token: str, **headers: str) -> httpx.Response:
        """GET under /api/v1/."""
        with self.client(token, **headers) as client:
            return client.get(f"/api/v1/{path}")

    def post(self, path: str, token: str, body: Any, **headers: str) -> httpx.Response:
        """POST JSON under /api/v1/."""
        with self.client(token, **headers) as client:
            return client.post(f"/api/v1/{path}", json=body)

    def soon(self, path: str, token: str, *, asked: int = 1, **headers: str) -> Future[httpx.Response]:
        """GET in a thread of its own; returns when Django was asked so often for it, so that it waits by now."""
        return self._soon(lambda: self.get(path, token, **headers), path, asked)

    def soon_post(self, path: str, token: str, body: Any, *, asked: int = 1) -> Future[httpx.Response]:
        """POST in a thread of its own, alike."""
        return self._soon(lambda: self.post(path, token, body), path, asked)

    def _soon(self, call: Callable[[], httpx.Response], path: str, asked: int) -> Future[httpx.Response]:
        before = self.asked(path)
        found = self._pool.submit(call)
        until(lambda: self.asked(path) >= before + asked or found.done(), f"{path} to be asked for")
        return found

    def asked(self, path: str) -> int:
        """How often Django has answered for this address."""
        return self._told("request_finished", path)

    def begun(self, path: str) -> int:
        """How often Django has begun to answer for it."""
        return self._told("request_started", path)

    def _told(self, what: str, path: str) -> int:
        address = f"/api/v1/{path.partition('?')[0]}"
        return sum(line.get("event") == what and address in line["request"] for line in self.lines())

    def lines(self) -> list[dict[str, Any]]:
        """What it logged as JSON so far."""
        found = [line for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return [json.loads(line) for line in found]

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """A client that brings this token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers={**bearer, **named}, timeout=70)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, and wait until it has."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self._pool.shutdown()
        return code


@contextmanager
def serving(
    folder: Path, database_url: str, *, settings: str = "project.settings", plain: bool = False
) -> Iterator[Server]:
    """A server inside the block."""
    env = {**os.environ, "DATABASE_URL": database_url, "HITL_LOG_LEVEL": "INFO", "HITL_API_RATE": "100000/min"}
    env |= {"DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": str(ROOT), "HITL_WORKFLOW_APPS": ""}
    server = Server(folder, env, plain=plain)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.stop()
