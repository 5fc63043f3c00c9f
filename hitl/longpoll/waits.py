"""What can be waited for: which topics it watches, when an answer is the last one, and what is told on the way.

Django's answer says where the thing stands; the poller says where it stands now; whoever waits is woken where the two
differ. So nothing is missed between the answer and the first look.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import Resolver404, resolve

from hitl.definition.specs import EXTERNAL
from hitl.longpoll.asking import Answer
from hitl.longpoll.looks import Topic
from hitl.states import RUN_ENDS, ApprovalStatus

_MOST_QUEUES = 20


class Wait:
    """One request that waits. Made of where it leads, its query and its body."""

    method = "GET"
    streams = True
    topics: tuple[Topic, ...] = ()

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        self._known: Any = None
        self._woken: Any = None
        self._told: Any = None

    def over(self, answer: Answer) -> bool:
        """Whether this answer is what was waited for; so is every refusal. Remembers where the thing stands."""
        raise NotImplementedError

    def ended(self, answer: Answer) -> bool:
        """Whether a client that listens has heard all there will be."""
        return self.over(answer)

    def asks(self) -> dict[str, str]:
        """What the next question to Django says beside the client's own query."""
        return {}

    def differs(self, value: Any) -> bool:
        """Whether this value is news."""
        raise NotImplementedError

    def woken(self, value: Any) -> None:
        """The value that was news."""
        self._woken = value

    def pieces(self, answer: Answer) -> Iterator[bytes]:
        """What a client that listens is told of an answer: as server-sent events. Nothing, where nothing moved."""
        if self._known != self._told:
            self._told = self._known
            yield event(type(self).__name__.lower(), answer.data)


class Approval(Wait):
    """One request, until it is no longer pending and, in a batch released as a whole, all of them have an end. Who
    asked is answered with its newest revision, so that one is waited for."""

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        super().__init__(kwargs, query, body)
        self.topics = (("approval", kwargs["pk"]),)

    def over(self, answer: Answer) -> bool:
        """Whether it has an end that may be told."""
        status, batch = answer.data.get("status"), answer.data.get("batch")
        closed = isinstance(batch, dict) and batch.get("release") == "all" and not batch.get("released")
        if answer.status == 200:
            self.topics = (("approval", UUID(answer.data["id"])),)
        self._known = (status, status != ApprovalStatus.PENDING and not closed)
        return answer.status != 200 or bool(self._known[1])

    def differs(self, value: Any) -> bool:
        """Whether it has moved; a look may take a batch for complete that is not, and is believed once."""
        return bool(value[:2] != self._known and value != self._woken)


class Run(Wait):
    """One run, until it has ended; a client that listens is told every status."""

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        super().__init__(kwargs, query, body)
        self.topics = (("run", kwargs["pk"]),)

    def over(self, answer: Answer) -> bool:
        """Whether it has ended."""
        self._known = answer.data.get("status")
        return answer.status != 200 or self._known in RUN_ENDS

    def differs(self, value: Any) -> bool:
        """Whether it has another status."""
        return bool(value != self._known)


class Event(Wait):
    """What a run published under a key, until it is there, or newer than the client's `?after=` or `If-None-Match`."""

    streams = False

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        super().__init__(kwargs, query, body)
        # No key has a NUL, and PostgreSQL would refuse the look of everybody for one.
        self.topics = (("event", (kwargs["pk"], kwargs["key"])),) if "\0" not in kwargs["key"] else ()
        self._after = _time(query.get("after"))
        self._known = self._after

    def over(self, answer: Answer) -> bool:
        """Whether there is one that the client has not."""
        if answer.status == 200:
            self._known = _time(answer.data.get("at"))
        return answer.status not in (200, 304, 404) or (answer.status == 200 and self._known != self._after)

    def differs(self, value: Any) -> bool:
        """Whether it was published since."""
        return value is not None and value != self._known and value != self._woken


class Stream(Wait):
    """A run's output, until there is a piece after the client's last, or the run has ended."""

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        super().__init__(kwargs, query, body)
        self.topics = (("stream", kwargs["pk"]),)
        self._after = query.get("after", "0")
        self._woken = (0, None)

    def over(self, answer: Answer) -> bool:
        """Whether there is something, or will be nothing more."""
        self._after = str(answer.data.get("after", self._after))
        return answer.status != 200 or bool(answer.data.get("results")) or self._woken[1] is not None

    def ended(self, answer: Answer) -> bool:
        """Whether the run has ended and this was read after that, and is empty."""
        return self.over(answer) and not answer.data.get("results")

    def asks(self) -> dict[str, str]:
        """After the last piece that was told."""
        return {"after": self._after}

    def differs(self, value: Any) -> bool:
        """Whether there is a newer piece, or no more will come."""
        return bool(value[0] > int(self._after) or value[1] is not None)

    def pieces(self, answer: Answer) -> Iterator[bytes]:
        """Each piece, under its number: a client that comes again names the last one it has."""
        for piece in answer.data.get("results", ()):
            yield event("chunk", piece, number=piece["id"])


class Claim(Wait):
    """A worker asking for a step of its queues, until one is ready."""

    method = "POST"
    streams = False

    def __init__(self, kwargs: Mapping[str, Any], query: Mapping[str, str], body: Any) -> None:
        super().__init__(kwargs, query, body)
        named = body.get("queues") if isinstance(body, dict) else None
        queues = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        self.topics = tuple(("queue", f"{EXTERNAL}{name}") for name in dict.fromkeys(queues[:_MOST_QUEUES]))

    def over(self, answer: Answer) -> bool:
        """Whether there is a step, or the worker is refused."""
        return answer.status != 204

    def differs(self, value: Any) -> bool:
        """Steps are offered one by one, never told to all."""
        return False


_KINDS: dict[str, type[Wait]] = {
    "api-approval": Approval,
    "api-run": Run,
    "api-event": Event,
    "api-stream": Stream,
    "api-claim-step": Claim,
}


def kind_of(method: str, path: str) -> tuple[type[Wait], Mapping[str, Any]] | None:
    """What a request would wait for, and the parts of its address; None for what cannot be waited for."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    kind = _KINDS.get(match.url_name or "")
    return None if kind is None or kind.method != method else (kind, match.kwargs)


def event(name: str, data: Any, *, number: Any = None) -> bytes:
    """One server-sent event."""
    lines = [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}"]
    if number is not None:
        lines.insert(0, f"id: {number}")
    return ("\n".join(lines) + "\n\n").encode()


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace(" ", "+"))  # a plus sign that was not encoded
    except ValueError:
        return None
