"""What a handler receives: what is known, what it may remember, and how it waits.

A wait leaves the handler by a BaseException and frees the worker; when the answer is there the handler is entered from
the top, and everything that was remembered under a name is returned at once. By name, never by position, so that code
may change under a waiting run.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from asgiref.sync import sync_to_async

from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.definition import Action, canonical
from hitl.definition.action import from_json, to_json
from hitl.definition.gates import gate_spec
from hitl.definition.specs import GateSpec
from hitl.exceptions import DuplicateName, HitlError, LeaseLost, SignalTimeout
from hitl.models import Approval, Decision, Result, Run, Step, sql
from hitl.states import ApprovalStatus

MISSING: Any = object()
_YES = {ApprovalStatus.APPROVED}


class Pause(BaseException):
    """Leaves a handler that has to wait. A BaseException, so that `except Exception` in a handler lets it pass."""


@dataclass
class WaitForSignal(Pause):
    """Wait for a signal of this name, for so long, from people, agents or any."""

    name: str
    timeout: timedelta
    sender: str


@dataclass
class WaitForApproval(Pause):
    """Wait until people have decided on this action."""

    key: str
    action: Action
    gate: GateSpec


@dataclass(frozen=True, slots=True)
class ApprovalResult:
    """What came of `ctx.approve`. `action` are the approved arguments, edits included, as the author's model."""

    status: str
    approved: bool
    action: Any
    comment: str
    decided_by: tuple[str, ...]
    revision: int


