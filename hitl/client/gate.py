"""`@client.gate`: a function that asks a person first."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any, TypeVar

from hitl.client.calls import Calls, action_body
from hitl.client.errors import AlreadyConsumed, ClientError, Conflict, Invalid, NotApproved, Pending
from hitl.client.transport import AsyncWire, Pause, Steps, Wire, encode
from hitl.client.values import Grant, Request

R = TypeVar("R")
log = logging.getLogger("hitl.client")
NOT_NOW = ("too_early", "frozen")
_LONGEST_PAUSE = 30.0
_TEXT = 2000


class Gate:
    """One gated function: what it asks, and what it may run with.

    People are shown the arguments by name, so `*args`, `**kwargs` and positional-only arguments are refused with
    TypeError when the function is decorated, and arguments that are not JSON with Invalid when it is called. The
    function gets the approved arguments as JSON has them, a reviewer's edits included. A call takes `once=`: calls with
    the same arguments and the same `once` are one request, which only one of them runs; the others get AlreadyConsumed.

    Not a yes: Rejected, Expired, Cancelled or RevisionRequested. `durable=True` raises Pending while nobody has
    decided; the same call made later, also by another process, goes on from there.
    """

    def __init__(
        self,
        calls: Calls[Any, Any],
        function: Callable[..., Any],
        *,
        when: Callable[[dict[str, Any]], Any] | None,
        durable: bool,
        options: dict[str, Any],
    ) -> None:
        self.calls, self.function, self.when, self.durable = calls, function, when, durable
        self.signature = inspect.signature(function)
        named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        wrong = [str(p) for p in self.signature.parameters.values() if p.kind not in named or p.name == "once"]
        if wrong:
            raise TypeError(
                f"gate on {function.__name__}: people see its arguments by name, so {', '.join(wrong)} is not possible "
                "(nor *args, **kwargs, positional-only arguments, and an argument called once)"
            )
        words = function.__name__.replace("_", " ")
        told = {"title": words.capitalize(), "impact": (inspect.getdoc(function) or words).splitlines()[0]}
        self.options = told | {name: value for name, value in options.items() if value is not None}
        self.type = str(self.options.pop("type", "") or function.__name__)

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, defaults included."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def open_to(self, arguments: dict[str, Any]) -> bool:
        """Whether this call needs nobody's yes. A condition that fails lets nothing through: its error is raised."""
        return self.when is not None and not self.when(dict(arguments))

    def take(self, arguments: dict[str, Any], once: str) -> Steps[Grant]:
        """Ask, wait, and take the approval; whatever is not a yes is raised."""
        body, key = self._body(arguments), self._key(arguments, once)
        request = (yield from self._asked_before(key)) or (yield from self._ask(body, key))
        if self.durable:
            # What came back may be the recorded answer of the first call, from before anybody decided.
            request = yield from self.calls.one(request)
            if request.pending:
                raise Pending(request.id, review_url=request.review_url)
        else:
            request = yield from self.calls.wait(request, None)
        grant = yield from self._consume(request)
        error = grant.outcome.error()
        if error is not None or grant.token is None:
            raise error or NotApproved("there is no approval to use", grant.outcome)
        return grant

    def call(self, grant: Grant) -> inspect.BoundArguments:
        """What to call the function with: what was approved, if it is this function's."""
        if grant.type and grant.type != self.type:
            raise TypeError(
                f"a person made {grant.type!r} of {self.type!r}, which {self.function.__name__} does not do"
            )
        return self.signature.bind(**grant.args)

    def report(self, grant: Grant, *, output: Any = None, error: Exception | None = None) -> Steps[None]:
        """Say what came of it. The function has run: a report that fails is logged, and changes nothing for the caller;
        without one a person is asked to find out."""
        why = None if error is None else f"{type(error).__name__}: {error}"[:_TEXT]
        try:
            try:
                yield from self.calls.report(grant, grant.token, output=_jsonable(output), error=why)
            except Invalid:
                text = ascii(output if error is None else why)[:_TEXT]
                told = {"output": text, "error": None} if error is None else {"output": None, "error": text}
                yield from self.calls.report(grant, grant.token, **told)
        except ClientError as failed:
            log.error("request %s: what came of it could not be reported: %s", grant.id, failed)

    def _ask(self, body: dict[str, Any], key: str | None) -> Steps[Request]:
        # The name is how the call is found again after the product has forgotten the idempotency key.
        named = {} if key is None or "external_id" in body else {"external_id": key}
        request: Request = yield from self.calls.ask(body | named, key)
        return request

    def _asked_before(self, key: str | None) -> Steps[Request | None]:
        """The newest revision of what an earlier call like this one asked; two first calls at once are held together by
        the idempotency key."""
        if key is None or self.options.get("external_id"):
            return None
        rows, _ = yield from self.calls.page({"external_id": key}, "")
        found: Request | None = (yield from self.calls.one(rows[0])) if rows else None
        return found if found is not None and found.data.get("external_id") == key else None

    def _consume(self, request: Request) -> Steps[Grant]:
        while True:
            try:
                return (yield from self.calls.consume(request))
            except AlreadyConsumed:
                # A refusal that was taken before stays a refusal; an approval belongs to whoever took it.
                refusal = request.outcome.error() if request.outcome else None
                raise refusal or AlreadyConsumed(details={"id": request.id}, status=409) from None
            except Conflict as error:
                if error.code not in NOT_NOW:
                    raise
                if self.durable:
                    raise Pending(request.id, review_url=request.review_url) from error
                yield Pause(_until(error))

    def _body(self, arguments: dict[str, Any]) -> dict[str, Any]:
        for name, value in arguments.items():
            try:
                encode(value)
            except Invalid as error:
                raise Invalid(f"argument {name!r} of {self.function.__name__}: {error.message}", error.code) from error
        texts = {name: self.options[name] for name in ("title", "impact")}
        said = {name: text(dict(arguments)) if callable(text) else text for name, text in texts.items()}
        return action_body(self.type, arguments, {**self.options, **said})

    def _key(self, arguments: dict[str, Any], once: str) -> str | None:
        if not self.durable and not once:
            return None
        names = sorted(arguments)
        parts = encode([self.type, [[name, arguments[name]] for name in names], once])
        return f"gate-{hashlib.sha256(parts).hexdigest()}"


