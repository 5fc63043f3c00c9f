"""Requests that are to be pushed up."""

from __future__ import annotations

from hitl import clock, decisions
from hitl.engine.sweeps.each import each
from hitl.models import Approval


def run() -> int:
    """Ask the next rung where its time has come."""
    return each(Approval.objects.escalate_due(clock.now()).order_by("escalate_at"), decisions.escalate_due)
