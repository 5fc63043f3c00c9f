"""The client for programs with an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self, Unpack

import httpx

from hitl.client.calls import Calls, Id, action_body, question_body
from hitl.client.gate import Gate, awaited
from hitl.client.sync import taken_key, target_of
from hitl.client.transport import AsyncWire
from hitl.client.values import ActionOptions, AsyncRequest, AsyncRun, GatedOptions, GateOptions, Grant


class AsyncClient:
    """The product, for programs with an event loop: the names and promises of Client, awaited."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.wire = AsyncWire(target_of(url, key, timeout), transport)
        self.calls = Calls(retries=retries, request=AsyncRequest, run=AsyncRun)
        self.calls.wait_request, self.calls.wait_run = self.wait, self.wait_run

    def __repr__(self) -> str:
        return f"AsyncClient({str(self.wire.target)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self.wire.http.aclose()

    async def request_approval(
        self, type: str, args: dict[str, Any], *, title: str, impact: str, **options: Unpack[ActionOptions]
    ) -> AsyncRequest:
        """Ask people whether this may be done. Returns at once; `wait` on what it returns."""
        key = taken_key(options)
        body = action_body(type, args, {"title": title, "impact": impact, **options})
        return await self.wire.run(self.calls.ask(body, key))

    async def ask_question(
        self,
        question: str,
        *,
        schema: dict[str, Any] | None = None,
        options: Sequence[Any] | None = None,
        title: str = "",
        **rest: Unpack[GateOptions],
    ) -> AsyncRequest:
        """Ask people a question: free text, one of `options`, or what fits a JSON Schema. Returns at once."""
        key = taken_key(rest)
        body = question_body(question, schema, options, {"title": title, **rest})
        return await self.wire.run(self.calls.ask(body, key))

    async def ask(
        self,
        question: str,
        *,
        schema: dict[str, Any] | None = None,
        options: Sequence[Any] | None = None,
        title: str = "",
        **rest: Unpack[GateOptions],
    ) -> Any:
        """Ask a question and block until it is answered; raises Rejected, Expired or Cancelled when it never is."""
        key = taken_key(rest)
        body = question_body(question, schema, options, {"title": title, **rest})
        return await self.wire.run(self.calls.answer(body, key))

    async def get(self, id: Id) -> AsyncRequest:
        """A request as it stands now."""
        return await self.wire.run(self.calls.one(id))

    async def requests(self, **filters: Any) -> AsyncIterator[AsyncRequest]:
        """The requests this key may see, page by page; the filters are those of the API."""
        cursor: str | None = ""
        while cursor is not None:
            rows, cursor = await self.wire.run(self.calls.page(filters, cursor))
            for row in rows:
                yield row

    async def wait(self, id: Id, timeout: float | None = None) -> AsyncRequest:
        """Block until there is an outcome, and its batch is complete; StillPending after `timeout` seconds."""
        return await self.wire.run(self.calls.wait(id, timeout))

    async def consume(self, id: Id) -> Grant:
        """Take what came of it: the first caller gets it, everybody else AlreadyConsumed. Take before you act."""
        return await self.wire.run(self.calls.consume(id))

    async def report(self, id: Id, token: str | None, *, output: Any = None, error: str | None = None) -> AsyncRun:
        """Say what came of the action: its output, or the error it ended with. LeaseLost when it is too late."""
        return await self.wire.run(self.calls.report(id, token, output=output, error=error))

    async def cancel(self, id: Id, reason: str = "") -> AsyncRequest:
        """Withdraw what was asked."""
        return await self.wire.run(self.calls.cancel(id, reason))

    async def revise(
        self,
        id: Id,
        args: dict[str, Any] | None = None,
        *,
        action: dict[str, Any] | None = None,
        description: str = "",
        context: Any = None,
        idempotency_key: str | None = None,
    ) -> AsyncRequest:
        """Propose the next version after RevisionRequested: other arguments, or a whole action."""
        said: dict[str, Any] = {"description": description, "context": context}
        steps = self.calls.revise(id, args, action, **said, key=idempotency_key)
        return await self.wire.run(steps)

    async def start_run(
        self,
        workflow: str,
        input: Any = None,
        *,
        external_id: str = "",
        risk: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncRun:
        """Start a run of a workflow that the product has."""
        return await self.wire.run(self.calls.start(workflow, input, external_id, risk, idempotency_key))

    async def run(self, id: Id) -> AsyncRun:
        """A run as it stands now."""
        return await self.wire.run(self.calls.one_run(id))

    async def wait_run(self, id: Id, timeout: float | None = None) -> AsyncRun:
        """Block until the run has ended, however it did; StillPending after `timeout` seconds."""
        return await self.wire.run(self.calls.ended(id, timeout))

    async def signal(self, run_id: Id, name: str, payload: Any = None, *, idempotency_key: str | None = None) -> None:
        """Send a run what it waits for, or will."""
        await self.wire.run(self.calls.signal(run_id, name, payload, idempotency_key))

    async def feedback(
        self,
        run_id: Id,
        key: str,
        score: float | None = None,
        *,
        value: Any = None,
        comment: str = "",
        idempotency_key: str | None = None,
    ) -> Any:
        """Say how a run went: a score between 0 and 1, a value, or a comment."""
        body = {"key": key, "score": score, "value": value, "comment": comment}
        return await self.wire.run(self.calls.feedback(run_id, body, idempotency_key))

    def gate(
        self,
        policy: str = "",
        *,
        when: Callable[[dict[str, Any]], Any] | None = None,
        durable: bool = False,
        **options: Unpack[GatedOptions],
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator: the function asks first, and runs once with exactly the approved arguments. See `Gate`."""

        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            gate = Gate(self.calls, function, when=when, durable=durable, options={"policy": policy, **options})
            return awaited(gate, lambda: nullcontext(self.wire))

        return wrap
