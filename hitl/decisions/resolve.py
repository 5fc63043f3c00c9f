"""What an answer means for the run: the gate's step ends, what it protects becomes ready, or the run ends."""

from __future__ import annotations

from typing import Any

from hitl import parked, progress
from hitl.audit import SYSTEM, Actor
from hitl.decisions.stages import grant_times
from hitl.definition.action import ENVELOPE
from hitl.models import Approval, Step
from hitl.policies import when
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
    if to == ApprovalStatus.APPROVED:
        t.set(approval, effective_bytes=effective, effective_digest=effective_digest)
        t.set(approval, **grant_times(approval, t.now))
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
        _go_on(t, approval, step, to, why, data.get("response"))


def _go_on(t: Transition, approval: Approval, step: Step, to: ApprovalStatus, why: str, response: Any) -> None:
    if approval.key:  # asked inside a handler: it is entered again and reads the answer
        wake_handler(t, approval, step, granted=to == ApprovalStatus.APPROVED and approval.kind == "approval")
    elif to == ApprovalStatus.APPROVED:
        t.move(step, StepStatus.SUCCEEDED, output=envelope(approval))
        progress.follow(t, not_before=approval.not_before)
    elif to == ApprovalStatus.ANSWERED:
        t.move(step, StepStatus.SUCCEEDED, output=response)
        progress.follow(t)
    elif to == ApprovalStatus.REVISION_REQUESTED:
        _revise(t, approval, step, why)
    else:
        status, code = _ENDS[to]
        t.move(step, StepStatus.FAILED, failure_code=code, failure_text=why)
        progress.refuse_step(t, step, status, code, why or code)


def _revise(t: Transition, approval: Approval, gate: Step, why: str) -> None:
    """Back to the step that proposed, with the reviewer's instructions; a bounded number of times. An agent outside
    has as long to propose again as people have to decide."""
    spec = t.spec(gate)
    asks = spec.asks
    made = gate.revision if spec.after else approval.revision
    if asks is None or made > asks.max_revisions:
        t.move(gate, StepStatus.FAILED, failure_code="max_revisions", failure_text=why)
        progress.refuse_step(t, gate, RunStatus.REJECTED, "max_revisions", why)
        return
    if not spec.after:
        again = when(t.now, approval.required.stages[0].timeout or 0)
        t.set(gate, waiting_for="revision", wake_at=again)
        return
    t.move(gate, StepStatus.CANCELLED)
    progress.restart(t, asks.revise or spec.after[0], why, why=f"a revision was requested: {why}")
    progress.follow(t)


def wake_handler(t: Transition, approval: Approval, step: Step, *, granted: bool) -> None:
    """Let a handler that waits for this request be entered again; a grant makes its claim a guarded one."""
    if not parked.waits_for(step, "approval", approval.key):
        return
    if step.waiting_for.startswith("any:"):
        parked.win(t, step, "approval", approval.key, str(approval.pk))
    parked.wake(t, step, ready_at=approval.not_before, guarded=granted)


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
