"""One running product for the whole room, and programs that work with it in processes of their own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hitl.client import Client
from tests.serving import ROOT, Product, product

PROGRAMS = ROOT / "tests" / "adapters" / "programs"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product, with worker and beat, for all tests of this room."""
    with product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="session")
def api_key(served: Product) -> str:
    """The key of alice's agent. It may do everything but decide."""
    return served.key(agent="adapters")


@pytest.fixture
def client(served: Product, api_key: str) -> Iterator[Client]:
    """The client of this process."""
    with Client(served.url, api_key) as made:
        yield made


class Programs:
    """Programs that agents run in: each call is a process that ends, and leaves only what it stored."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = {**os.environ, **env, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::DeprecationWarning"}

    def start(self, name: str, *words: str, **env: str) -> subprocess.Popen[str]:
        """Begin one; it goes on when it is sent a line, if it waits for one."""
        command = [sys.executable, str(PROGRAMS / name), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, env={**self.env, **env}, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def end(self, process: subprocess.Popen[str]) -> Any:
        """What it printed last, as JSON; a failure is a failed test."""
        out, err = process.communicate("\n", timeout=120)
        assert process.returncode == 0, err[-4000:]
        return json.loads(out.splitlines()[-1])

    def run(self, name: str, *words: str, **env: str) -> Any:
        """Run one to its end."""
        return self.end(self.start(name, *words, **env))

    def at_once(self, name: str, *calls: tuple[str, ...], **env: str) -> list[Any]:
        """Several that are released together when all of them have loaded what they need."""
        started = [self.start(name, *words, HOLD="1", **env) for words in calls]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "ready", process.communicate()[1][-4000:]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return [self.end(process) for process in started]


@pytest.fixture(scope="session")
def programs(served: Product, api_key: str) -> Programs:
    """Run the programs of this room against the product."""
    return Programs({"HITL_URL": served.url, "HITL_API_KEY": api_key})


@pytest.fixture
def effects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The lines that tools left in the test's own folder, one for each time they ran, here or in a program."""
    from tests.adapters.programs import langgraph_agent, pydantic_agent

    for program in (langgraph_agent, pydantic_agent):
        monkeypatch.setattr(program, "FOLDER", str(tmp_path))

    def read() -> list[str]:
        file = tmp_path / "effects"
        return file.read_text().splitlines() if file.exists() else []

    return read


@pytest.fixture
def graphs(tmp_path: Path, effects: Any) -> Iterator[Callable[[str], Any]]:
    """LangGraph's graphs of this process over threads in the test's folder, each made anew as after a restart."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    from tests.adapters.programs import langgraph_agent

    connections = []

    def make(shape: str) -> Any:
        connections.append(sqlite3.connect(tmp_path / "threads.sqlite3", check_same_thread=False))
        return langgraph_agent.make(shape, SqliteSaver(connections[-1]))

    yield make
    for connection in connections:
        connection.close()
