"""Taking back: a vote, an approval, the request itself."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import progress
from hitl.decisions.acts.scene import Scene, act
from hitl.decisions.resolve import wake_handler
from hitl.decisions.stages import enough_people
from hitl.models import Approval
from hitl.states import ApprovalStatus, RunStatus, StepStatus


def withdraw(approval: Approval | uuid.UUID | str, *, actor: Any, reason: str = "") -> Approval:
    """Take back one's own vote while its stage is open; one may vote again.

    Raises UnknownApproval, NotAllowed (`no_vote`), AlreadyDecided, ApprovalClosed or StaleApproval.
    """
    with act(approval, "withdraw", actor=actor, reason=reason) as scene:
        own = next(v for v in scene.votes if v.actor_id == scene.actor.user_pk and v.stage == scene.approval.stage)
        scene.t.set(own, withdrawn_at=scene.t.now)
        scene.record("hitl.approval.withdrawn", verdict=own.verdict, why=reason.strip())
        enough_people(scene.t, scene.approval, [vote for vote in scene.votes if vote is not own])
    return scene.approval


def revoke(approval: Approval | uuid.UUID | str, *, actor: Any, reason: str = "") -> Approval:
    """Take an approval back whose grant is not used yet; those who approved it may, and operators.

    The run ends as rejected with code `revoked`; a handler that asked with ctx.approve goes on with status revoked.
    Against the claim of the protected step the first commit wins. Raises UnknownApproval, AlreadyConsumed,
    ApprovalClosed or NotAllowed.
    """
    with act(approval, "revoke", actor=actor, reason=reason) as scene:
        _revoke(scene, reason.strip() or "no reason given")
    return scene.approval


def cancel(approval: Approval | uuid.UUID | str, *, actor: Any, reason: str = "") -> Approval:
    """The side that asked does not want it any more: the run ends as cancelled, and this request with it.

    Who asked, for whom, their agent, its owner, and operators may. Raises UnknownApproval, NotAllowed (`not_yours`),
    AlreadyDecided, ApprovalClosed or StaleApproval.
    """
    with act(approval, "cancel", actor=actor, reason=reason) as scene:
        why = reason.strip() or "no reason given"
        # This one by name: what else closes with the run leaves alone what this transition has changed already.
        scene.t.move(scene.approval, ApprovalStatus.CANCELLED, decided_via="cancel")
        scene.t.record("hitl.approval.cancelled", f"approval:{scene.approval.pk}", title=scene.approval.title, why=why)
        progress.finish(scene.t, RunStatus.CANCELLED, code="cancelled", why=why, actor=scene.actor)
    progress.end_children(scene.approval.run_id, actor=scene.actor)
    return Approval.objects.get(pk=scene.approval.pk)


def _revoke(scene: Scene, why: str) -> None:
    t, approval = scene.t, scene.approval
    t.move(approval, ApprovalStatus.REVOKED)
    scene.record("hitl.approval.revoked", why=why)
    step = t.step_by_id(approval.step_id)
    if not approval.key:
        progress.finish(t, RunStatus.REJECTED, code="revoked", why=f"the approval was revoked: {why}")
    elif step is not None and step.status == StepStatus.WAITING:
        wake_handler(t, approval, step, granted=False)
    elif step is not None and step.status == StepStatus.READY:
        t.set(step, ready_at=t.now)
