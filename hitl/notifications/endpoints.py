"""Endpoints of webhooks, and messages that did not arrive: what operators do with them, each act on record."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop as _

from hitl import audit, clock, dispatch
from hitl.audit import SYSTEM, Actor, Entry
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import Notification, WebhookEndpoint, sql
from hitl.models.fields import uuid7
from hitl.notifications.channels.net import check_url
from hitl.notifications.channels.webhook import living, new_secret
from hitl.notifications.kinds import TOLD_TO_PROGRAMS
from hitl.policies import REASONS
from hitl.policies.acts import is_operator
from hitl.states import NotificationStatus
from hitl.transitions import move_notification

ROTATION = timedelta(hours=24)  # how long an old secret counts beside the new one
_MOST_WORDS = 200


def create_endpoint(
    url: str, *, actor: Any, description: str = "", kinds: Iterable[str] = (), topics: Iterable[str] = ()
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret; without `kinds` or `topics` it hears of all. Raises NotAllowed and BadInput."""
    who = _operator(actor)
    check_url(url)
    wanted, about = sorted(set(kinds)), sorted(set(topics))
    unknown = set(wanted) - TOLD_TO_PROGRAMS
    if unknown:
        known = ", ".join(sorted(TOLD_TO_PROGRAMS))
        raise BadInput(f"kinds: there is no {', '.join(sorted(unknown))}; there are {known}")
    if len(description) > _MOST_WORDS or "\0" in description or any("\0" in topic for topic in about):
        raise BadInput(f"description: it has at most {_MOST_WORDS} characters, and no NUL")
    secret = new_secret()
    with transaction.atomic():
        row = WebhookEndpoint.objects.create(
            id=uuid7(), url=url, description=description, secrets=[{"secret": secret, "until": None}], kinds=wanted,
            topics=about, created_by=actor if who.is_person else None, created_at=sql.database_clock(),
        )  # fmt: skip
        _record(row, "created", who, url=_public(url), kinds=wanted, topics=about)
    return row, secret


def rotate_secret(endpoint: WebhookEndpoint, *, actor: Any) -> str:
    """A new secret; the one before it signs beside it for 24 hours more. Raises NotAllowed."""
    who = _operator(actor)
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        secret, until = new_secret(), (clock.now() + ROTATION).isoformat()
        newest, *older = living(row)
        row.secrets = [{"secret": secret, "until": None}, {**newest, "until": until}, *older]
        row.save(update_fields=["secrets"])
        _record(row, "rotated", who, until=until)
    return secret


def disable_endpoint(endpoint: WebhookEndpoint, *, actor: Any, why: str = "") -> bool:
    """Send nothing there any more; what waits for it is dropped when it is due. False where it was off before. Raises
    NotAllowed."""
    who = _operator(actor)
    with transaction.atomic():
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at=None)
        done = rows.update(disabled_at=clock.now(), disabled_why=why[:_MOST_WORDS])
        if done:
            _record(endpoint, "disabled", who, why=why)
    return bool(done)


def enable_endpoint(endpoint: WebhookEndpoint, *, actor: Any) -> bool:
    """Send there again what happens from now on. False where it was on before. Raises NotAllowed."""
    who = _operator(actor)
    with transaction.atomic():
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk, disabled_at__isnull=False)
        done = rows.update(disabled_at=None, disabled_why="", failing_since=None)
        if done:
            _record(endpoint, "enabled", who)
    return bool(done)


def try_endpoint(endpoint: WebhookEndpoint, *, actor: Any) -> Notification:
    """Send a message that is about nothing, to see whether it arrives. Raises NotAllowed."""
    who = _operator(actor)
    with transaction.atomic():
        row = _message(endpoint, f"trial:{uuid.uuid4()}", kind="info", payload={"actor": who.text})
        _record(endpoint, "tried", who)
    return row


def resend(row: Notification, *, actor: Any) -> Notification:
    """Send a message again: one that is dead under its own id, what arrived at an endpoint as a new one; what waits
    goes out anyway. Raises NotAllowed, and BadInput for what was dropped."""
    who = _operator(actor)
    with transaction.atomic():
        if row.status == NotificationStatus.DROPPED or (row.status == NotificationStatus.SENT and row.endpoint is None):
            raise BadInput(_("this message was not lost, so it is not sent again"))
        if row.status == NotificationStatus.SENT and row.endpoint is not None:
            fields = {"kind": row.kind, "payload": row.payload, "approval": row.approval, "run": row.run}
            row = _message(row.endpoint, f"again:{uuid.uuid4()}", **fields)
        elif row.status == NotificationStatus.DEAD and not _revive(row):
            return row
        data = {"channel": row.channel, "kind": row.kind, "message": str(row.pk)}
        audit.append("system", [Entry("hitl.message.resent", who, f"message:{row.pk}", data)])
    return row


def replay(endpoint: WebhookEndpoint, *, actor: Any) -> int:
    """Send all that is dead of an endpoint again; returns how many. Raises NotAllowed."""
    who = _operator(actor)
    with transaction.atomic():
        rows = Notification.objects.filter(endpoint=endpoint.pk, status=NotificationStatus.DEAD).order_by("pk")
        count = sum(_revive(row) for row in rows)
        if count:
            _record(endpoint, "replayed", who, count=count)
    return count


def _revive(row: Notification) -> bool:
    dispatch.ring_delivery()
    dispatch.ring_hooks()
    return move_notification(row, NotificationStatus.PENDING, attempts=0, next_attempt_at=clock.now())


def _message(endpoint: WebhookEndpoint, key: str, **fields: Any) -> Notification:
    now = clock.now()
    dispatch.ring_hooks()
    return Notification.objects.create(
        channel="webhook", endpoint=endpoint, dedupe_key=key, created_at=now, next_attempt_at=now, **fields
    )


def _operator(actor: Any) -> Actor:
    if actor is not SYSTEM and not is_operator(actor):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")
    return Actor.of(actor)


def _record(endpoint: WebhookEndpoint, act: str, who: Actor, **data: Any) -> None:
    stream = f"webhook:{endpoint.pk}"
    audit.append(stream, [Entry(f"hitl.webhook.{act}", who, stream, data)])


def _public(url: str) -> str:
    """An address without what may be a secret in it."""
    return url.partition("?")[0]
