"""`hitl-mcp`: the server process, over stdio or streamable HTTP."""

from __future__ import annotations

import argparse
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from importlib.metadata import version
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from hitl.client.mcp import words
from hitl.client.mcp.tools import Desk, bearer, configured

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Send], Awaitable[None]]

# The SDK guards exactly these against pages that rebind a host name; only there a key may be lent to callers.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HELP = """Human approvals for agents that speak MCP.

environment:
  HITL_URL      where hitl is, such as https://hitl.example.com
  HITL_API_KEY  the agent's key, with the scopes approvals:request and approvals:read

With --http each caller sends its own key (Authorization: Bearer hitl_…); HITL_API_KEY is then lent to callers without
one only when HOST is 127.0.0.1, localhost or ::1."""


def build(url: str, *, key: str | None) -> MCPServer[Any]:
    """The server with its tools, for hitl at `url`; `key` is for callers who bring none."""
    desk = Desk(url, key=key)
    server: MCPServer[Any] = MCPServer(
        "hitl", instructions=words.INSTRUCTIONS, version=version("hitl-django"), log_level="WARNING"
    )
    asks = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=True)
    reads = ToolAnnotations(read_only_hint=True, open_world_hint=True)
    for tool in desk.tools():
        hints = reads if tool == desk.await_approval else asks
        server.add_tool(tool, description=inspect.getdoc(tool), annotations=hints)
    return server


def http_app(server: MCPServer[Any], *, host: str, lends_key: bool) -> App:
    """The same over HTTP at `/mcp`. It keeps no sessions, so any process may answer any call."""
    inner: App = server.streamable_http_app(host=host, stateless_http=True, json_response=True)
    if lends_key:
        return inner

    async def guarded(scope: Scope, receive: Any, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", [])}
        if scope["type"] != "http" or bearer(headers):
            await inner(scope, receive, send)
            return
        told = [(b"www-authenticate", b'Bearer realm="hitl"'), (b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 401, "headers": told})
        await send({"type": "http.response.body", "body": words.NO_KEY.encode()})

    return guarded


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Exit code 2 where something is missing; else it serves until it is stopped."""
    parser = argparse.ArgumentParser("hitl-mcp", description=_HELP, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--http", metavar="HOST:PORT", help="serve streamable HTTP at /mcp instead of stdio")
    parser.add_argument("--version", action="version", version=version("hitl-django"))
    given = parser.parse_args(argv)
    url, key = configured()
    if not url.startswith(("http://", "https://")):
        parser.error("HITL_URL is not set to the address of hitl, such as https://hitl.example.com")
    if given.http:
        host, port = _address(given.http, parser)
        lent = key if host in _LOOPBACK else None
        _serve(http_app(build(url, key=lent), host=host, lends_key=lent is not None), host, port)
    elif key is None:
        parser.error("HITL_API_KEY is not set: an agent comes in with a key of its own")
    else:
        build(url, key=key).run("stdio")
    return 0


def _address(text: str, parser: argparse.ArgumentParser) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        parser.error(f"--http takes HOST:PORT, such as 127.0.0.1:8900, not {text!r}")
    return host.strip("[]"), int(port)


def _serve(app: App, host: str, port: int) -> None:
    import uvicorn

    logging.getLogger("hitl").info("serving MCP on %s:%s", host, port)
    print(f"hitl-mcp: http://{host}:{port}/mcp", file=sys.stderr, flush=True)
    uvicorn.run(app, host=host, port=port, log_level="warning")


if __name__ == "__main__":
    sys.exit(main())
