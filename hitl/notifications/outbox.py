"""The outbox: a row written with the change it tells of, so that neither exists without the other."""

from __future__ import annotations

from typing import Any

from hitl.models import Approval, Notification
from hitl.transitions import Transition


def tell(t: Transition, kind: str, approval: Approval, *, part: str = "", to: Any = None, **said: Any) -> None:
    """Tell everybody concerned by this approval, or one person: one row now, one a person when it is delivered.

    `part` tells apart what may be said several times: the stage, the rung, the moment; `said` is for its words.
    """
    if kind == "info":
        said |= {"title": approval.title, "impact": approval.impact, "description": approval.description}
    row = Notification(
        approval=approval,
        run=t.run,
        kind=kind,
        recipient=to,
        payload=said or None,
        dedupe_key=":".join(filter(None, [kind, str(approval.pk), part, "" if to is None else str(to.pk)])),
    )
    t.tell(row, f"approval:{approval.pk}")
