"""What people say about a request without deciding it."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import notifications
from hitl.decisions.acts.scene import act, check_text
from hitl.models import Approval, Comment, Watch


def comment(approval: Approval | uuid.UUID | str, *, actor: Any, text: str) -> Comment:
    """Leave a remark for everybody who sees the request; also after its end. Who watches it or is mentioned is told.

    Raises UnknownApproval, NotAllowed for programs, and InvalidDecision for an empty or too long text.
    """
    with act(approval, "comment", actor=actor) as scene:
        check_text(text, "text", needed=True)
        row = Comment(approval=scene.approval, author_id=scene.actor.user_pk, text=text.strip(), at=scene.t.now)
        scene.t.add(row)
        scene.record("hitl.approval.commented", text=row.text)
        said = {"part": f"{scene.actor.id}:{scene.t.now.isoformat()}", "text": row.text, "by": scene.actor.name}
        notifications.tell(scene.t, "comment", scene.approval, **said)
    return row


def watch(approval: Approval | uuid.UUID | str, *, actor: Any) -> bool:
    """Be listed as following a request; False when one does already. Raises UnknownApproval and NotAllowed."""
    with act(approval, "watch", actor=actor) as scene:
        fresh = not Watch.objects.filter(approval=scene.approval, user=scene.actor.user_pk).exists()
        if fresh:
            scene.t.add(Watch(approval=scene.approval, user_id=scene.actor.user_pk, at=scene.t.now))
            scene.record("hitl.approval.watched")
    return fresh


def unwatch(approval: Approval | uuid.UUID | str, *, actor: Any) -> bool:
    """Stop watching; False when one did not. Raises UnknownApproval and NotAllowed."""
    with act(approval, "watch", actor=actor) as scene:
        gone, _ = Watch.objects.filter(approval=scene.approval, user=scene.actor.user_pk).delete()
        if gone:
            scene.record("hitl.approval.unwatched")
    return bool(gone)
