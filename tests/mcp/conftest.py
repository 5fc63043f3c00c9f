"""The reference SDK's client, a real `hitl-mcp` process, and the real product behind it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.servers import free_port, wait_for_port
from tests.serving import Product, product

SERVER = [sys.executable, "-W", "error", "-m", "hitl.client.mcp.server"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def served() -> Iterator[Product]:
    """The product, started once for all tests of this room."""
    with tempfile.TemporaryDirectory(prefix="hitl-mcp-") as folder, product(Path(folder)) as made:
        yield made


@pytest.fixture(scope="session")
def key(served: Product) -> str:
    """An agent's key that may ask by any policy."""
    return served.key("approvals:request", "approvals:read")


@pytest.fixture(scope="session")
def other_key(served: Product) -> str:
    """Another agent's."""
    return served.key("approvals:request", "approvals:read", agent="other")


class Agent:
    """A model's side: it calls tools and reads what they say."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **args: Any) -> dict[str, Any]:
        """What a tool answers; a tool that fails is a failed test."""
        result = await self.client.call_tool(tool, args)
        assert not result.is_error, result.content
        answer: dict[str, Any] = result.structured_content
        return answer

    async def refused(self, tool: str, **args: Any) -> str:
        """The words of a tool that fails."""
        result = await self.client.call_tool(tool, args)
        assert result.is_error, result.structured_content
        return str(result.content[0].text)

    async def ask(self, *, policy: str = "refunds", amount: int = 900, **more: Any) -> dict[str, Any]:
        """Ask to refund."""
        args = {"order": "A1", "amount": amount}
        said = {"title": f"Refund {amount} to A1", "impact": "Money leaves", **more}
        return await self.call("request_approval", action="refund", args=args, policy=policy, **said)

    async def ended(self, id: str) -> dict[str, Any]:
        """Wait in bounded calls, as a model does, until it is no longer pending."""
        for _ in range(100):
            told = await self.call("await_approval", id=id, seconds=5)
            if told["status"] != "pending":
                return told
        raise AssertionError(f"request {id} is still pending")


@asynccontextmanager
async def over_stdio(url: str, key: str, *, mode: Any = "auto") -> AsyncIterator[Agent]:
    """An agent whose client started `hitl-mcp` itself."""
    env = {"HITL_URL": url, "HITL_API_KEY": key}
    started = StdioServerParameters(command=SERVER[0], args=SERVER[1:], env=env, cwd=ROOT)
    async with Client(started, mode=mode, read_timeout_seconds=90) as client:
        yield Agent(client)


@asynccontextmanager
async def over_http(address: str, key: str = "", *, mode: Any = "auto") -> AsyncIterator[Agent]:
    """An agent that calls a `hitl-mcp` which runs already, with a key of its own or with none."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http,
        Client(streamable_http_client(address, http_client=http), mode=mode, read_timeout_seconds=90) as client,
    ):
        yield Agent(client)


@contextmanager
def http_server(url: str, *, key: str = "", host: str = "127.0.0.1") -> Iterator[str]:
    """A `hitl-mcp --http` process; yields the address clients use."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    env |= {"HITL_URL": url} | ({"HITL_API_KEY": key} if key else {})
    process = subprocess.Popen([*SERVER, "--http", f"{host}:{port}"], env=env, cwd=ROOT)
    try:
        wait_for_port(port, 60)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene to its end."""
    asyncio.run(scene())  # type: ignore[arg-type]
