"""Requests nobody decided in time, and grants nobody used in time."""

from __future__ import annotations

from hitl import clock, decisions
from hitl.engine.sweeps.each import each
from hitl.models import Approval


def run() -> int:
    """End what is overdue; the deadline is compared again with the database's clock, under the lock."""
    now = clock.now()
    ended = each(Approval.objects.overdue(now).order_by("expires_at"), decisions.expire)
    return ended + each(Approval.objects.grant_overdue(now).order_by("execute_by"), decisions.expire_grant)
