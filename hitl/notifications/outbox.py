"""The outbox: a row written with the change it tells of, so that neither exists without the other."""

from __future__ import annotations

from typing import Any

from hitl.models import Approval, Notification
from hitl.transitions import Transition


def tell(t: Transition, kind: str, approval: Approval, *, part: str = "", to: Any = None) -> None:
    """Tell everybody concerned by this approval, or one person: one row now, one a person when it is delivered.

    `part` tells apart what may be said several times: the stage, the rung, the moment.
    """
    told = {"title": approval.title, "impact": approval.impact, "description": approval.description}
    row = Notification(
        approval=approval,
        run=t.run if kind == "info" else None,
        kind=kind,
        recipient=to,
        channel="" if to is None else "email",
        payload=told if kind == "info" else None,
        dedupe_key=":".join(filter(None, [kind, str(approval.pk), part, "" if to is None else str(to.pk)])),
        created_at=t.now,
        next_attempt_at=t.now,
    )
    t.add(row)
    t.ring_delivery()
