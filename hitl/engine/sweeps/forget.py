"""Answers that are kept for a repeated call no longer."""

from __future__ import annotations

from hitl import clock
from hitl.models import IdempotencyRecord

_BATCH = 1000


def run() -> int:
    """Forget those whose time is over, a batch at a time."""
    old = IdempotencyRecord.objects.filter(expires_at__lte=clock.now()).order_by("expires_at")
    gone = list(old.values_list("pk", flat=True)[:_BATCH])
    return IdempotencyRecord.objects.filter(pk__in=gone).delete()[0] if gone else 0
