"""Notices that are due."""

from __future__ import annotations

from hitl import clock, dispatch, notifications
from hitl.models import Notification


def run() -> int:
    """Ring whoever delivers, if there is anything to deliver."""
    now = clock.now()
    people = Notification.objects.due(now, notifications.PEOPLE).exists()
    programs = Notification.objects.due(now, notifications.PROGRAMS).exists()
    if people:
        dispatch.ring_delivery()
    if programs:
        dispatch.ring_hooks()
    return people + programs
