"""Requests that are to be pushed up, or whose reviewers are to be reminded."""

from __future__ import annotations

from hitl import clock, decisions
from hitl.engine.sweeps.each import each
from hitl.models import Approval


def escalate() -> int:
    """Ask the next rung where its time has come."""
    return each(Approval.objects.escalate_due(clock.now()).order_by("escalate_at"), decisions.escalate_due)


def remind() -> int:
    """Remind where the time has come."""
    return each(Approval.objects.remind_due(clock.now()).order_by("remind_at"), decisions.remind_due)
