"""What an answer means for the run: the gate's step ends, what it protects becomes ready, or the run ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hitl import progress
from hitl.audit import SYSTEM, Actor
from hitl.definition.action import ENVELOPE
from hitl.models import Approval, Step
from hitl.states import ApprovalStatus, RunStatus, StepStatus
from hitl.transitions import Transition

_ENDS = {
    ApprovalStatus.REJECTED: (RunStatus.REJECTED, "rejected"),
    ApprovalStatus.EXPIRED: (RunStatus.FAILED, "approval_expired"),
}


def resolve(
    t: Transition,
    approval: Approval,
    to: ApprovalStatus,
    *,
    via: str,
    action: str,
    actor: Actor = SYSTEM,
    effective: bytes | None = None,
    effective_digest: str = "",
    why: str = "",
    **data: Any,
) -> None:
    """End a pending request and let its step go on. `action` names the audit record."""
    not_before = t.now + timedelta(seconds=approval.cool_off)
    if to == ApprovalStatus.APPROVED:
        t.set(
            approval,
            effective_bytes=effective,
            effective_digest=effective_digest,
            not_before=not_before if approval.cool_off else None,
            execute_by=not_before + timedelta(seconds=approval.execute_within),
        )
    t.move(approval, to, decided_via=via)
    t.record(
        action,
        f"approval:{approval.pk}",
        actor=actor,
        title=approval.title,
        digest=approval.digest,
        **({"effective_digest": effective_digest} if effective_digest else {}),
        **({"why": why} if why else {}),
        **data,
    )
    step = t.step_by_id(approval.step_id)
    if step is not None and step.status == StepStatus.WAITING:
        _go_on(t, approval, step, to, why)


def _go_on(t: Transition, approval: Approval, step: Step, to: ApprovalStatus, why: str) -> None:
    if approval.key:  # asked by ctx.approve: the handler is entered again and reads the answer
        wake_handler(t, approval, step, granted=to == ApprovalStatus.APPROVED)
    elif to == ApprovalStatus.APPROVED:
        t.move(step, StepStatus.SUCCEEDED, output=envelope(approval))
        progress.follow(t, not_before=approval.not_before)
    else:
        status, code = _ENDS[to]
        t.move(step, StepStatus.FAILED, failure_code=code, failure_text=why)
        progress.finish(t, status, code=code, why=why or code)


def wake_handler(t: Transition, approval: Approval, step: Step, *, granted: bool) -> None:
    """Let a handler that waits in ctx.approve be entered again; a grant makes its claim a guarded one."""
    if step.waiting_for != f"approval:{approval.key}":
        return
    ready = max(t.now, approval.not_before or t.now)
    t.move(step, StepStatus.READY, ready_at=ready, guarded=step.guarded or granted)
    t.ring(step.queue)
    progress.settle(t)


def envelope(approval: Approval) -> dict[str, Any]:
    """The approved action as a step's output."""
    return {
        ENVELOPE: {
            "type": approval.action_type,
            "args": approval.current_args,
            "title": approval.title,
            "impact": approval.impact,
            "description": approval.description,
            "target": approval.binding["target"],
            "reversible": approval.reversible,
            "model": approval.action_model,
        }
    }
