"""How a call reaches the product: what is tried again, how long it takes, and who waits meanwhile.

The rest of the client is written as generators that yield a `Call` or a `Pause` and are sent an `Answer`. They know
neither sockets nor event loops, so that the blocking and the async client share everything but the two drivers below.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import httpx

from hitl.client.errors import ClientError, Conflict, Invalid, Throttled, Unavailable, from_problem

T = TypeVar("T")
BACKOFF = 0.25
LONGEST_BACKOFF = 10.0
# A server that wants to be left alone for longer is not waited for: the caller knows better what to do meanwhile.
LONGEST_RETRY_AFTER = 60.0
_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. `wait` is how long the server may take to answer on purpose."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is None where it is empty or is not JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


Steps = Generator[Call | Pause, Any, T]


def exchange(call: Call, *, retries: int) -> Steps[Answer]:
    """Make the call until there is an answer, at most `retries` times more than once.

    Tried again are broken connections, timeouts, 429, 502, 503, 504 and a first request that is still in flight. Raises
    the ClientError that fits what came last.
    """
    attempt = 0
    while True:
        failed: ClientError
        try:
            answer: Answer = yield call
        except httpx.RequestError as error:
            failed = _unreachable(call, error)
        else:
            if 200 <= answer.status < 300:
                return answer
            failed = from_problem(answer.status, answer.body, _retry_after(answer))
        pause = _pause(failed, attempt)
        if pause is None or attempt >= retries:
            raise failed
        yield Pause(pause)
        attempt += 1


def _unreachable(call: Call, error: httpx.RequestError) -> ClientError:
    """Only the kind of error is told: some messages of the HTTP library quote headers, and the key is in one."""
    kind = Invalid if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError) else Unavailable
    return kind(f"{call.method} {call.path}: {type(error).__name__}")


def _pause(failed: ClientError, attempt: int) -> float | None:
    """How long to wait before the next try, with full jitter; None when another try cannot help."""
    in_flight = isinstance(failed, Conflict) and failed.code == "in_flight"
    down = isinstance(failed, Unavailable) and failed.status in (0, 502, 503, 504)
    if not (in_flight or down or isinstance(failed, Throttled)):
        return None
    told = float(failed.details.get("retry_after", 0.0))
    if told > LONGEST_RETRY_AFTER:
        return None
    return told + _RANDOM.uniform(0, min(LONGEST_BACKOFF, BACKOFF * 2**attempt))


def _retry_after(answer: Answer) -> float | None:
    """How many seconds to stay away: by the header, a number or a date, or by the time the problem names. Times are
    compared with the server's own date, since the clock here may be wrong."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    named = answer.body.get("not_before") if isinstance(answer.body, dict) else None
    at, now = _moment(said) or _moment(named), _moment(answer.headers.get("date"))
    return max(0.0, (at - now).total_seconds()) if at and now else None


def _moment(text: Any) -> datetime | None:
    for read_date in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(TypeError, ValueError):
            found = read_date(text)
            return found if found.tzinfo else None
    return None


# -- the wire -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """Where the product is and who calls. The key is shown nowhere."""

    base: httpx.URL
    key: str = field(repr=False)
    timeout: float

    @classmethod
    def checked(cls, url: str | None, key: str | None, timeout: float) -> Target:
        """A target that can be called, or Invalid with what to set."""
        if not url:
            raise Invalid("no address: pass url=, or set HITL_URL", "not_configured")
        if not key:
            raise Invalid("no API key: pass key=, or set HITL_API_KEY", "not_configured")
        if not re.fullmatch(r"[!-~]+", key):
            raise Invalid("the API key holds characters that no key has", "not_configured")
        base = httpx.URL(url.rstrip("/").removesuffix("/api/v1") + "/api/v1/")
        if base.scheme not in ("http", "https") or not base.host or base.userinfo:
            raise Invalid("the address needs http:// or https:// and a host, and no password", "not_configured")
        return cls(base, key, timeout)

    def __str__(self) -> str:
        return str(self.base).removesuffix("/api/v1/")

    def options(self) -> dict[str, Any]:
        """What an httpx client of this target is made with. Redirects are not followed: the key would follow too."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json", "User-Agent": "hitl-client"}
        return {"base_url": self.base, "headers": headers, "timeout": self.timeout, "follow_redirects": False}

    def arguments(self, call: Call) -> dict[str, Any]:
        """What to call `httpx.Client.request` with; always with a timeout."""
        made: dict[str, Any] = {"method": call.method, "url": call.path, "timeout": self.timeout + call.wait}
        made["headers"] = {"Idempotency-Key": _plain(call.key)} if call.key else {}
        if call.params:
            made["params"] = call.params
        if call.body is not None:
            made["content"] = encode(call.body)
            made["headers"]["Content-Type"] = "application/json"
        return made


def _plain(key: str) -> str:
    """An idempotency key as a header can carry it: a name that a model made up may hold anything."""
    if re.fullmatch(r"[ -~]{1,200}", key):
        return key
    return f"sha256-{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()}"


def encode(value: Any) -> bytes:
    """JSON as bytes; Invalid for what is not JSON (a date, a Decimal, NaN, half a character)."""
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this is not JSON: {error}", "not_json") from error


def read(response: httpx.Response) -> Answer:
    """The answer in a response. A success that is not JSON comes from somebody else than the product."""
    body = None
    try:
        body = response.json() if response.content else None
    except ValueError:
        if response.is_success:
            raise Unavailable("what answered is not the product: its answer is not JSON", status=500) from None
    return Answer(response.status_code, body, response.headers)


class Wire:
    """Drives steps by blocking. Threads may share it."""

    def __init__(self, target: Target, transport: httpx.BaseTransport | None = None) -> None:
        self.target = target
        self.http = httpx.Client(**target.options(), transport=transport)

    def run(self, steps: Steps[T]) -> T:
        """What the steps return."""
        answer: Answer | None = None
        error: Exception | None = None
        try:
            while True:
                wanted = steps.throw(error) if error else steps.send(answer)
                answer = error = None
                if isinstance(wanted, Pause):
                    time.sleep(wanted.seconds)
                    continue
                try:
                    answer = read(self.http.request(**self.target.arguments(wanted)))
                except (httpx.RequestError, ClientError) as failed:
                    error = failed
        except StopIteration as done:
            result: T = done.value
            return result


class AsyncWire:
    """Drives steps on the running event loop."""

    def __init__(self, target: Target, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.target = target
        self.http = httpx.AsyncClient(**target.options(), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()

    async def run(self, steps: Steps[T]) -> T:
        """What the steps return."""
        answer: Answer | None = None
        error: Exception | None = None
        try:
            while True:
                wanted = steps.throw(error) if error else steps.send(answer)
                answer = error = None
                if isinstance(wanted, Pause):
                    await asyncio.sleep(wanted.seconds)
                    continue
                try:
                    answer = read(await self.http.request(**self.target.arguments(wanted)))
                except (httpx.RequestError, ClientError) as failed:
                    error = failed
        except StopIteration as done:
            result: T = done.value
            return result
