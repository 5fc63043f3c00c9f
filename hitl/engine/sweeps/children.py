"""Runs that other runs wait for: a child's end that its parent was not told of, and children of parents that ended."""

from __future__ import annotations

from hitl import progress
from hitl.audit import SYSTEM
from hitl.engine.control import cancel
from hitl.engine.sweeps.each import each
from hitl.models import Run
from hitl.states import RUN_ENDS, StepStatus


def run() -> int:
    """Wake parents of ended children, and cancel children whose parent is gone."""
    children = Run.objects.filter(parent_step__isnull=False).select_related("parent_step")
    untold = children.filter(status__in=RUN_ENDS, parent_step__status=StepStatus.WAITING)
    left = children.live().filter(parent_step__run__status__in=RUN_ENDS)
    return each(untold, progress.wake_parent) + each(left, _cancel)


def _cancel(child: Run) -> bool:
    cancel(child, actor=SYSTEM, reason="the run that waited for it has ended")
    return True
