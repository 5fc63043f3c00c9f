"""One HTTP exchange as ASGI has it: its body, its answer, and whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import IO, Any, TypeVar

from hitl.longpoll.asking import Answer, Scope, spool

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Value = TypeVar("Value")


class Gone(Exception):
    """The client has hung up: nobody is to be answered."""


_MOST_BYTES = 4 * 1024 * 1024


class Exchange:
    """Between one client and us. `close` it in the end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive, self._send = receive, send
        self._gone: asyncio.Task[None] | None = None

    async def body(self) -> IO[bytes]:
        """The whole body, to be read from its beginning; raises Gone. From now on it is heard when the client goes."""
        kept = spool()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            if (
                kept.tell() <= _MOST_BYTES
            ):  # what is beyond is read and dropped: Django refuses what it has seen by then
                kept.write(message.get("body", b""))
            more = message.get("more_body", False)
        kept.seek(0)
        self._gone = asyncio.create_task(self._until_gone())
        return kept

    async def result(self, awaited: Awaitable[Value], *, seconds: float | None = None) -> Value | None:
        """What is awaited, or None when the time is up; raises Gone at once when the client goes, and gives it
        up."""
        assert self._gone is not None
        future: asyncio.Future[Value] = asyncio.ensure_future(awaited)
        either: set[asyncio.Future[Any]] = {future, self._gone}
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._gone.done():
            future.cancel()
            raise Gone
        return future.result() if future.done() else None

    async def answer(self, answer: Answer) -> None:
        """The whole answer."""
        await self.begin(answer.status, *answer.headers)
        await self._send({"type": "http.response.body", "body": answer.body})

    async def begin(self, status: int, *headers: tuple[bytes, bytes]) -> None:
        """The head of an answer that comes in pieces."""
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def piece(self, data: bytes) -> None:
        """A piece of it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """No more pieces."""
        await self._send({"type": "http.response.body", "body": b""})

    def close(self) -> None:
        """Stop listening."""
        if self._gone is not None:
            self._gone.cancel()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
