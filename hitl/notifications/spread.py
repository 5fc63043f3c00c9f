"""One row of the outbox becomes one for each who is to hear: people, endpoints, the agent's callback, the chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from hitl import clock
from hitl.conf import conf
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications.audience import audience, told
from hitl.notifications.kinds import CLOSING, TOLD_TO_PROGRAMS
from hitl.notifications.preferences import plans
from hitl.states import NotificationStatus
from hitl.transitions import move_notification

_REPLACES = CLOSING | {"escalated"}  # who was asked before may be needed no longer
_CHAT = CLOSING | {"requested", "revision", "stage", "escalated", "reminder", "revoked"}


def spread(row: Notification) -> list[Notification]:
    """Write the rows that this one stands for and mark it as done, in one transaction; returns those to be sent now.

    Raises UnknownReviewer where it names somebody there is not; then nothing is written.
    """
    now = clock.now()
    people = audience(row)
    rows = list(_to_people(row, row.kind, people, now))
    if row.kind in _REPLACES and row.approval is not None:
        actor = str((row.payload or {}).get("actor", ""))
        left = [one for one in told(row) if one not in people and f"user:{one.pk}" != actor]
        rows += _to_people(row, "closed", left, now)
    rows += _to_programs(row, now)
    with transaction.atomic():
        Notification.objects.bulk_create(rows, ignore_conflicts=True)
        reached = NotificationStatus.SENT if rows else NotificationStatus.DROPPED
        move_notification(row, reached, sent_at=now, last_error="" if rows else "nobody is to be told")
    return [one for one in rows if one.next_attempt_at == now]


def _to_people(row: Notification, kind: str, people: list[Any], now: datetime) -> Iterator[Notification]:
    wishes = plans(people, kind, risk=row.approval.risk if row.approval is not None else "", now=now)
    for person in people:
        wish = wishes[person.pk]
        if wish.channel:
            made = _copy(row, wish.channel, str(person.pk), now, kind=kind, at=wish.at)
            made.recipient = person
            yield made


def _to_programs(row: Notification, now: datetime) -> Iterable[Notification]:
    approval = row.approval
    if approval is None or row.kind not in TOLD_TO_PROGRAMS:
        return
    for endpoint in _listening(row.kind, approval.topic):
        made = _copy(row, "webhook", str(endpoint.pk), now)
        made.endpoint = endpoint
        yield made
    if approval.callback_url and row.kind in CLOSING | {"revoked"}:
        yield _copy(row, "callback", "callback", now)
    if (conf.SLACK_TOKEN or conf.SLACK_WEBHOOK) and row.kind in _CHAT:
        yield _copy(row, "slack", "slack", now)


def _listening(kind: str, topic: str) -> list[WebhookEndpoint]:
    """Endpoints that want to hear of this; there are few, so that their wishes are compared here."""
    rows = WebhookEndpoint.objects.filter(Q(disabled_at=None)).order_by("created_at")
    return [row for row in rows if (not row.kinds or kind in row.kinds) and (not row.topics or topic in row.topics)]


def _copy(
    row: Notification, channel: str, name: str, now: datetime, *, kind: str = "", at: datetime | None = None
) -> Notification:
    """A row for one who is to hear of it; its key is made of the row's, so that spreading again adds nothing."""
    kind = kind or row.kind
    return Notification(
        approval=row.approval,
        run=row.run,
        kind=kind,
        channel=channel,
        payload=row.payload,
        dedupe_key=f"{kind}:{row.pk}:{channel if channel != 'digest' else 'email'}:{name}",
        created_at=now,
        next_attempt_at=at or now,
    )
