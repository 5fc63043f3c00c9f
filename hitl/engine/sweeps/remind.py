"""Requests whose reviewers are to be reminded."""

from __future__ import annotations

from hitl import clock, decisions
from hitl.engine.sweeps.each import each
from hitl.models import Approval


def run() -> int:
    """Remind where the time has come."""
    return each(Approval.objects.remind_due(clock.now()).order_by("remind_at"), decisions.remind_due)
