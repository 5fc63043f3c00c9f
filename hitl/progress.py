"""What follows from a change: which steps start, how the run stands, and what closes when it ends.

Decisions, signals, timers and workers all end with these functions: a run goes on the same way whoever moved it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Q

from hitl.audit import SYSTEM, Actor
from hitl.definition import StepSpec, graph
from hitl.models import Approval, Step
from hitl.states import STEP_ENDS, ApprovalStatus, RunStatus, StepStatus
from hitl.transitions import Transition

Opener = Callable[[Transition, Step, StepSpec], bool]


def follow(t: Transition, *, opened: Opener | None = None, not_before: datetime | None = None) -> None:
    """Make everything startable ready, then bring the run's status up to date.

    `opened` may take a step itself (a worker opens a gate it evaluated beforehand, or skips a step) and says whether
    it did; whatever it leaves is made ready for a worker. `not_before` delays what becomes ready (cool-off).
    """
    while fresh := graph.startable(t.definition, statuses(t)):
        for spec in fresh:
            step = t.step(spec.name)
            if opened is None or not opened(t, step, spec):
                t.move(step, StepStatus.READY, ready_at=max(t.now, not_before or t.now))
                t.ring(step.queue)
    settle(t)


def settle(t: Transition) -> None:
    """Let the run's status follow from its steps'."""
    found = set(statuses(t).values())
    if found <= STEP_ENDS:
        finish(t, RunStatus.SUCCEEDED)
        return
    active = found & {StepStatus.READY, StepStatus.RUNNING}
    status = RunStatus.RUNNING if active else RunStatus.WAITING
    if t.run.status != status:
        if t.run.status == RunStatus.PENDING and status == RunStatus.WAITING:
            t.move(t.run, RunStatus.RUNNING)
        t.move(t.run, status)


def finish(t: Transition, status: RunStatus, *, code: str = "", why: str = "", actor: Actor = SYSTEM) -> None:
    """End the run, and with it everything that is open: steps, waits, leases, requests, unused grants."""
    clean = status == RunStatus.SUCCEEDED and set(statuses(t).values()) == {StepStatus.SUCCEEDED}
    if not clean:  # otherwise every grant was used by the step it protects
        close_approvals(t, why=why or f"the run {status.value}")
    for step in t.steps.values():
        if step.status not in STEP_ENDS:
            t.move(step, StepStatus.CANCELLED)
    fields: dict[str, Any] = {"failure_code": code, "failure_text": why}
    if status == RunStatus.SUCCEEDED:
        fields = {"output": _output(t)}
    t.move(t.run, status, **fields)
    t.record(f"hitl.run.{status.value}", "run", actor=actor, **({"code": code, "why": why or code} if code else {}))


def fail_step(t: Transition, step: Step, code: str, why: str) -> None:
    """A step failed for good: so does the run."""
    t.move(step, StepStatus.FAILED, failure_code=code, failure_text=why)
    t.record("hitl.step.failed", f"step:{step.name}", step=step.name, code=code, why=why)
    finish(t, RunStatus.FAILED, code=code, why=f"step {step.name}: {why}")


def close_approvals(t: Transition, *, why: str, step: Step | None = None) -> None:
    """Cancel pending requests and take back unused grants, of the whole run or of one step."""
    unused = Q(status=ApprovalStatus.PENDING) | Q(status=ApprovalStatus.APPROVED, consumed_at=None)
    rows = Approval.objects.filter(unused, run=t.run).select_for_update().order_by("id")
    for approval in rows.filter(step=step) if step else rows:
        if t.knows(approval):
            continue
        pending = approval.status == ApprovalStatus.PENDING
        t.move(approval, ApprovalStatus.CANCELLED if pending else ApprovalStatus.REVOKED)
        if pending:
            t.set(approval, decided_via="cancel")
        name = "cancelled" if pending else "revoked"
        t.record(f"hitl.approval.{name}", f"approval:{approval.pk}", title=approval.title, why=why)


def statuses(t: Transition) -> dict[str, str]:
    """Every step's status, as it will be."""
    return {name: step.status for name, step in t.steps.items()}


def _output(t: Transition) -> Any:
    """The output of the last step, or of each of them by name where there are several."""
    ends = [spec.name for spec in graph.sinks(t.definition)]
    outputs = {name: t.step(name).output for name in ends}
    return outputs[ends[0]] if len(ends) == 1 else outputs
