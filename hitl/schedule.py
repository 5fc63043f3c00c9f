"""The one Celery Beat row: the sweep. Created once, so that operators' changes to it survive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connections

from hitl.conf import conf

NAME = "hitl: sweep"


def ensure_sweep(using: str = "default") -> None:
    """Create the sweep's row if there is none; does nothing without django-celery-beat or before its migrations."""
    if not apps.is_installed("django_celery_beat"):
        return
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    if task._meta.db_table not in connections[using].introspection.table_names():
        return
    every: timedelta = conf.SWEEP_INTERVAL
    schedule: Any = apps.get_model("django_celery_beat", "IntervalSchedule")
    interval, _ = schedule.objects.using(using).get_or_create(
        every=max(1, round(every.total_seconds())), period="seconds"
    )
    task.objects.using(using).get_or_create(
        name=NAME,
        defaults={
            "task": "hitl.sweep",
            "interval": interval,
            "queue": "sweep",
            # A beat that fell behind must not flood the queue with ticks nobody needs any more.
            "expire_seconds": max(2, round(2 * every.total_seconds())),
            "description": "Expires, wakes, rescues, rings and delivers whatever is due.",
        },
    )
