"""The Celery app: Redis in production, memory in the embedded default, told apart by `REDIS_URL` alone."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun
from django.db import close_old_connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

app = Celery("hitl")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Celery closes Django's connection before and after every task whatever CONN_MAX_AGE says. Kept open instead, and
# closed by Django's own rule (age, errors), a gated run costs PostgreSQL a third.
app.conf.CELERY_DB_REUSE_MAX = 1_000_000


@task_prerun.connect
@task_postrun.connect
def _close_stale_connections(**kwargs: Any) -> None:
    close_old_connections()


@setup_logging.connect
def _keep_django_logging(**kwargs: Any) -> None:
    """Celery leaves logging to Django's settings."""