class Context:
    """The handler's view of its run."""

    def __init__(self, run: Run, step: Step, grants: tuple[Approval, ...] = ()) -> None:
        self._run = run
        self._step = step
        self._grants = grants
        self._known: dict[str, Any] = {}
        self._used: set[str] = set()
        self.paused: Pause | None = None
        self.step_name = step.name
        self.attempt = step.attempt
        self.iteration = step.iteration
        self.instructions = step.instructions

    @classmethod
    def outside(cls, run: Run, name: str, outputs: dict[str, Any]) -> Context:
        """A context for `when`, `action=` and `risk=`, which only read."""
        ctx = cls(run, Step(run=run, name=name, kind="step"))
        ctx._known = {key: from_json(value) for key, value in outputs.items()}
        return ctx

    # -- what is known ------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._run.pk)

    @property
    def input(self) -> Any:
        """What the run was started with."""
        return self._run.input

    @cached_property
    def results(self) -> dict[str, Any]:
        """Outputs of the steps that have succeeded, by name; an Action where the step returned one."""
        rows = Step.objects.filter(run=self._run, status="succeeded").order_by("revision")
        stored = {name: from_json(value) for name, value in rows.values_list("name", "output")}
        return stored | self._known

    @property
    def action(self) -> Any:
        """The approved action this step was protected by: the author's model, exactly as approved, edits included."""
        grant = next((grant for grant in reversed(self._grants) if not grant.key), None)
        if grant is None:
            raise HitlError(f"step {self.step_name!r} is behind no gate, so there is no approved action")
        return _approved(grant).typed()

    def approval(self, gate: str) -> ApprovalResult:
        """What was decided at the gate of this name, which protects this step."""
        for grant in self._grants:
            if not grant.key and grant.step.name == gate:
                return _result(grant)
        raise HitlError(f"step {self.step_name!r} is not protected by a gate named {gate!r}")

    def idempotency_key(self, name: str = "") -> str:
        """A key for the outside world: the same over all attempts of this step, different for every name."""
        parts = [str(self._step.pk), str(self.iteration), *([name] if name else [])]
        return ":".join(parts)

    # -- remembering --------------------------------------------------------------------------

    def once(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `fn` and remember what it returned; entered again, return that. Costs one commit.

        The call itself may happen again if the worker dies right after it: pass `idempotency_key(name)` on.
        """
        key = self._take("once", name)
        if key in self._remembered:
            return self._remembered[key]
        return self._remember(key, fn(*args, **kwargs))

    async def aonce(self, name: str, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """`once` for async handlers; `fn` may be async."""
        key = await sync_to_async(self._take)("once", name)
        remembered = await sync_to_async(lambda: self._remembered)()
        if key in remembered:
            return remembered[key]
        value = fn(*args, **kwargs)
        return await sync_to_async(self._remember)(key, await value if inspect.isawaitable(value) else value)

    def heartbeat(self) -> None:
        """Prolong the lease now; raises LeaseLost when it is over. Workers do this by themselves."""
        self._go_on()
        if not sql.renew_leases([self._token], conf.LEASE):
            raise LeaseLost(f"the lease of {self._step} is lost")

    # -- waiting ------------------------------------------------------------------------------

    def wait_for_signal(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        default: Any = MISSING,
        from_: Literal["any", "people", "agents"] = "any",
    ) -> Any:
        """The payload of the next signal of this name, waiting for it without holding anything.

        A signal that was sent before counts. When `timeout` (default `HITL_SIGNAL_TIMEOUT`) has passed, returns
        `default` or raises SignalTimeout.
        """
        key = self._take("signal", name)
        found = self._remembered.get(key)
        if found is None:
            raise self._leave(WaitForSignal(name, timeout or conf.SIGNAL_TIMEOUT, from_))
        if found.get("timeout"):
            if default is MISSING:
                raise SignalTimeout(f"no signal {name!r} came in time")
            return default
        return found["payload"]

    async def await_for_signal(self, name: str, **options: Any) -> Any:
        """`wait_for_signal` for async handlers."""
        return await sync_to_async(self.wait_for_signal)(name, **options)

    def approve(self, name: str, action: Action, **options: Any) -> ApprovalResult:
        """Ask people about an action and wait for their answer; the options are those of a gate.

        Never raises for a no: look at `approved`, or at `status` (approved, rejected, expired, revoked, …). What was
        approved is in the result; a decided request keeps its bytes whatever `action` says when entered again.
        """
        key = self._take("approve", name).removeprefix("approve:")
        row = Approval.objects.filter(run=self._run, step=self._step, key=self._at(key)).order_by("-revision").first()
        if row is not None and row.status != ApprovalStatus.PENDING:
            return _result(row)
        gate = gate_spec(f"ctx.approve({name!r})", **options)
        raise self._leave(WaitForApproval(self._at(key), action, gate))

    async def aapprove(self, name: str, action: Action, **options: Any) -> ApprovalResult:
        """`approve` for async handlers."""
        return await sync_to_async(self.approve)(name, action, **options)

    # -- inside -------------------------------------------------------------------------------

    @property
    def _token(self) -> Any:
        return self._step.lease_token

    @cached_property
    def _remembered(self) -> dict[str, Any]:
        rows = Result.objects.filter(step=self._step, iteration=self.iteration)
        return dict(rows.values_list("key", "value"))

    def _at(self, key: str) -> str:
        return f"{key}#{self.iteration}" if self.iteration else key

    def _take(self, kind: str, name: str) -> str:
        """Reserve a name for this entry; a name used twice could not be told apart when entered again."""
        self._go_on()
        key = f"{kind}:{name}"
        if not name or len(name) > 180:
            raise HitlError(f"{kind}({name!r}): a name has 1 to 180 characters")
        if key in self._used:
            raise DuplicateName(f"{kind}({name!r}) was used twice in step {self.step_name!r}; write f'{name}:{{id}}'")
        self._used.add(key)
        return key

    def _go_on(self) -> None:
        """After a pause was swallowed nothing more may happen: raise it again."""
        if self.paused is not None:
            raise self.paused

    def _leave(self, pause: Pause) -> Pause:
        self.paused = pause
        return pause

    def _remember(self, key: str, value: Any) -> Any:
        """Store a result durably and return what will be returned when entered again: plain JSON."""
        data = canonical(to_json(value), what=f"{key} of step {self.step_name!r}", limit=conf.MAX_PAYLOAD)
        plain = json.loads(data)
        crashpoint("before_result")
        if not sql.save_result(self._step, key, plain):
            raise LeaseLost(f"the lease of {self._step} is lost")
        crashpoint("after_result")
        return plain


def _approved(approval: Approval) -> Action:
    return Action(
        approval.current_args,
        type=approval.action_type,
        title=approval.title,
        impact=approval.impact,
        description=approval.description,
        reversible=approval.reversible,
        target=approval.binding["target"],
        model=approval.action_model,
    )


def _result(approval: Approval) -> ApprovalResult:
    votes = list(
        Decision.objects.filter(approval=approval, withdrawn_at=None).select_related("actor").order_by("decided_at")
    )
    return ApprovalResult(
        status=str(approval.status),
        approved=approval.status in _YES,
        action=_approved(approval).typed(),
        comment=votes[-1].comment if votes else "",
        decided_by=tuple(vote.actor.get_username() for vote in votes),
        revision=approval.revision,
    )
