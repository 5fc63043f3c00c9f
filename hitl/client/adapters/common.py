"""What the adapters share: how they ask, how they take what came of it, and the words for a model where there are none.

Nothing here approves: an outcome that is missing, empty or strange reads as a refusal.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from hitl.client.errors import ClientError, Invalid, NotFound
from hitl.client.values import Outcome, Request

RESUME_LIMIT = 256 * 1024  # bytes of resume data the product keeps with a request
_REPORTED = 32 * 1024  # characters of an output
_ONLY_ACTIONS = (
    "impact", "target", "reversible", "editable", "args_schema", "execute_within", "report_within", "phrase",
)  # fmt: skip
_NOTICES = {
    "rejected": "A person refused this. It was not done. Do not try it again.",
    "expired": "Nobody decided about this in time. It was not done, and nobody refused it either.",
    "revision_requested": "A person wants this done differently. It was not done.",
}


def key(*parts: Any) -> str:
    """An idempotency key or batch id of these parts: the same parts, the same key, and never too long."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def notice(outcome: Outcome) -> str:
    """What to tell the model of an outcome. Never empty, since frameworks make up their own words for nothing."""
    if outcome.notice:
        return outcome.notice
    return _NOTICES.get(
        outcome.status, "There is no decision about this. It was not done, and nobody refused it either."
    )


def in_words(answer: Any) -> str:
    """A person's answer as text for a model."""
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def jsonable(value: Any) -> Any:
    """The value as JSON has it; what JSON cannot say is told by its repr."""
    return json.loads(json.dumps(value, default=repr))


def reportable(output: Any) -> Any:
    """An output as people read it in a report: JSON, and of a long one the beginning."""
    told = jsonable(output)
    text = json.dumps(told, ensure_ascii=False)
    return told if len(text) <= _REPORTED else f"{text[:_REPORTED]} (cut)"


def check_size(resume_data: Any, what: str) -> None:
    """Raise Invalid when the product would not keep these resume data; `what` says what they are and what to do."""
    size = len(json.dumps(resume_data).encode())
    if size > RESUME_LIMIT:
        raise Invalid(f"{what} ({size} bytes; the product keeps {RESUME_LIMIT})", "too_large")


@dataclass(frozen=True)
class Asking:
    """What is said with every request (`options`) and with those for one action (`actions`, by its type)."""

    options: Mapping[str, Any] = field(default_factory=dict)
    actions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def approval(self, name: str, args: Mapping[str, Any], **said: Any) -> dict[str, Any]:
        """The keywords of `request_approval` for this action; what is said of the action wins."""
        words = {"title": _call(name, args), "impact": f"The agent runs {name}."}
        return {**words, **self.options, **said, **self.actions.get(name, {})}

    def question(self, name: str = "", **said: Any) -> dict[str, Any]:
        """The keywords of `ask_question`: as above, without what only actions have."""
        merged = {**self.options, **said, **self.actions.get(name, {})}
        return {option: value for option, value in merged.items() if option not in _ONLY_ACTIONS}


def _call(name: str, args: Mapping[str, Any]) -> str:
    words = f"{name}({', '.join(f'{arg}={json.dumps(value, default=str)}' for arg, value in args.items())})"
    return words if len(words) <= 120 else f"{words[:117]}..."


# -- one flow for blocking and asyncio callers -------------------------------------------------------

T = TypeVar("T")


@dataclass(frozen=True)
class Do:
    """One call that a flow asks its driver for; `other` is what an asyncio driver calls instead."""

    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)
    other: Callable[..., Any] | None = None


Flow = Generator[Do, Any, T]


def run(flow: Flow[T]) -> T:
    """Drive a flow, blocking."""
    try:
        do = next(flow)
        while True:
            try:
                got = do.call(*do.args, **do.named)
                if inspect.iscoroutine(got):
                    got.close()
                    raise ClientError("an AsyncClient was given; call the method that is awaited")
            except Exception as error:
                do = flow.throw(error)
            else:
                do = flow.send(got)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def arun(flow: Flow[T]) -> T:
    """Drive a flow in an event loop. A blocking client works in a thread."""
    try:
        do = next(flow)
        while True:
            try:
                got = await acall(do.other or do.call, *do.args, **do.named)
            except Exception as error:
                do = flow.throw(error)
            else:
                do = flow.send(got)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def acall(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call a method of a Client or of an AsyncClient without blocking the event loop. What is iterated is a list."""
    if inspect.iscoroutinefunction(call):
        return await call(*args, **named)
    if inspect.isasyncgenfunction(call):
        return [item async for item in call(*args, **named)]
    got = await asyncio.to_thread(_collected, call, *args, **named)
    return await got if inspect.isawaitable(got) else got


def _collected(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    got = call(*args, **named)
    return list(got) if hasattr(got, "__next__") else got


# -- finding what was asked --------------------------------------------------------------------------

_SEARCHED = 200  # requests looked at for one batch


def is_open(request: Request) -> bool:
    """Whether there is nothing to act on yet: it is undecided, or another request of its batch is."""
    return request.pending or request.outcome is None


def undecided(requests: Sequence[Request]) -> tuple[Request, ...]:
    """Those a person has still to decide; all open ones where only their batch is not complete."""
    found = tuple(request for request in requests if request.status == "pending")
    return found or tuple(request for request in requests if is_open(request))


def find_batch(client: Any, batch: str, size: int) -> Flow[list[Request]]:
    """The requests of a batch by the `position` in their resume data, each in its newest revision.

    Rows of a list tell neither, so that each is read. Raises NotFound for a batch that is not complete.
    """
    found: dict[int, Request] = {}
    for listed in (yield Do(_newest, (client, batch), other=_anewest)):
        seen: Request = yield Do(client.get, (listed.id,))
        kept = seen.data.get("resume_data")
        if isinstance(kept, dict) and (seen.data.get("batch") or {}).get("id") == batch and seen.status != "superseded":
            found.setdefault(int(kept["position"]), seen)
        if len(found) == size:
            return [found[position] for position in sorted(found)]
    raise NotFound(f"{len(found)} of the {size} requests of a turn are there", "not_found")


def _newest(client: Any, batch: str) -> list[Request]:
    return list(islice(client.requests(batch=batch), _SEARCHED))


async def _anewest(client: Any, batch: str) -> list[Request]:
    if not inspect.isasyncgenfunction(client.requests):
        return await asyncio.to_thread(_newest, client, batch)
    found: list[Request] = []
    async for request in client.requests(batch=batch):
        found.append(request)
        if len(found) == _SEARCHED:
            break
    return found
