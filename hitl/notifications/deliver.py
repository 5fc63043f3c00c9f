"""Delivering what is in the outbox: take a row for a while, send outside any transaction, then mark it.

A worker that dies between sending and marking leaves the row to be tried again: at most one message too many, and the
attempts on the row say so.
"""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F, Q

from hitl import clock
from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.exceptions import HitlError
from hitl.models import Approval, Assignment, Decision, Delegation, Notification
from hitl.notifications.channels import email
from hitl.policies import own_people, resolve
from hitl.states import ApprovalStatus, NotificationStatus
from hitl.transitions import move_notification

log = logging.getLogger(__name__)

_HOLD = timedelta(minutes=5)  # how long a taken row is left alone
_FOR_OPERATORS = "unsatisfiable"
_INFO = "info"  # tells people and asks nothing
_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
_FIRST_RETRY = 30
_LONGEST_RETRY = 3600


def deliver(limit: int = 200) -> int:
    """Deliver up to `limit` notices that are due; returns how many left the outbox."""
    now = clock.now()
    due = Notification.objects.due(now).select_related("approval__run__workflow", "run__workflow", "recipient")[:limit]
    return sum(_one(row) for row in list(due) if _take(row))


def _take(row: Notification) -> bool:
    """Hold the row against other deliverers; False when one was faster."""
    now = clock.now()
    row.attempts += 1
    mine = Notification.objects.filter(
        pk=row.pk, status=NotificationStatus.PENDING, next_attempt_at=row.next_attempt_at
    )
    return mine.update(attempts=F("attempts") + 1, next_attempt_at=now + _HOLD) == 1


def _one(row: Notification) -> int:
    approval = row.approval
    if row.kind != _INFO and (approval is None or approval.status != ApprovalStatus.PENDING):
        return int(_move(row, NotificationStatus.DROPPED, last_error="the request is closed"))
    if row.recipient is None:
        return _to_all(row)
    if not row.recipient.is_active:
        return int(_move(row, NotificationStatus.DROPPED, last_error="this person is deactivated"))
    return _send(row, row.recipient)


def _send(row: Notification, person: Any) -> int:
    try:
        asks = row.approval if row.kind != _INFO else None
        sent = email.send_info(row, person) if asks is None else email.send(row.kind, asks, person)
        crashpoint("after_send")
    except Exception as error:
        return _failed(row, error)
    if not sent:
        return int(_move(row, NotificationStatus.DROPPED, last_error="this person has no mail address"))
    return int(_move(row, NotificationStatus.SENT, sent_at=clock.now(), last_error=""))


def _to_all(row: Notification) -> int:
    """A row for everybody: find out who that is. A name that nobody has is tried again, since it may be corrected."""
    if row.approval is not None:
        return int(_spread(row, operators() if row.kind == _FOR_OPERATORS else recipients(row.approval)))
    try:
        people = informed(row)
    except HitlError as error:
        return _failed(row, error)
    if not any(person.email for person in people):
        return int(_move(row, NotificationStatus.DROPPED, last_error="nobody who is to be told has a mail address"))
    return int(_spread(row, people))


def _spread(row: Notification, people: list[Any]) -> bool:
    """Turn a row for everybody into one a person, then deliver those in the same pass of the outbox."""
    now = clock.now()
    rows = [
        Notification(
            approval=row.approval,
            run=row.run,
            kind=row.kind,
            payload=row.payload,
            recipient=person,
            channel="email",
            dedupe_key=f"{row.dedupe_key if row.approval else f'{row.kind}:{row.pk}'}:{person.pk}",
            created_at=now,
            next_attempt_at=now,
        )
        for person in people
    ]
    with transaction.atomic():
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        done = _move(row, NotificationStatus.SENT, sent_at=now)
    for person in rows:
        if _take(person):
            _one(person)
    return done


def operators() -> list[Any]:
    """Those who are told when nobody else can help: active people with the permission to operate."""
    found = get_user_model().objects.with_perm("hitl.operate", backend=_MODEL_BACKEND)
    return list(found.filter(is_active=True).order_by("pk"))


def recipients(approval: Approval) -> list[Any]:
    """The people asked at this stage: active, each once over all groups, with those who stand in
    for them, never those whose own request it is."""
    asked = Assignment.objects.filter(approval=approval.pk, stage=approval.stage, ended_at=None)
    handed = Delegation.objects.live(clock.now()).filter(
        Q(from_user__in=asked.values("user")) | Q(from_user__groups__in=asked.values("group"))
    )
    places = Q(pk__in=asked.values("user")) | Q(groups__in=asked.values("group")) | Q(pk__in=handed.values("to_user"))
    return list(
        get_user_model().objects.filter(places, is_active=True).exclude(pk__in=_own(approval)).order_by("pk").distinct()
    )


def informed(row: Notification) -> list[Any]:
    """The people a notice names, by themselves or by their groups: active, each once. Raises UnknownReviewer."""
    asked = resolve((row.payload or {}).get("reviewers") or ())
    users = [candidate.user_id for candidate in asked if candidate.user_id is not None]
    groups = [candidate.group_id for candidate in asked if candidate.group_id is not None]
    people = get_user_model().objects.filter(is_active=True)
    return list(people.filter(Q(pk__in=users) | Q(groups__in=groups)).order_by("pk").distinct())


def _own(approval: Approval) -> list[Any]:
    """Those who may not decide, because the request is theirs or their vote is cast: a mail would lead them astray."""
    own = own_people(approval) if approval.prevent_self_review else set()
    votes = Decision.objects.filter(approval=approval.pk, withdrawn_at=None).values_list("actor", "for_user")
    voted = {user for pair in votes for user in pair}
    return list((own | voted | {approval.edited_by_id}) - {None})


def _failed(row: Notification, error: Exception) -> int:
    """Try again later, a little further apart each time; dead after so many attempts."""
    told = f"{type(error).__name__}: {error}"[:1000]
    log.warning("notification %s failed (attempt %s): %s", row.pk, row.attempts, told)
    if row.attempts >= conf.MAIL_ATTEMPTS:
        _move(row, NotificationStatus.DEAD, last_error=told)
        return 0
    wait = min(_FIRST_RETRY * 2 ** (row.attempts - 1), _LONGEST_RETRY) * random.uniform(0.75, 1.25)  # noqa: S311
    Notification.objects.filter(pk=row.pk).update(
        last_error=told, next_attempt_at=clock.now() + timedelta(seconds=wait)
    )
    return 0


def _move(row: Notification, to: NotificationStatus, **fields: Any) -> bool:
    return move_notification(row, to, **fields)
