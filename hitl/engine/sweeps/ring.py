"""Bells that were lost, or whose time has only now come."""

from __future__ import annotations

from hitl import clock, dispatch
from hitl.definition.specs import EXTERNAL
from hitl.models import Step
from hitl.states import StepStatus


def run() -> int:
    """Ring every queue on which a step is due; a bell too many wakes a worker that finds nothing."""
    due = Step.objects.filter(status=StepStatus.READY, ready_at__lte=clock.now())
    queues = list(due.exclude(queue__startswith=EXTERNAL).order_by("queue").values_list("queue", flat=True).distinct())
    for queue in queues:
        dispatch.ring(queue)
    return len(queues)
