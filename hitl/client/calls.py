"""Every call of the product as steps: which address, which body, and what the answer means.

These are the same for the blocking and the async client. Steps that POST carry an idempotency key that stays the same
however often they are tried.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from hitl.client.errors import AlreadyConsumed, ClientError, Conflict, Invalid, StillPending
from hitl.client.transport import Call, Pause, Steps, exchange
from hitl.client.values import Grant, Outcome, Request, Run

Id = str | Request | Run | Grant | uuid.UUID
Q = TypeVar("Q", bound=Request)
U = TypeVar("U", bound=Run)
Seen = TypeVar("Seen", bound=Request | Run)

LONGEST_POLL = 50.0
_LONGEST_BETWEEN = 2.0
_ACTION = ("type", "args", "title", "impact", "description", "target", "reversible")
_DURATIONS = ("timeout", "execute_within", "report_within")


def ident(of: Id) -> str:
    """The id as a part of an address."""
    return _segment(str(of.id) if isinstance(of, Request | Run | Grant) else str(of))


def _segment(text: str) -> str:
    """Quoted, so that what a model made up reaches no other address."""
    if text in ("", ".", ".."):
        raise Invalid(f"{text!r} is no id and no name")
    return quote(text, safe="")


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as JSON has them: durations become seconds."""
    kept = {name: value for name, value in options.items() if value is not None and value != ""}
    for name in _DURATIONS:
        if isinstance(kept.get(name), timedelta):
            kept[name] = kept[name].total_seconds()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def action_body(type: str, args: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The body of a request for an approval: what is said of the action stands with the action."""
    given = plain(options)
    action: dict[str, Any] = {"type": type, "args": args}
    action |= {name: given.pop(name) for name in ("title", "impact", "target", "args_schema") if name in given}
    action["reversible"] = bool(given.pop("reversible", False))
    return {"kind": "approval", "action": action, **given}


class Calls(Generic[Q, U]):
    """The calls of one client: `request` and `run` are what it gives back, and the two `wait_` are how those wait."""

    def __init__(self, *, retries: int, request: type[Q], run: type[U]) -> None:
        self.retries = retries
        self._request, self._run = request, run
        self.wait_request: Callable[[str, float | None], Any] | None = None
        self.wait_run: Callable[[str, float | None], Any] | None = None

    def seen(self, data: dict[str, Any]) -> Q:
        """A request as it was told."""
        return self._request(data, self.wait_request)

    def get(self, path: str, params: dict[str, Any] | None = None, wait: float = 0.0) -> Steps[Any]:
        """Read; the body of the answer."""
        call = Call("GET", path, params=params or {}, wait=wait)
        answer = yield from exchange(call, retries=self.retries)
        return answer.body

    def post(self, path: str, body: dict[str, Any], *, key: str | None = None, wait: float = 0.0) -> Steps[Any]:
        """Act once, however often it has to be tried; the body of the answer, None where there is none."""
        params = {"wait": wait} if wait else {}
        call = Call("POST", path, body=body, params=params, key=key or str(uuid.uuid4()), wait=wait)
        answer = yield from exchange(call, retries=self.retries)
        return answer.body

    # -- requests -------------------------------------------------------------------------------------

    def ask(self, body: dict[str, Any], key: str | None) -> Steps[Q]:
        """Ask people."""
        return self.seen((yield from self.post("approvals/", body, key=key)))

    def one(self, id: Id) -> Steps[Q]:
        """One request as it stands."""
        return self.seen((yield from self.get(f"approvals/{ident(id)}/")))

    def page(self, filters: dict[str, Any], cursor: str) -> Steps[tuple[list[Q], str | None]]:
        """One page of requests and the cursor of the next, or None."""
        body = yield from self.get("approvals/", {**filters, **({"cursor": cursor} if cursor else {})})
        # The link names the host as the server knows itself, which a proxy may have made wrong: only the cursor counts.
        following = httpx.URL(body["next"]).params.get("cursor") if body.get("next") else None
        return [self.seen(row) for row in body["results"]], following

    def wait(self, id: Id, timeout: float | None) -> Steps[Q]:
        """The request once there is an outcome; StillPending after `timeout` seconds, Conflict where another revision
        took its place."""
        found = yield from self._poll("approvals", id, timeout, self.seen, lambda request: not request.pending)
        if found.outcome is None:
            raise Conflict(f"request {found.id} is {found.status}", "stale_approval", 412, dict(found.data))
        return found

    def _poll(
        self, what: str, id: Id, timeout: float | None, made: Callable[[Any], Seen], done: Callable[[Seen], bool]
    ) -> Steps[Seen]:
        """Ask again in long polls until it is done. A server that answers at once is asked less and less often.

        People's edits may make a new revision, which the answer then is about: that one is waited for from there on.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        pause = 0.0
        while True:
            began = time.monotonic()
            wait = LONGEST_POLL if ends is None else min(LONGEST_POLL, max(0.0, ends - began))
            found = made((yield from self.get(f"{what}/{ident(id)}/", {"wait": round(wait, 3)}, wait)))
            id = found.id
            now = time.monotonic()
            if done(found):
                return found
            if ends is not None and now >= ends:
                raise StillPending(found.id)
            pause = 0.0 if now - began >= 0.9 * wait else min(_LONGEST_BETWEEN, max(0.1, 2 * pause))
            yield Pause(pause if ends is None else min(pause, ends - now))

    def consume(self, id: Id) -> Steps[Grant]:
        """Take what came of it, once."""
        body = yield from self.post(f"approvals/{ident(id)}/consume/", {})
        known = id.data if isinstance(id, Request) else {"id": ident(id)}
        request = self.seen({**known, **body})
        outcome = Outcome.read(request.status, body.get("outcome") or {})
        due = body.get("report_by")
        return Grant(
            request=request,
            outcome=outcome,
            token=body.get("token") if outcome.approved else None,
            args=outcome.args or {},
            type=outcome.action_type,
            report_by=datetime.fromisoformat(due) if due else None,
            resume_data=body.get("resume_data"),
        )

    def report(self, id: Id, token: str | None, *, output: Any, error: str | None) -> Steps[U]:
        """Say what came of the action."""
        body: dict[str, Any] = {"token": token, "ok": error is None}
        body |= {"output": output} if error is None else {"error": error}
        return self.run_seen((yield from self.post(f"approvals/{ident(id)}/result/", body)))

    def cancel(self, id: Id, reason: str) -> Steps[Q]:
        """Withdraw the question."""
        yield from self.post(f"approvals/{ident(id)}/cancel/", {"reason": reason} if reason else {})
        return (yield from self.one(id))

    def revise(
        self,
        id: Id,
        args: dict[str, Any] | None,
        action: dict[str, Any] | None,
        *,
        description: str,
        context: Any,
        key: str | None,
    ) -> Steps[Q]:
        """Propose the next version; with arguments alone the rest of the action stays as it was."""
        if action is None:
            told = (yield from self.one(id)).data
            known = {**told, **(told.get("action") or {})}
            action = {name: known[name] for name in _ACTION if known.get(name) is not None}
        action = {**action, **({} if args is None else {"args": args}), **plain({"description": description})}
        body = {"action": action, **plain({"context": context})}
        return self.seen((yield from self.post(f"approvals/{ident(id)}/revise/", body, key=key)))

    def answer(self, body: dict[str, Any], key: str | None) -> Steps[Any]:
        """Ask a question, wait, and take the answer; the errors of an outcome that is no answer."""
        request = yield from self.ask(body, key)
        request = yield from self.wait(request, None)
        try:
            outcome = (yield from self.consume(request)).outcome
        except AlreadyConsumed:
            # Whoever asked with the same idempotency key took it; an answer is not used up by being read.
            assert request.outcome is not None
            outcome = request.outcome
        error = outcome.error()
        if error is not None:
            raise error
        return outcome.response

    # -- runs -----------------------------------------------------------------------------------------

    def run_seen(self, data: Any) -> U:
        """A run as it was told."""
        if not isinstance(data, dict) or "id" not in data:
            raise ClientError("the product did not tell which run this is")
        return self._run(data, self.wait_run)

    def start(self, workflow: str, given: Any, external_id: str, risk: str | None, key: str | None) -> Steps[U]:
        """Start a run."""
        body = {"workflow": workflow, "input": given, **plain({"external_id": external_id, "risk": risk})}
        return self.run_seen((yield from self.post("runs/", body, key=key)))

    def one_run(self, id: Id) -> Steps[U]:
        """One run as it stands."""
        return self.run_seen((yield from self.get(f"runs/{ident(id)}/")))

    def ended(self, id: Id, timeout: float | None) -> Steps[U]:
        """The run once it has ended; StillPending after `timeout` seconds."""
        return (yield from self._poll("runs", id, timeout, self.run_seen, lambda run: run.ended))

    def signal(self, id: Id, name: str, payload: Any, key: str | None) -> Steps[None]:
        """Send a signal."""
        yield from self.post(f"runs/{ident(id)}/signals/{_segment(name)}/", {"payload": payload}, key=key)

    def feedback(self, id: Id, body: dict[str, Any], idempotency_key: str | None) -> Steps[Any]:
        """Say how it went."""
        return (yield from self.post(f"runs/{ident(id)}/feedback/", plain(body), key=idempotency_key))


def question_body(
    question: str, schema: dict[str, Any] | None, options: Sequence[Any] | None, rest: dict[str, Any]
) -> dict[str, Any]:
    """The body of a question."""
    asked = {"schema": schema, "options": list(options) if options is not None else None}
    return {"kind": "question", "question": question, **plain({**asked, **rest})}
