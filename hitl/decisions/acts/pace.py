"""How fast it goes: pushed up, put off, called to mind."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from hitl import notifications
from hitl.decisions.acts.scene import act
from hitl.decisions.stages import climb
from hitl.exceptions import InvalidDecision
from hitl.models import Approval
from hitl.policies.acts import latest_deadline


def escalate(approval: Approval | uuid.UUID | str, *, actor: Any, reason: str = "") -> Approval:
    """Ask the next rung of the ladder now; reviewers and operators may. Votes that are cast stay valid.

    Raises UnknownApproval, NotAllowed (`no_rung`: nobody is further up), AlreadyDecided, ApprovalClosed, StaleApproval.
    """
    with act(approval, "escalate", actor=actor, reason=reason) as scene:
        why = reason.strip() or "no reason given"
        climb(scene.t, scene.approval, scene.votes, actor=scene.actor, why=why)
    return scene.approval


def extend(approval: Approval | uuid.UUID | str, *, actor: Any, until: datetime, reason: str = "") -> Approval:
    """Put the deadline off, at most to the policy's cap; reviewers and operators may.

    Raises like `escalate` (`at_cap`), and InvalidDecision for a time before the deadline that stands or beyond the cap.
    """
    with act(approval, "extend", actor=actor, reason=reason) as scene:
        cap = latest_deadline(scene.approval)
        if until.tzinfo is None or not scene.approval.expires_at < until <= cap:
            until_when = f"after {scene.approval.expires_at.isoformat()} and not after {cap.isoformat()}"
            raise InvalidDecision(fields={"until": f"a time with its zone, {until_when}"})
        before = scene.approval.expires_at.isoformat()
        scene.t.set(scene.approval, expires_at=until)
        scene.record("hitl.approval.extended", before=before, until=until.isoformat(), why=reason.strip())
    return scene.approval


def remind(approval: Approval | uuid.UUID | str, *, actor: Any) -> Approval:
    """Tell those who are asked once more, at most every 15 minutes; who asked, who is asked, and operators may.

    Raises like `escalate` (`too_soon`).
    """
    with act(approval, "remind", actor=actor) as scene:
        scene.t.set(scene.approval, reminded_at=scene.t.now)
        scene.record("hitl.approval.reminded")
        notifications.tell(scene.t, "reminder", scene.approval, part=scene.t.now.isoformat(), by=scene.actor.name)
    return scene.approval
