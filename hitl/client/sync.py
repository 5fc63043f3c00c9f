"""The client for programs that block."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from hitl.client.calls import Calls, Id, action_body, question_body
from hitl.client.gate import Gate, awaited, blocking
from hitl.client.transport import AsyncWire, Target, Wire
from hitl.client.values import ActionOptions, GatedOptions, GateOptions, Grant, Request, Run
from hitl.client.worker import Worker

R = TypeVar("R")
URL, KEY = "HITL_URL", "HITL_API_KEY"


def target_of(url: str | None, key: str | None, timeout: float) -> Target:
    """The given address and key, else those of the environment; Invalid where there are none."""
    return Target.checked(url or os.environ.get(URL), key or os.environ.get(KEY), timeout)


def taken_key(options: Any) -> str | None:
    """Take the idempotency key out of the options: it travels in a header."""
    found: str | None = options.pop("idempotency_key", None)
    return found


class Client:
    """The product, for programs that block. Threads may share one.

    `url` and `key` default to `HITL_URL` and `HITL_API_KEY`. `timeout` is how many seconds one call may take, beside
    what the server waits on purpose; `retries` how often a call is tried again. Every POST carries an idempotency key,
    so that trying again never acts twice. Raises the errors of `hitl.client.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.wire = Wire(target_of(url, key, timeout), transport)
        self._async_transport = transport if isinstance(transport, httpx.AsyncBaseTransport) else None
        self.calls = Calls(retries=retries, request=Request, run=Run)
        self.calls.wait_request, self.calls.wait_run = self.wait, self.wait_run

    def __repr__(self) -> str:
        return f"Client({str(self.wire.target)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.wire.http.close()

    def request_approval(
        self, type: str, args: dict[str, Any], *, title: str, impact: str, **options: Unpack[ActionOptions]
    ) -> Request:
        """Ask people whether this may be done. Returns at once; `wait` on what it returns."""
        key = taken_key(options)
        body = action_body(type, args, {"title": title, "impact": impact, **options})
        return self.wire.run(self.calls.ask(body, key))

    def ask_question(
        self,
        question: str,
        *,
        schema: dict[str, Any] | None = None,
        options: Sequence[Any] | None = None,
        title: str = "",
        **rest: Unpack[GateOptions],
    ) -> Request:
        """Ask people a question: free text, one of `options`, or what fits a JSON Schema. Returns at once."""
        key = taken_key(rest)
        body = question_body(question, schema, options, {"title": title, **rest})
        return self.wire.run(self.calls.ask(body, key))

    def ask(
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
        return self.wire.run(self.calls.answer(body, key))

    def get(self, id: Id) -> Request:
        """A request as it stands now."""
        return self.wire.run(self.calls.one(id))

    def requests(self, **filters: Any) -> Iterator[Request]:
        """The requests this key may see, page by page; the filters are those of the API."""
        cursor: str | None = ""
        while cursor is not None:
            rows, cursor = self.wire.run(self.calls.page(filters, cursor))
            yield from rows

    def wait(self, id: Id, timeout: float | None = None) -> Request:
        """Block until there is an outcome, and its batch is complete; StillPending after `timeout` seconds."""
        return self.wire.run(self.calls.wait(id, timeout))

    def consume(self, id: Id) -> Grant:
        """Take what came of it: the first caller gets it, everybody else AlreadyConsumed. Take before you act."""
        return self.wire.run(self.calls.consume(id))

    def report(self, id: Id, token: str | None, *, output: Any = None, error: str | None = None) -> Run:
        """Say what came of the action: its output, or the error it ended with. LeaseLost when it is too late."""
        return self.wire.run(self.calls.report(id, token, output=output, error=error))

    def cancel(self, id: Id, reason: str = "") -> Request:
        """Withdraw what was asked."""
        return self.wire.run(self.calls.cancel(id, reason))

    def revise(
        self,
        id: Id,
        args: dict[str, Any] | None = None,
        *,
        action: dict[str, Any] | None = None,
        description: str = "",
        context: Any = None,
        idempotency_key: str | None = None,
    ) -> Request:
        """Propose the next version after RevisionRequested: other arguments, or a whole action."""
        said: dict[str, Any] = {"description": description, "context": context}
        steps = self.calls.revise(id, args, action, **said, key=idempotency_key)
        return self.wire.run(steps)

    def start_run(
        self,
        workflow: str,
        input: Any = None,
        *,
        external_id: str = "",
        risk: str | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a run of a workflow that the product has."""
        return self.wire.run(self.calls.start(workflow, input, external_id, risk, idempotency_key))

    def run(self, id: Id) -> Run:
        """A run as it stands now."""
        return self.wire.run(self.calls.one_run(id))

    def wait_run(self, id: Id, timeout: float | None = None) -> Run:
        """Block until the run has ended, however it did; StillPending after `timeout` seconds."""
        return self.wire.run(self.calls.ended(id, timeout))

    def signal(self, run_id: Id, name: str, payload: Any = None, *, idempotency_key: str | None = None) -> None:
        """Send a run what it waits for, or will."""
        self.wire.run(self.calls.signal(run_id, name, payload, idempotency_key))

    def feedback(
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
        return self.wire.run(self.calls.feedback(run_id, body, idempotency_key))

    def gate(
        self,
        policy: str = "",
        *,
        when: Callable[[dict[str, Any]], Any] | None = None,
        durable: bool = False,
        **options: Unpack[GatedOptions],
    ) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Decorator: the function asks first, and runs once with exactly the approved arguments. See `Gate`."""

        def wrap(function: Callable[..., R]) -> Callable[..., R]:
            gate = Gate(self.calls, function, when=when, durable=durable, options={"policy": policy, **options})
            if inspect.iscoroutinefunction(function):
                return awaited(gate, lambda: AsyncWire(self.wire.target, self._async_transport))
            return blocking(gate, self.wire)

        return wrap

    def worker(self, queues: Sequence[str], handlers: dict[str, Callable[..., Any]], *, lease: int = 60) -> Worker:
        """A worker for the steps of these queues; `handlers` by step name, or by `workflow.step`."""
        return Worker(self.wire, self.calls, queues, handlers, lease=lease)
