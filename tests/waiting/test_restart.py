"""A database that goes and comes back: who waits knows nothing of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.waiting.serving import ROOT, Server, serving, until

pytestmark = pytest.mark.postgres
Shop = Callable[[str], dict[str, Any]]


@pytest.fixture
def database() -> Iterator[servers.Postgres]:
    """A PostgreSQL of its own."""
    with servers.postgres() as postgres:
        yield postgres


@pytest.fixture
def shop(database: servers.Postgres) -> Shop:
    """Call the shop."""
    env = {**os.environ, "DATABASE_URL": database.url, "PYTHONPATH": str(ROOT)}

    def call(what: str) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).with_name("shop.py")), what]
        told = subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True, text=True)
        return json.loads(told.stdout.splitlines()[-1]) if told.stdout else {}

    return call


def failures(door: Server) -> int:
    """How often the poller said that it cannot look."""
    return sum(line["event"].startswith("cannot look") for line in door.lines())


def test_whoever_waits_is_answered_though_the_database_was_away(
    database: servers.Postgres, shop: Shop, tmp_path: Path
) -> None:
    asked = shop("make")
    path = f"approvals/{asked['id']}/"
    with serving(tmp_path, database.url) as door:
        answer = door.soon(f"{path}?wait=60", asked["token"])
        impatient = door.soon(f"{path}?wait=8", asked["token"])
        database.stop("immediate")
        until(lambda: failures(door) == 1, "the poller to notice")
        away = door.get(f"{path}?wait=5", asked["token"])
        for refused in (away, impatient.result(30)):
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert refused.json()["code"] == "unavailable"
        database.start()
        until(lambda: any(line["event"].startswith("looking again") for line in door.lines()), "a look")
        assert not answer.done()
        shop("decide")
        found = answer.result(30)
    assert (found.status_code, found.json()["status"]) == (200, "approved")
    assert failures(door) == 1
