"""Taking an approval back, as long as nothing has started."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import progress
from hitl.audit import Actor
from hitl.decisions.inbox import find_visible
from hitl.decisions.resolve import wake_handler
from hitl.exceptions import AlreadyConsumed, ApprovalClosed, HitlError, NotAllowed
from hitl.models import Approval, Decision
from hitl.states import ApprovalStatus, RunStatus, StepStatus
from hitl.transitions import Transition, locked


def revoke(approval: Approval | uuid.UUID | str, *, actor: Any, comment: str = "") -> Approval:
    """Revoke an approval whose grant is not used yet; one of those who approved it may.

    The run ends as rejected with code `revoked`; a handler that asked with ctx.approve goes on with status revoked.
    Against the claim of the protected step the first commit wins. Raises UnknownApproval, AlreadyConsumed,
    ApprovalClosed or NotAllowed.
    """
    row = find_visible(approval, actor)
    who = Actor.of(actor)
    with locked(row.run_id) as t:
        row = Approval.objects.select_for_update().get(pk=row.pk)
        error = _why_not(row, who)
        if error is not None:
            t.refuse(error, "hitl.revoke.refused", f"approval:{row.pk}", actor=who, title=row.title)
        else:
            _revoke(t, row, who, comment.strip())
    return row


def _why_not(approval: Approval, who: Actor) -> HitlError | None:
    votes = Decision.objects.filter(approval=approval.pk, actor__is_active=True, withdrawn_at=None)
    if not who.is_person or not votes.filter(actor__pk=who.id).exists():
        return NotAllowed("only those who approved this can revoke it", reason="not_voter")
    if approval.consumed_at is not None:
        return AlreadyConsumed(consumed_at=approval.consumed_at.isoformat())
    if approval.status != ApprovalStatus.APPROVED:
        return ApprovalClosed(f"there is no approval to revoke: {approval.status}", status=approval.status)
    return None


def _revoke(t: Transition, approval: Approval, who: Actor, comment: str) -> None:
    why = comment or "no reason given"
    t.move(approval, ApprovalStatus.REVOKED)
    t.record("hitl.approval.revoked", f"approval:{approval.pk}", actor=who, title=approval.title, why=why)
    step = t.step_by_id(approval.step_id)
    if not approval.key:
        progress.finish(t, RunStatus.REJECTED, code="revoked", why=f"the approval was revoked: {why}")
    elif step is not None and step.status == StepStatus.WAITING:
        wake_handler(t, approval, step, granted=False)
    elif step is not None and step.status == StepStatus.READY:
        t.set(step, ready_at=t.now)
