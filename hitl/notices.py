"""What the one door puts into the outbox by itself: every end of a request, every step whose end nobody knows, and
every failure of what people had approved. Who is told is found out when it is delivered."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models

from hitl.audit import SYSTEM, Entry
from hitl.models import Approval, Notification, Run, Step

_ENDS = frozenset({"approved", "rejected", "answered", "expired", "cancelled", "revoked"})
_STEPS = frozenset({"uncertain", "failed"})


def of_end(run: Run, row: models.Model, to: str) -> tuple[Notification, str] | None:
    """The notice of a status that somebody wants to hear of, and the subject of its record; None for any other."""
    if isinstance(row, Approval) and to in _ENDS:
        return Notification(approval=row, run=run, kind=to, dedupe_key=f"{to}:{row.pk}"), f"approval:{row.pk}"
    if isinstance(row, Step) and to in _STEPS and row.kind != "gate":
        key = f"{to}:{row.pk}:{row.attempt}"
        return Notification(run=run, kind=to, payload={"step": row.name}, dedupe_key=key), f"step:{row.name}"
    return None


def signed(notice: Notification, about: str, entries: Sequence[Entry], seq: int) -> Notification:
    """The notice with who did it and the number of the record of it, where `seq` is the number of the last entry."""
    back = next((back for back, entry in enumerate(reversed(entries)) if entry.subject == about), None)
    who = SYSTEM if back is None else entries[len(entries) - 1 - back].actor
    notice.payload = {**(notice.payload or {}), "seq": seq - (back or 0), "actor": who.text}
    return notice
