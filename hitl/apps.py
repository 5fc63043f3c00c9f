"""Where Django meets hitl: finds workflows, registers checks, keeps triggers and the Beat row in place."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules


class HitlConfig(AppConfig):
    """The hitl app."""

    name = "hitl"
    verbose_name = "Human in the loop"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind `Workflow.start`, import every app's `workflows.py`, and wire what follows a migration."""
        from hitl import checks as ours
        from hitl import engine
        from hitl.definition import registry

        registry.bind(start=engine.start)
        autodiscover_modules("workflows")
        checks.register(ours.check_workflows)
        checks.register(ours.check_settings)
        checks.register(ours.check_calendars)
        checks.register(ours.check_slack)
        checks.register(ours.check_database, checks.Tags.database)
        post_migrate.connect(_after_migrate, sender=self)


def _after_migrate(using: str, **kwargs: Any) -> None:
    from hitl.models import triggers
    from hitl.schedule import ensure_sweep

    if "hitl_auditrecord" in _tables(using):
        triggers.install(using)
    ensure_sweep(using)


def _tables(using: str) -> list[str]:
    from django.db import connections

    return connections[using].introspection.table_names()
