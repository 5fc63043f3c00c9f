"""What the client gives back: requests, outcomes, grants and runs. They are read, never changed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypedDict

from hitl.client.errors import Cancelled, ClientError, Expired, Rejected, RevisionRequested


class _Terms(TypedDict, total=False):
    reviewers: Sequence[str] | None
    approvals: int | None
    rejections: int | None
    stages: Sequence[dict[str, Any]] | None
    level: str | None
    phrase: str
    risk: str | None
    timeout: str | float | timedelta | None
    on_timeout: str | None
    editable: Sequence[str] | None
    execute_within: str | float | timedelta | None


class Terms(_Terms, total=False):
    """Who is asked, and how strictly. Durations are seconds, a timedelta, or text such as `"4h"`."""

    policy: str


class _Options(_Terms, total=False):
    description: str
    context: Any
    report_within: str | float | timedelta | None
    on_behalf_of: str
    external_id: str
    batch: dict[str, Any] | None
    resume_data: Any


class GateOptions(_Options, total=False):
    """What an agent may say about how people are asked. Durations are seconds, a timedelta, or text such as `"4h"`."""

    policy: str
    idempotency_key: str | None


class ActionOptions(GateOptions, total=False):
    """What an agent may say about an action besides its type, its arguments, its title and its impact."""

    reversible: bool
    target: str
    args_schema: dict[str, Any] | None


Text = str | Callable[[dict[str, Any]], str]


class GatedOptions(_Options, total=False):
    """What `gate` takes beside its own arguments; `title` and `impact` may be functions of the arguments."""

    type: str
    title: Text
    impact: Text
    reversible: bool
    target: str
    args_schema: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request.

    `args` are the arguments to act with, a reviewer's edits included; `changes` lists those edits. `by` names who
    decided and `via` how it came about: human, policy, timeout or cancel. `notice` is what to tell the model. Only
    `approved` is a yes, and only `verdict == "reject"` is a person's no.
    """

    status: str
    verdict: str | None
    approved: bool
    action_type: str
    args: dict[str, Any] | None
    changes: tuple[dict[str, Any], ...]
    comment: str
    response: Any
    by: tuple[str, ...]
    via: str
    notice: str

    @property
    def edited(self) -> bool:
        """Whether a person changed what was asked for."""
        return bool(self.changes) or self.verdict == "edit"

    @classmethod
    def read(cls, status: str, told: dict[str, Any]) -> Outcome:
        """The outcome in an answer of the product. What is missing never reads as a yes."""
        return cls(
            status=status,
            verdict=told.get("verdict"),
            approved=status == "approved" and told.get("approved") is True,
            action_type=told.get("action_type") or "",
            args=told.get("args"),
            changes=tuple(told.get("changes") or ()),
            comment=told.get("comment") or "",
            response=told.get("response"),
            by=tuple(told.get("by") or ()),
            via=told.get("via") or "",
            notice=told.get("notice") or "",
        )

    def error(self) -> ClientError | None:
        """The error that says why this is not a yes; None for an approval and for an answer."""
        if self.approved or self.status == "answered":
            return None
        if self.status == "rejected":
            return Rejected(self.comment, self)
        if self.status in ("revision_requested", "superseded"):
            return RevisionRequested(self.comment, self)
        if self.status in ("cancelled", "revoked"):
            return Cancelled(self.comment, self)
        return Expired(self.comment, self)


@dataclass(frozen=True, slots=True, repr=False)
class _Seen:
    """Something of the product as it was when it was read; `data` is all that was told."""

    data: dict[str, Any]
    waiter: Callable[[str, float | None], Any] | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    @property
    def status(self) -> str:
        """How it stood."""
        return str(self.data.get("status", ""))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    def _wait(self, timeout: float | None) -> Any:
        if self.waiter is None:
            raise ClientError("this was not read by a client, so that it cannot wait")
        return self.waiter(self.id, timeout)


class Request(_Seen):
    """One request for a person."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        """approval or question."""
        return str(self.data.get("kind", ""))

    @property
    def title(self) -> str:
        """One line for people."""
        return str(self.data.get("title", ""))

    @property
    def digest(self) -> str:
        """What is decided about, as a SHA-256; empty for a question."""
        return str(self.data.get("digest") or "")

    @property
    def revision(self) -> int:
        """Which version of the proposal this is, from 1."""
        return int(self.data.get("revision") or 1)

    @property
    def review_url(self) -> str:
        """Where people decide."""
        return str(self.data.get("review_url") or "")

    @property
    def expires_at(self) -> datetime | None:
        """The deadline, with its zone, or None."""
        found = self.data.get("expires_at")
        return datetime.fromisoformat(found) if found else None

    @property
    def outcome(self) -> Outcome | None:
        """What came of it; None while it, or another request of its batch, is pending, and where a later revision took
        its place."""
        told = self.data.get("outcome")
        return Outcome.read(self.status, told) if isinstance(told, dict) else None

    @property
    def pending(self) -> bool:
        """Whether people have yet to decide about it, or about others of a batch that is released as a whole."""
        batch = self.data.get("batch") or {}
        return self.status == "pending" or (batch.get("release") == "all" and not batch.get("released"))

    def wait(self, timeout: float | None = None) -> Outcome:
        """Block until people decided, at most `timeout` seconds (then StillPending), and return what came of it."""
        seen: Request = self._wait(timeout)
        assert seen.outcome is not None
        return seen.outcome


class AsyncRequest(Request):
    """A Request of the AsyncClient: `wait` is awaited."""

    __slots__ = ()

    async def wait(self, timeout: float | None = None) -> Outcome:  # type: ignore[override]
        """As Request.wait, without blocking the event loop."""
        waited: Coroutine[Any, Any, Request] = self._wait(timeout)
        seen = await waited
        assert seen.outcome is not None
        return seen.outcome


class Run(_Seen):
    """One execution of a workflow."""

    __slots__ = ()
    ENDS = frozenset({"succeeded", "rejected", "failed", "cancelled"})

    @property
    def workflow(self) -> str:
        """Its name."""
        return str(self.data.get("workflow", ""))

    @property
    def output(self) -> Any:
        """What it returned; None until it succeeded."""
        return self.data.get("output")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in self.ENDS

    def wait(self, timeout: float | None = None) -> Run:
        """Block until it has ended, at most `timeout` seconds (then StillPending)."""
        found: Run = self._wait(timeout)
        return found


class AsyncRun(Run):
    """A Run of the AsyncClient: `wait` is awaited."""

    __slots__ = ()

    async def wait(self, timeout: float | None = None) -> Run:  # type: ignore[override]
        """As Run.wait, without blocking the event loop."""
        waited: Coroutine[Any, Any, Run] = self._wait(timeout)
        return await waited


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """What came of a request, taken by this caller and by nobody else.

    `token` is there when it was approved: do `type` with exactly `args` now, then `report` with the token. Without a
    token there is nothing to do but to go on with `outcome`.
    """

    request: Request
    outcome: Outcome
    token: str | None
    args: dict[str, Any]
    type: str
    report_by: datetime | None = None
    resume_data: Any = None

    @property
    def id(self) -> str:
        """The request's id."""
        return self.request.id

    def __repr__(self) -> str:
        return f"<Grant {self.id} {self.outcome.status}>"