def _jsonable(output: Any) -> Any:
    """The output as it is where it is JSON, else its text."""
    try:
        encode(output)
    except Invalid:
        return repr(output)[:_TEXT]
    return output


def _until(error: Conflict) -> float:
    """How long to leave it alone: until the time the product names, if it does."""
    return min(_LONGEST_PAUSE, max(0.5, float(error.details.get("retry_after", 2.0))))


def blocking(gate: Gate, wire: Wire) -> Callable[..., Any]:
    """The gated form of a plain function."""

    @wraps(gate.function)
    def call(*args: Any, once: str = "", **kwargs: Any) -> Any:
        arguments = gate.arguments(args, kwargs)
        if gate.open_to(arguments):
            return gate.function(*args, **kwargs)
        grant = wire.run(gate.take(arguments, once))
        try:
            bound = gate.call(grant)
            output = gate.function(*bound.args, **bound.kwargs)
        except Exception as error:
            wire.run(gate.report(grant, error=error))
            raise
        wire.run(gate.report(grant, output=output))
        return output

    return call


def awaited(gate: Gate, opened: Callable[[], AbstractAsyncContextManager[AsyncWire]]) -> Callable[..., Any]:
    """The gated form of a coroutine function; a plain function runs in a thread, so that the loop goes on."""

    async def act(*args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(gate.function):
            return await gate.function(*args, **kwargs)
        return await asyncio.to_thread(gate.function, *args, **kwargs)

    @wraps(gate.function)
    async def call(*args: Any, once: str = "", **kwargs: Any) -> Any:
        arguments = gate.arguments(args, kwargs)
        if gate.open_to(arguments):
            return await act(*args, **kwargs)
        async with opened() as wire:
            grant = await wire.run(gate.take(arguments, once))
            try:
                bound = gate.call(grant)
                output = await act(*bound.args, **bound.kwargs)
            except Exception as error:
                await wire.run(gate.report(grant, error=error))
                raise
            await wire.run(gate.report(grant, output=output))
            return output

    return call
