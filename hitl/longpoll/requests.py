"""Which requests wait: those with `?wait=` or for `text/event-stream`, where there is something to wait for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode

from hitl.longpoll.asking import Scope
from hitl.longpoll.waits import Wait, kind_of

LONGEST = 60.0
_LARGEST_BODY = 64 * 1024
_LISTENS = "text/event-stream"


@dataclass(frozen=True)
class Asked:
    """A request that waits, for so many seconds; None: as long as there is something to tell."""

    wait: Wait
    seconds: float | None
    query: dict[str, str]
    body: bytes

    def changes(self) -> dict[str, Any]:
        """What Django is asked instead: the same without the wait, and for JSON."""
        query = urlencode({**self.query, **(self.wait.asks() if self.seconds is None else {})})
        return {"QUERY_STRING": query, "HTTP_ACCEPT": "application/json"}


def read(scope: Scope, body: IO[bytes]) -> Asked | None:
    """The wait a request asks for; None for every other request, also where the wait is none that Django would allow:
    then it is Django that says so. The body can be read again."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    listens = _LISTENS in headers.get("accept", "")
    seconds = _seconds(query.pop("wait", ""))
    if not (listens or seconds):
        return None
    found = kind_of(scope["method"], scope["path"].removeprefix(scope.get("root_path", "")))
    if found is None or not (seconds or found[0].streams):
        return None
    given = body.read(_LARGEST_BODY + 1)
    body.seek(0)
    if len(given) > _LARGEST_BODY:
        return None
    kind, kwargs = found
    if listens and kind.streams:
        last = headers.get("last-event-id", "")
        if last:
            query["after"] = last
        seconds = None
    return Asked(kind(kwargs, query, _json(given)), seconds, query, given)


def _seconds(text: str) -> float | None:
    """How long; None for no wait and for what is none."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 < seconds <= LONGEST else None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
