"""What Django's system checks say about workflows, settings and the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections
from pydantic import ValidationError

from hitl.conf import DEFAULTS, conf
from hitl.definition import registry
from hitl.definition.policy import Calendar
from hitl.definition.values import explain
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


def check_calendars(**kwargs: Any) -> list[CheckMessage]:
    """hitl.E005: what is set as a calendar of business hours is none, or a gate names one there is not."""
    found: list[CheckMessage] = []
    for name, given in {"HITL_CALENDAR": conf.CALENDAR, **conf.CALENDARS}.items():
        try:
            Calendar.model_validate({"time_zone": settings.TIME_ZONE, **given})
        except (TypeError, ValidationError) as error:
            told = explain(error) if isinstance(error, ValidationError) else "it is a dictionary"
            found.append(Error(f"the calendar {name} is wrong: {told}", id="hitl.E005"))
    return found + [_unknown_calendar(workflow, name) for workflow, name in _named() if name not in conf.CALENDARS]


def _named() -> Iterator[tuple[Any, str]]:
    """Every workflow with the calendars that its gates name."""
    for workflow in registry.registered():
        with suppress(InvalidWorkflow):  # which is said by hitl.E001
            gates = [step.asks for step in workflow.definition().steps if step.asks is not None]
            names = set().union(*(gate.calendars for gate in gates)) - {""}
            yield from ((workflow, name) for name in sorted(names))


def _unknown_calendar(workflow: Any, name: str) -> CheckMessage:
    return Error(f"there is no calendar {name}", hint="Name it in HITL_CALENDARS.", obj=workflow, id="hitl.E005")


def check_slack(**kwargs: Any) -> list[CheckMessage]:
    """hitl.E006: requests are to be told in Slack, and something is missing for it."""
    if not conf.SLACK_TOKEN:
        return []
    found: list[CheckMessage] = []
    if find_spec("slack_sdk") is None:
        hint = "pip install 'hitl-django[slack]'"
        found.append(Error("HITL_SLACK_TOKEN is set, and slack-sdk is not installed", hint=hint, id="hitl.E006"))
    if not conf.SLACK_CHANNEL:
        found.append(Error("HITL_SLACK_TOKEN is set, and HITL_SLACK_CHANNEL is not", id="hitl.E006"))
    return found


def check_database(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """hitl.W001: audit records are not protected against changes."""
    return [
        Warning(f"{table} can be changed", hint="Run manage.py migrate: it installs the triggers.", id="hitl.W001")
        for alias in databases or []
        if alias == "default" and "hitl_auditrecord" in connections[alias].introspection.table_names()
        for table in triggers.missing(alias)
    ]
