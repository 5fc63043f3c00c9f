"""The ASGI application: who waits is a future here; everything else is Django's.

A request is asked of Django at once and without its wait: that authenticates, authorises, throttles and shapes. If that
answer is not the last one, it is asked again when something has moved, or when the time is up.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import signal
import threading
from collections import Counter
from typing import Any

from hitl.conf import conf
from hitl.longpoll.asking import AGAIN, Answer, Django, Scope, Urgency, Wsgi
from hitl.longpoll.exchange import Exchange, Gone, Receive, Send
from hitl.longpoll.poller import CLOSING, Poller
from hitl.longpoll.requests import Asked, read
from hitl.longpoll.waits import Wait, event

_COMMENT_EVERY = 15.0
_COMMENTS = 4  # then Django is asked again, whatever has moved: the key may have been revoked
_EVENTS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Door:
    """Holds who waits; `close` answers everybody with what was known last."""

    def __init__(self, django: Django, poller: Poller) -> None:
        self._django, self._poller = django, poller
        self._held: Counter[bytes] = Counter()  # by who waits: no one of them takes more than half of the places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's exchange, or the life of the process."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._exchange(Exchange(scope, receive, send))

    def close(self) -> None:
        """Let everybody go: the process is about to end."""
        self._poller.close()

    async def _exchange(self, exchange: Exchange) -> None:
        try:
            body = await exchange.body()
            asked = read(exchange.scope, body)
            if asked is None:
                answer = await exchange.result(self._django.ask(exchange.scope, body))
                assert answer is not None
                await exchange.answer(answer)
            elif self._is_full(exchange.scope):
                await exchange.answer(_unavailable("Too many clients wait here already."))
            else:
                await self._hold(exchange, asked)
        except Gone:
            pass
        finally:
            exchange.close()

    async def _hold(self, exchange: Exchange, asked: Asked) -> None:
        who = _credential(exchange.scope)
        self._held[who] += 1
        try:
            if asked.seconds is None:
                await self._listen(exchange, asked)
            else:
                await self._answer(exchange, asked, asked.seconds)
        finally:
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]

    def _is_full(self, scope: Scope) -> bool:
        most: int = conf.MAX_WAITERS
        return self._held.total() >= most or self._held[_credential(scope)] >= max(1, most // 2)

    async def _answer(self, exchange: Exchange, asked: Asked, seconds: float) -> None:
        """One answer, as soon as it is the one waited for; at the latest when the time is up."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        answer = await self._ask(exchange, asked)
        while not asked.wait.over(answer) and (left := until - clock()) > 0:
            value = await self._moved(exchange, asked.wait, left)
            if value is CLOSING:
                break
            answer = await self._ask(exchange, asked, Urgency.TIME_UP if value is None else Urgency.MOVED)
        await exchange.answer(answer)

    async def _listen(self, exchange: Exchange, asked: Asked) -> None:
        """Every answer that says something new, as server-sent events, until there will be no more."""
        answer = await self._ask(exchange, asked)
        if answer.status != 200:
            await exchange.answer(answer)
            return
        await exchange.begin(200, *_EVENTS)
        while answer.status == 200:
            ended = asked.wait.ended(answer)
            for piece in asked.wait.pieces(answer):
                await exchange.piece(piece)
            if ended:
                await exchange.piece(event("end", {}))
                break
            value = await self._quiet(exchange, asked.wait)
            if value is CLOSING:
                break
            answer = await self._ask(exchange, asked, Urgency.TIME_UP if value is None else Urgency.MOVED)
        await exchange.end()

    async def _quiet(self, exchange: Exchange, wait: Wait) -> Any:
        """Wait with a comment now and then, so that nobody on the way takes the connection for dead."""
        for _ in range(_COMMENTS):
            value = await self._moved(exchange, wait, _COMMENT_EVERY)
            if value is not None:
                return value
            await exchange.piece(b": waiting\n\n")
        return None

    async def _moved(self, exchange: Exchange, wait: Wait, seconds: float) -> Any:
        """What has moved, CLOSING, or None when the time is up."""
        with self._poller.waiting(wait.topics, wait.differs) as future:
            value = await exchange.result(future, seconds=seconds)
        if value is not None:
            wait.woken(value)
        return value

    async def _ask(self, exchange: Exchange, asked: Asked, urgency: Urgency = Urgency.NEW) -> Answer:
        again = urgency is not Urgency.NEW
        changes: dict[str, Any] = asked.changes() | {"urgency": urgency} | ({AGAIN: True} if again else {})
        answer = await exchange.result(self._django.ask(exchange.scope, io.BytesIO(asked.body), **changes))
        assert answer is not None
        if answer.status >= 500 and self._poller.failures:
            return _unavailable("The database does not answer just now.")
        return answer

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._hear()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _hear(self) -> None:
        """A server that is told to stop waits for its exchanges to end before it says so; so the signal is heard here
        too."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            servers = signal.getsignal(number)

            def stop(number: int, frame: Any, servers: Any = servers) -> None:
                loop.call_soon_threadsafe(self.close)
                if callable(servers):
                    servers(number, frame)

            signal.signal(number, stop)


def _credential(scope: Scope) -> bytes:
    """What tells those who wait apart: the key or the session they come with, as a hash."""
    said = [value for name, value in scope["headers"] if name in (b"authorization", b"cookie", b"x-api-key")]
    return hashlib.sha256(b"\n".join(said)).digest()


def make(application: Wsgi) -> Door:
    """The door of Django's WSGI application."""
    return Door(Django(application), Poller())


def _unavailable(detail: str) -> Answer:
    """Come again: in a problem document, like every refusal of the API."""
    problem = {"type": "urn:hitl:problem:unavailable", "title": "unavailable", "status": 503, "code": "unavailable"}
    body = json.dumps({**problem, "detail": detail}).encode()
    headers = ((b"content-type", b"application/problem+json"), (b"retry-after", b"5"))
    return Answer(503, (*headers, (b"content-length", str(len(body)).encode())), body)
