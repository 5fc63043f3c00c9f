"""The outbox: a row written with the change it tells of, so that neither exists without the other."""

from __future__ import annotations

from hitl.models import Approval, Notification
from hitl.transitions import Transition


def tell(t: Transition, kind: str, approval: Approval) -> None:
    """Tell everybody concerned by this approval: one row now, one a person when it is delivered."""
    t.add(
        Notification(
            approval=approval,
            kind=kind,
            dedupe_key=f"{kind}:{approval.pk}",
            created_at=t.now,
            next_attempt_at=t.now,
        )
    )
    t.ring_delivery()
