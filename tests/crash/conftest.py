"""Real Celery workers on the test database, started, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.crash.flow import make

PATIENCE = 60


class Shop:
    """The workers of one test, their environment, and the provider's books."""

    def __init__(self, folder: Path) -> None:
        self.books = folder
        self.running: list[subprocess.Popen[bytes]] = []
        database, _, _ = os.environ["DATABASE_URL"].rpartition("/")
        self.env = {
            **os.environ,
            "DATABASE_URL": f"{database}/{connection.settings_dict['NAME']}",
            "HITL_WORKFLOW_APPS": "tests.crash",
            "HITL_TEST_LEDGER": str(folder),
            "HITL_LEASE": "1.5",
            "HITL_LOG_LEVEL": "CRITICAL",
        }

    def celery(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """A Celery process of its own group, quiet."""
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "project", *arguments, "-l", "CRITICAL"],
            env={**self.env, **env},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.running.append(process)
        return process

    def worker(self, **env: str) -> subprocess.Popen[bytes]:
        """A worker as production runs it, on all queues."""
        queues = "default,hooks,notices,sweep"
        return self.celery(
            "worker", "-P", "prefork", "-c", "2", "-Q", queues, "--without-gossip", "--without-mingle", **env
        )

    def beat(self) -> subprocess.Popen[bytes]:
        """Celery Beat with its schedule in the database."""
        return self.celery("beat", "--pidfile=")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 of the process and all its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def close(self) -> None:
        """End whatever still runs."""
        for process in list(self.running):
            self.kill(process)

    @property
    def calls(self) -> list[str]:
        """Every call the provider saw, by its key."""
        path = self.books / "calls"
        return path.read_text().split() if path.exists() else []

    def once_a_key(self) -> bool:
        """Whether all calls came with one key."""
        return len(set(self.calls)) == 1


@pytest.fixture
def shop(transactional_db: None, whole_house: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("HITL_TEST_LEDGER", str(tmp_path))
    _empty_broker()
    make()
    place = Shop(tmp_path)
    yield place
    place.close()
    _empty_broker()


def _empty_broker() -> None:
    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    client.flushall()
    client.close()


@pytest.fixture
def until() -> Callable[..., Any]:
    """Look again until something is there; the time it took is nobody's business but the patience ends."""

    def wait(look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"waited {PATIENCE} s for {what}")

    return wait
