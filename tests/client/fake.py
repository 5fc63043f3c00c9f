"""A product in a few lines: it answers what it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from hitl.client import Client

KEY = "hitl_prefix_geheim"
Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(status: int, body: Any = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=b"" if body is None else json.dumps(body).encode())


def problem(status: int, code: str, **more: Any) -> httpx.Response:
    body = {"type": f"urn:hitl:problem:{code}", "title": code, "status": status, "code": code, "detail": f"no: {code}"}
    return answer(status, body | more)


def request(status: str = "pending", **more: Any) -> dict[str, Any]:
    """A request as the product shows it."""
    return {"id": "r1", "status": status, "kind": "approval", "title": "Refund", "outcome": None, **more}


def outcome(verdict: str | None, *, approved: bool = False, **more: Any) -> dict[str, Any]:
    """What came of it."""
    shape = {"action_type": "", "args": None, "changes": [], "comment": "", "response": None, "by": [], "via": ""}
    return {"verdict": verdict, "approved": approved, **shape, "notice": "", **more}


@dataclass
class Fake:
    """Answers in the order of `replies`; the last one is given again and again."""

    replies: list[Reply]
    seen: list[httpx.Request] = field(default_factory=list)

    def __call__(self, asked: httpx.Request) -> httpx.Response:
        self.seen.append(asked)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply(asked) if callable(reply) else httpx.Response(reply.status_code, **_copied(reply))

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    def client(self, **options: Any) -> Client:
        return Client("https://hitl.example.com", KEY, transport=self.transport, **options)

    def said(self) -> list[str]:
        return [f"{one.method} {one.url.path.removeprefix('/api/v1')}" for one in self.seen]


def _copied(reply: httpx.Response) -> dict[str, Any]:
    return {"headers": reply.headers, "content": reply.content}
