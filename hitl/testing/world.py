"""The world of a test: nobody listens for bells, reviewers are made as they are named, and time can be moved back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from hitl import clock, dispatch
from hitl.engine.start import forget_rows
from hitl.exceptions import UnknownReviewer
from hitl.models import Approval, triggers
from hitl.notifications.audience import recipients
from hitl.policies.requirements import resolve
from hitl.transitions import definition_of


class NotWaiting(AssertionError):
    """The run does not wait for what the test says; the message lists what it waits for."""


def reset_time() -> None:
    """Undo every `advance_time`."""
    clock.reset()


@contextmanager
def fresh() -> Iterator[None]:
    """For around every test: what this process remembers of a database that was rolled back is forgotten, and time
    that was moved is moved back."""
    forget()
    try:
        yield
    finally:
        forget()
        clock.reset()


@contextmanager
def audit_may_be_flushed() -> Iterator[None]:
    """Transactional tests flush all tables at their end, which append-only tables refuse: inside this block the
    triggers are lifted for just that moment. For around a whole test session."""
    from django.test import TransactionTestCase

    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def teardown(self: Any) -> None:
        triggers.remove()
        try:
            flush(self)
        finally:
            triggers.install()

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield


def forget() -> None:
    """Forget what this process knows of the database's rows."""
    forget_rows()
    definition_of.cache_clear()


@contextmanager
def alone() -> Iterator[None]:
    """Without a broker, and with the reviewers that gates name."""
    with (
        mock.patch.object(dispatch, "_send", return_value=None),
        mock.patch("hitl.decisions.request.resolve", _resolve),
    ):
        yield


def _resolve(reviewers: Any, *, requester: Any = None) -> Any:
    names = list(reviewers)
    try:
        return resolve(names, requester=requester)
    except UnknownReviewer:
        for reviewer in names:
            kind, _, name = reviewer.partition(":")
            if name:
                _ = person(name) if kind == "user" else Group.objects.get_or_create(name=name)
        return resolve(names, requester=requester)


def reviewer_for(row: Approval) -> Any:
    """Somebody who may vote: one of those asked, or a new member of a group that is asked."""
    voted = set(row.decisions.filter(withdrawn_at=None).values_list("actor", flat=True))
    able = [user for user in recipients(row) if user.pk not in voted]
    if able:
        return able[0]
    asked = row.assignments.filter(stage=row.stage, group__isnull=False).select_related("group").first()
    if asked is None or asked.group is None:
        who = ", ".join(row.required.stages[row.stage].reviewers)
        raise NotWaiting(f"none of {who} may decide {name_of(row)!r}: it is their own request, or they have voted")
    made = person(f"reviewer-{len(voted) + 1}-of-{asked.group.name}"[:150])
    made.groups.add(asked.group)
    return made


def person(name: str) -> Any:
    """The user of this name, made if need be."""
    model: Any = get_user_model()
    found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if found is None:
        found = model(**{model.USERNAME_FIELD: name})
        found.set_unusable_password()
        found.save(force_insert=True)
    return found


def name_of(row: Approval) -> str:
    """A request's name as its author wrote it; that of a gate is its step's."""
    return re.sub(r"#\d+$", "", row.key.removeprefix("ask:")) or row.step.name
