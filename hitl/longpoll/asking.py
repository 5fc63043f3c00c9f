"""Asking Django itself: the same middleware and views as under a WSGI server, in a few threads.

Connections are Django's own business: it gives them back, or keeps them for the thread, when a request has ended.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from typing import IO, Any

Scope = Mapping[str, Any]
Wsgi = Callable[..., Any]
THREADS = 4
# Says to the views that this request was let in before, and only looks again what has become of it.
AGAIN = "hitl.again"
_SPOOLED = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """A whole answer, as Django gave it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def says(self, name: bytes) -> bytes:
        """The value of a header; empty where it is not there."""
        return next((value for found, value in self.headers if found == name), b"")

    @cached_property
    def data(self) -> dict[str, Any]:
        """The JSON object it holds; empty where it holds something else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Urgency(IntEnum):
    """Who is asked for first when many are to be: a decision must not wait behind a thousand whose time is up."""

    MOVED = 0
    NEW = 1
    TIME_UP = 2


class _Turns:
    """So many at a time, the most urgent first, then in the order they came."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = count()

    async def take(self, urgency: Urgency) -> None:
        """Return when it is one's turn."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._queue, (urgency, next(self._count), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came, and nobody is there to use it
                self.give()
            raise

    def give(self) -> None:
        """The turn of the next."""
        while self._queue:
            turn = heappop(self._queue)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Django:
    """Django's WSGI application behind a pool of threads."""

    def __init__(self, application: Wsgi) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hitl-ask")
        self._turns = _Turns(THREADS)

    async def ask(self, scope: Scope, body: IO[bytes], *, urgency: Urgency = Urgency.NEW, **changes: Any) -> Answer:
        """What Django answers; `changes` are made to the WSGI environment, and None leaves something out. Cancelled
        before a thread was free, it is never asked."""
        length = body.seek(0, io.SEEK_END)  # a body in chunks has no header that says so
        body.seek(0)
        changed = {**environment(scope), "CONTENT_LENGTH": str(length), "wsgi.input": body, **changes}
        environ = {name: value for name, value in changed.items() if value is not None}
        await self._turns.take(urgency)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, environ)
        finally:
            self._turns.give()

    def _call(self, environ: dict[str, Any]) -> Answer:
        head: list[Any] = []
        chunks: Iterable[bytes] = self._application(environ, lambda status, headers, *_: head.extend([status, headers]))
        try:
            body = b"".join(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:  # ends the request: its connection is looked after there
                close()
        status, headers = head
        # A server of ASGI refuses the space before the value that Django writes into Set-Cookie.
        named = tuple((name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers)
        return Answer(int(status.split()[0]), named, body)


def spool() -> IO[bytes]:
    """Where a body is kept until Django reads it: in memory while it is small."""
    return tempfile.SpooledTemporaryFile(_SPOOLED)


def environment(scope: Scope) -> dict[str, Any]:
    """The WSGI environment of an ASGI request, without its body."""
    root = scope.get("root_path", "")
    server, client = scope.get("server") or ("localhost", 80), scope.get("client") or ("", 0)
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _latin(root),
        "PATH_INFO": _latin(scope["path"].removeprefix(root)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **{name: value for name, value in _headers(scope["headers"]).items() if name != "HTTP_TRANSFER_ENCODING"},
    }


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _named(headers):
        joint = "; " if name == "HTTP_COOKIE" else ","
        found[name] = f"{found[name]}{joint}{value}" if name in found else value
    return found


def _named(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    for raw, value in headers:
        name = raw.decode("latin-1")
        if "_" in name:
            continue  # it would look like the header with a dash, which a proxy may have checked
        name = name.upper().replace("-", "_")
        plain = name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        yield (name if plain else f"HTTP_{name}"), value.decode("latin-1")


def _latin(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
