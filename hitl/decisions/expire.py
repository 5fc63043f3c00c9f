"""What time does to a request: reminders, the ladder, and in the end what silence means: no, unless the policy of a
low-risk, reversible action says otherwise, or there is somebody further up."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext_noop as _

from hitl import notifications, progress
from hitl.decisions.resolve import resolve
from hitl.decisions.stages import climb, times
from hitl.models import Approval, sql
from hitl.policies import when
from hitl.policies.acts import silence
from hitl.states import ApprovalStatus, RunStatus
from hitl.transitions import Transition, locked


def expire(approval: Approval) -> bool:
    """End a request whose deadline has passed by the database's clock; False when it is decided, or not yet due.

    Raises RunBusy when somebody else holds the run: perhaps a decision that is just in time.
    """
    return _when(approval, lambda t, row: t.now >= row.expires_at, expire_now)


def escalate_due(approval: Approval) -> bool:
    """Go one rung up if its time has come; False when it has not, or the request is closed. Raises RunBusy."""
    return _when(
        approval, lambda t, row: row.escalate_at is not None and row.escalate_at <= t.now < row.expires_at, _up
    )


def remind_due(approval: Approval) -> bool:
    """Remind those who are asked if the time has come; False when it has not. Raises RunBusy."""
    return _when(
        approval, lambda t, row: row.remind_at is not None and row.remind_at <= t.now < row.expires_at, _remind
    )


def expire_now(t: Transition, approval: Approval) -> None:
    """Apply `on_timeout` in the caller's transition; the caller has compared the clocks."""
    meant = silence(approval)
    if meant == "approve":
        why = "nobody answered in time, as its policy says"
        resolve(t, approval, ApprovalStatus.APPROVED, via="timeout", action="hitl.approval.passed", why=why)
    elif meant == "escalate":
        stage = approval.required.stages[approval.stage]
        t.set(approval, stage_opened_at=t.now, expires_at=when(t.now, stage.timeout or 0))
        climb(t, approval, sql.votes_of(approval.pk), why=_("nobody decided in time"))
    else:
        why = "nobody decided in time"
        resolve(t, approval, ApprovalStatus.EXPIRED, via="timeout", action="hitl.approval.expired", why=why)


def _up(t: Transition, approval: Approval) -> None:
    climb(t, approval, sql.votes_of(approval.pk), why=_("nobody decided yet"))


def _remind(t: Transition, approval: Approval) -> None:
    at = approval.remind_at
    stage = approval.required.stages[approval.stage]
    t.set(approval, reminded_at=t.now, remind_at=times(stage, approval.stage_opened_at, t.now)["remind_at"])
    t.record("hitl.approval.reminded", f"approval:{approval.pk}", title=approval.title)
    came = [after for after in stage.remind if at and when(approval.stage_opened_at, after) <= at]
    said = {"number": len(came), "of": len(stage.remind)}
    notifications.tell(t, "reminder", approval, part=at.isoformat() if at else "", **said)


def _when(
    approval: Approval, due: Callable[[Transition, Approval], bool], act: Callable[[Transition, Approval], None]
) -> bool:
    """Act on a pending request that is due by the database's clock."""
    with locked(approval.run_id, skip_locked=True) as t:
        row = sql.lock_approval(approval.pk)
        if row.status != ApprovalStatus.PENDING or not due(t, row):
            return False
        act(t, row)
    return True


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
