"""Runs that took longer than their workflow allows."""

from __future__ import annotations

from hitl import clock, progress
from hitl.engine.sweeps.each import each
from hitl.models import Run
from hitl.states import RUN_ENDS, RunStatus
from hitl.transitions import locked


def run() -> int:
    """End runs past their deadline as failed."""
    return each(Run.objects.past_deadline(clock.now()).order_by("deadline_at"), _end)


def _end(row: Run) -> bool:
    with locked(row.pk, skip_locked=True) as t:
        if t.run.status in RUN_ENDS or t.run.deadline_at is None or t.now < t.run.deadline_at:
            return False
        progress.finish(t, RunStatus.FAILED, code="deadline", why="the run took longer than its workflow allows")
    return True
