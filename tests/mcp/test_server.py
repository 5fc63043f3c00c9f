"""`hitl-mcp` itself: what it needs to start, whom it lets in, what it says when hitl is not there."""

from __future__ import annotations

import os
import subprocess
import tomllib
from typing import Any

import anyio
import httpx2
import pytest

from hitl.client.mcp import server, tools
from tests.mcp.conftest import ROOT, SERVER, http_server, over_http, over_stdio, play
from tests.mcp.test_product import TOOLS
from tests.servers import free_port

KEY = "hitl_0123456789ab_secret"
pytestmark = pytest.mark.timeout(600)


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The console script with exactly these variables of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    return subprocess.run(
        [*SERVER, *words], cwd=ROOT, env={**kept, **env}, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_console_script_is_this_server() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["hitl-mcp"] == f"{server.main.__module__}:{server.main.__name__}"


def test_its_help_names_what_it_reads() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert {"HITL_URL", "HITL_API_KEY", "--http"} <= set(done.stdout.replace("[", " ").split())


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        ((), {"HITL_API_KEY": KEY}, "HITL_URL"),
        ((), {"HITL_URL": "hitl.example.com", "HITL_API_KEY": KEY}, "HITL_URL"),
        ((), {"HITL_URL": "http://127.0.0.1:1"}, "HITL_API_KEY"),
        (("--http", "8900"), {"HITL_URL": "http://127.0.0.1:1"}, "HOST:PORT"),
        (("--http", "localhost:x"), {"HITL_URL": "http://127.0.0.1:1"}, "HOST:PORT"),
        (("--http", "localhost:99999"), {"HITL_URL": "http://127.0.0.1:1"}, "HOST:PORT"),
    ],
)
def test_without_what_it_needs_it_says_so_and_ends(words: tuple[str, ...], env: dict[str, str], said: str) -> None:
    done = run(*words, **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert KEY not in done.stderr


def test_every_tool_says_what_to_do_and_when_not_to_act() -> None:
    async def scene() -> None:
        async with over_stdio("http://127.0.0.1:1", KEY) as agent:
            listed = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
            assert listed.keys() == TOOLS
            assert all("  " not in tool.description for tool in listed.values())
            assert "Never do the action before" in listed["request_approval"].description
            assert "ONCE" in listed["take_answer"].description
            assert "Pending is not a yes" in listed["await_approval"].description
            assert listed["await_approval"].annotations.read_only_hint is True
            assert listed["request_approval"].input_schema["required"] == ["action", "args", "title", "impact"]
            for tool in listed.values():
                said = tool.input_schema["properties"]
                assert [name for name, about in said.items() if not about.get("description")] == []
            assert "pending is not a yes" in agent.client.instructions

    play(scene)


def test_when_hitl_is_down_nothing_is_approved() -> None:
    async def scene() -> None:
        async with over_stdio(f"http://127.0.0.1:{free_port()}", KEY) as agent:
            for tool in ("await_approval", "take_answer"):
                said = await agent.refused(tool, id="7")
                assert "cannot be reached" in said
                assert "do not act" in said
                assert KEY not in said

    play(scene)


def test_a_call_without_a_key_is_refused_at_the_door() -> None:
    with http_server("http://127.0.0.1:1") as address:
        answer = httpx2.post(address, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="hitl"')


def test_a_key_is_not_lent_to_other_machines() -> None:
    with http_server("http://127.0.0.1:1", key=KEY, host="0.0.0.0") as address:
        answer = httpx2.post(address, json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert answer.status_code == 401

        async def scene() -> None:
            async with over_http(address, KEY) as agent:
                assert "cannot be reached" in await agent.refused("take_answer", id="7")

        play(scene)


@pytest.mark.parametrize("named", [{"Host": "evil.example.com"}, {"Origin": "https://evil.example.com"}])
def test_no_web_page_borrows_the_key_that_is_lent(named: dict[str, str]) -> None:
    with http_server("http://127.0.0.1:1", key=KEY) as address:
        accept = {"Accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert httpx2.post(address, json=body, headers={**accept, **named}).status_code in (403, 421)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        (None, None),
        ({}, None),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer "}, None),
        ({"authorization": f"Bearer {KEY}"}, KEY),
        ({"authorization": f"bearer  {KEY} "}, KEY),
    ],
)
def test_the_callers_key_is_its_bearer_token(headers: Any, key: str | None) -> None:
    assert tools.bearer(headers) == key


class Deaf:
    """A client of a product that takes the call and does not answer."""

    waited: float | None = None

    async def __aenter__(self) -> Deaf:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def wait(self, id: str, timeout: float) -> None:
        Deaf.waited = timeout
        await anyio.sleep_forever()


@pytest.mark.parametrize(("asked", "waits"), [(600, 0.05), (-1, 0.0), (0.01, 0.01)])
def test_no_wait_is_longer_than_a_client_lets_a_tool_run(
    monkeypatch: pytest.MonkeyPatch, asked: float, waits: float
) -> None:
    monkeypatch.setattr(tools, "_LONGEST", 0.05)
    monkeypatch.setattr(tools, "_ANSWER", 0.05)
    monkeypatch.setattr(tools, "AsyncClient", lambda *words, **options: Deaf())

    class Ctx:
        headers = None

    async def scene() -> None:
        with pytest.raises(tools.ToolError, match="do not act"):
            await tools.Desk("http://127.0.0.1:1", key=KEY).await_approval(Ctx(), "7", asked)  # type: ignore[arg-type]

    play(scene)
    assert Deaf.waited == waits


def test_the_longest_wait_and_its_answer_fit_into_a_minute() -> None:
    assert tools._LONGEST <= 50
    assert tools._LONGEST + tools._ANSWER < 60


def test_the_extra_names_what_the_server_needs() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {name.split(">")[0] for name in extras["mcp"]} == {"httpx", "mcp"}
