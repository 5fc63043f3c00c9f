"""The periodic duties, one file each: whatever is due by time, and whatever a lost message left behind.

Each duty is safe to run twice at once, costs in proportion to what is due, and returns how many rows it moved. One
failing duty does not keep the others from running.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from hitl import clock
from hitl.conf import conf
from hitl.engine.sweeps import children, deadlines, escalate, expire, forget, notices, remind, rescue, ring, wake
from hitl.models import SweepMark

log = logging.getLogger(__name__)

DUTIES: dict[str, Callable[[], int]] = {
    "expire": expire.run,
    "remind": remind.run,
    "escalate": escalate.run,
    "wake": wake.run,
    "rescue": rescue.run,
    "deadlines": deadlines.run,
    "children": children.run,
    "ring": ring.run,
    "notices": notices.run,
    "forget": forget.run,
}
_MARK = "sweep"
_asked_at = float("-inf")


def sweep() -> dict[str, int]:
    """Do every duty once and leave a mark; returns how many rows each moved (-1: it failed, and is logged)."""
    moved: dict[str, int] = {}
    for name, duty in DUTIES.items():
        try:
            moved[name] = duty()
        except Exception:
            log.exception("the sweep's duty %r failed", name)
            moved[name] = -1
    total = sum(count for count in moved.values() if count > 0)
    SweepMark.objects.update_or_create(name=_MARK, defaults={"swept_at": clock.now(), "moved": total})
    return moved


def last_sweep_age() -> timedelta | None:
    """How long ago a sweep came to its end; None when there never was one."""
    mark = SweepMark.objects.filter(name=_MARK).first()
    return None if mark is None else clock.now() - mark.swept_at


def sweep_if_overdue() -> bool:
    """A worker's own care: sweep when nobody has for too long. Asks the database once in a while only."""
    global _asked_at
    limit: timedelta = conf.SWEEP_OVERDUE
    if time.monotonic() - _asked_at < limit.total_seconds():
        return False
    _asked_at = time.monotonic()
    age = last_sweep_age()
    if age is not None and age < limit:
        return False
    sweep()
    return True
