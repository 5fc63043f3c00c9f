"""Digests: what may wait, in one mail."""

from __future__ import annotations

from collections.abc import Iterable

from hitl import clock
from hitl.models import Notification
from hitl.notifications.channels import email
from hitl.notifications.messages import digest

_MOST = 200


def others(row: Notification) -> Iterable[Notification]:
    """What else waits for the digest of this row's person and is due, the oldest first."""
    due = Notification.objects.due(clock.now(), ["digest"]).filter(recipient=row.recipient_id).exclude(pk=row.pk)
    related = ("approval__run__workflow", "run__workflow", "recipient__profile")
    return due.select_related(*related)[: _MOST - 1]


def send(rows: list[Notification]) -> None:
    """Send all of these, which are one person's, in one mail; nothing where there are none."""
    if rows:
        email.post(digest(rows), to=rows[0].recipient.email, number=rows[0].pk)
