"""Steps whose worker has been silent for too long."""

from __future__ import annotations

from hitl import clock, progress
from hitl.engine.outcome import backoff
from hitl.engine.sweeps.each import each
from hitl.models import Step
from hitl.states import StepStatus
from hitl.transitions import locked


def run() -> int:
    """Take back what dead workers held: try it again, or say that nobody knows whether it happened."""
    return each(Step.objects.lease_expired(clock.now()).order_by("lease_expires_at"), rescue)


def rescue(row: Step) -> bool:
    """Rescue one step; False when its worker came back, or somebody else was faster."""
    with locked(row.run_id, skip_locked=True) as t:
        step = t.step_by_id(row.pk)
        if step is None or step.status != StepStatus.RUNNING or step.lease_token != row.lease_token:
            return False
        if step.lease_expires_at is None or t.now < step.lease_expires_at:
            return False
        spec = t.spec(step)
        if not spec.repeatable:
            t.move(step, StepStatus.UNCERTAIN)
            t.record("hitl.step.uncertain", f"step:{step.name}", step=step.name, attempt=step.attempt)
            progress.settle(t)
        elif step.attempt >= spec.max_attempts:
            progress.fail_step(t, step, "worker_lost", f"its worker died in attempt {step.attempt}")
        else:
            t.move(
                step,
                StepStatus.READY,
                attempt=step.attempt + 1,
                ready_at=t.now + backoff(spec.backoff, step.attempt),
            )
            t.record("hitl.step.rescued", f"step:{step.name}", step=step.name, attempt=step.attempt)
            t.ring(step.queue)
            progress.settle(t)
    return True
