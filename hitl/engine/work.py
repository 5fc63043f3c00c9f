"""A worker's turn: look at the queue, claim one step after the other, and let go when there is nothing left.

Steps are picked without a lock, a handful at a time, and claimed one by one: nothing waits behind a slow step, and a
worker that was too late loses one statement.
"""

from __future__ import annotations

import logging
import time
import uuid

from hitl import dispatch
from hitl.conf import conf
from hitl.engine.claim import Picked, claim, pick
from hitl.engine.execute import execute
from hitl.engine.gates import settle_ready
from hitl.engine.sweeps import sweep_if_overdue

log = logging.getLogger(__name__)


def drain(queue: str) -> int:
    """Run what is ready on this queue until nothing is, or the worker's time is over; returns how many steps ran."""
    dispatch.answer(dispatch.WORK, queue)
    sweep_if_overdue()
    until = time.monotonic() + conf.DRAIN.total_seconds()
    ran, lost, rang = 0, set[uuid.UUID](), False
    while picked := [step for step in pick(queue) if step.step_id not in lost]:
        if len(picked) > 1 and not rang:
            dispatch.ring(queue)  # more than one worker can help
            rang = True
        for step in picked:
            done = _follow(step)
            ran += done
            if not done:
                lost.add(step.step_id)
        if time.monotonic() > until:
            dispatch.ring(queue)
            break
    return ran


def _follow(step: Picked) -> int:
    """Run one step, and inline whatever it leads to; returns how many ran."""
    ran = 0
    following: Picked | None = step
    while following is not None and settle_ready(following):
        claimed = claim(following)
        if claimed is None:
            break
        following = execute(claimed)
        ran += 1
    return ran
