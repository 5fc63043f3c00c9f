"""What Django's system checks say about workflows, settings and the database."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from hitl.conf import DEFAULTS
from hitl.definition import registry
from hitl.exceptions import InvalidWorkflow
from hitl.models import triggers


def check_workflows(**kwargs: Any) -> list[CheckMessage]:
    """hitl.E001: a workflow's definition is wrong."""
    found: list[CheckMessage] = []
    for workflow in registry.registered():
        try:
            workflow.definition()
        except InvalidWorkflow as error:
            found.append(Error(error.message, obj=workflow, id="hitl.E001"))
    return found


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """hitl.E002: an unknown HITL_ setting; hitl.E003: SQLite without IMMEDIATE; hitl.E004: ATOMIC_REQUESTS."""
    found: list[CheckMessage] = []
    for name in dir(settings):
        if name.startswith("HITL_") and name not in DEFAULTS:
            found.append(Error(f"{name} is no setting of hitl", hint="See docs/reference/settings.md.", id="hitl.E002"))
    database = settings.DATABASES["default"]
    if "sqlite3" in database["ENGINE"] and database.get("OPTIONS", {}).get("transaction_mode") != "IMMEDIATE":
        hint = 'Set OPTIONS["transaction_mode"] = "IMMEDIATE": SQLite loses decisions under load otherwise.'
        found.append(Error("SQLite is used without IMMEDIATE transactions", hint=hint, id="hitl.E003"))
    if database.get("ATOMIC_REQUESTS"):
        hint = "hitl rings workers after its own commit; a transaction around the request would delay it."
        found.append(Error("ATOMIC_REQUESTS is on", hint=hint, id="hitl.E004"))
    return found


def check_database(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """hitl.W001: audit records are not protected against changes."""
    return [
        Warning(f"{table} can be changed", hint="Run manage.py migrate: it installs the triggers.", id="hitl.W001")
        for alias in databases or []
        if alias == "default" and "hitl_auditrecord" in connections[alias].introspection.table_names()
        for table in triggers.missing(alias)
    ]
