"""What silence means: no, unless the policy of a low-risk, reversible action says otherwise."""

from __future__ import annotations

from hitl import progress
from hitl.decisions.resolve import resolve
from hitl.models import Approval
from hitl.states import ApprovalStatus, RunStatus
from hitl.transitions import Transition, locked


def expire(approval: Approval) -> bool:
    """End a request whose deadline has passed by the database's clock; False when it is decided, or not yet due.

    Raises RunBusy when somebody else holds the run: perhaps a decision that is just in time.
    """
    with locked(approval.run_id, skip_locked=True) as t:
        row = Approval.objects.select_for_update().get(pk=approval.pk)
        if row.status != ApprovalStatus.PENDING or t.now < row.expires_at:
            return False
        expire_now(t, row)
    return True


def expire_now(t: Transition, approval: Approval) -> None:
    """Apply `on_timeout` in the caller's transition; the caller has compared the clocks."""
    if approval.required.on_timeout == "approve" and approval.risk == "low" and approval.reversible:
        resolve(t, approval, ApprovalStatus.APPROVED, via="timeout", action="hitl.approval.passed")
        return
    why = "nobody decided in time"
    resolve(t, approval, ApprovalStatus.EXPIRED, via="timeout", action="hitl.approval.expired", why=why)


def expire_grant(approval: Approval) -> bool:
    """End a grant that was not used in time: the run fails, and the approval says so. False when it was used."""
    with locked(approval.run_id, skip_locked=True) as t:
        row = Approval.objects.select_for_update().get(pk=approval.pk)
        used = row.status != ApprovalStatus.APPROVED or row.consumed_at is not None
        if used or row.execute_by is None or t.now < row.execute_by:
            return False
        lapse(t, row)
    return True


def lapse(t: Transition, approval: Approval) -> None:
    """The grant's time is over: expire it and fail the run, in the caller's transition."""
    why = "the approved action was not started in time"
    t.move(approval, ApprovalStatus.EXPIRED)
    t.record("hitl.approval.expired", f"approval:{approval.pk}", title=approval.title, why=why)
    progress.finish(t, RunStatus.FAILED, code="grant_expired", why=why)
