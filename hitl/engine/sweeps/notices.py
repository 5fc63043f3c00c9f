"""Notices that are due."""

from __future__ import annotations

from hitl import clock, dispatch
from hitl.models import Notification


def run() -> int:
    """Ring whoever delivers, if there is anything to deliver."""
    if not Notification.objects.due(clock.now()).exists():
        return 0
    dispatch.ring_delivery()
    return 1
