"""Steps whose wait has ended by time."""

from __future__ import annotations

from hitl import clock
from hitl.engine.signals import time_out
from hitl.engine.sweeps.each import each
from hitl.models import Step
from hitl.states import StepStatus
from hitl.transitions import locked


def run() -> int:
    """Wake what is due."""
    return each(Step.objects.wake_due(clock.now()).order_by("wake_at"), _wake)


def _wake(row: Step) -> bool:
    with locked(row.run_id, skip_locked=True) as t:
        step = t.step_by_id(row.pk)
        if step is None or step.status != StepStatus.WAITING or step.wake_at is None or t.now < step.wake_at:
            return False
        time_out(t, step)
    return True
