"""Delivering what is in the outbox: take a row for a while, send outside any transaction, then mark it.

A worker that dies between sending and marking leaves the row to be tried again: at most one message too many, and the
attempts on the row say so. People and programs are delivered by tasks of their own, so that an endpoint that hangs
keeps no mail waiting.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db.models import F

from hitl import clock, dispatch
from hitl.audit import SYSTEM
from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.exceptions import HitlError
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications import digests
from hitl.notifications.audience import has_voted
from hitl.notifications.channels import CHANNELS, Undelivered, email, slack
from hitl.notifications.endpoints import disable_endpoint
from hitl.notifications.kinds import KINDS
from hitl.notifications.preferences import is_off
from hitl.notifications.spread import spread
from hitl.states import ApprovalStatus, NotificationStatus
from hitl.transitions import move_notification

log = logging.getLogger(__name__)
_calling = threading.Lock()

PEOPLE = ("", "email", "digest")
PROGRAMS = ("webhook", "callback", "slack")
_HOLD = timedelta(minutes=5)  # how long a taken row is left alone
_MANY = 8  # programs are called so many at a time
_LANES = 4  # and the same one so many
_PROBES = 8  # so many go to endpoints that failed the last time
_PUT_OFF = timedelta(minutes=5)
_PATIENCE = timedelta(days=5)  # then an endpoint that never answers is turned off
_MAIL_RETRY = [30.0 * 2**n for n in range(7)]
# Standard Webhooks: at once, then over three days.
_HOOK_RETRY = [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0]


class _Untried(Exception):
    """Another message to the same place failed just now."""


def deliver(limit: int = 200) -> int:
    """Deliver up to `limit` notices to people that are due, and find out who is meant; returns how many left the
    outbox. Where there is more it rings for the next."""
    dispatch.answer(dispatch.DELIVER, "notices")
    with email.connected():
        rows = _taken(PEOPLE, limit)
        left = sum(_one(row) for row in rows)
    if len(rows) == limit:
        dispatch.ring_delivery()
    return left


def deliver_hooks(limit: int = 64) -> int:
    """Deliver up to `limit` notices to programs that are due, some at a time; returns how many left the outbox. Where
    there is more it rings for the next. A process does it once at a time, so that programs that hang hold one of its
    slots."""
    dispatch.answer(dispatch.DELIVER_HOOKS, "hooks")
    if not _calling.acquire(blocking=False):
        return 0
    try:
        rows = _taken(PROGRAMS, limit, endpoint__failing_since=None)
        left = _call([*rows, *_taken(PROGRAMS, _PROBES, endpoint__failing_since__isnull=False)])
    finally:
        _calling.release()
    if len(rows) == limit:
        dispatch.ring_hooks()
    return left


def _call(rows: list[Notification]) -> int:
    lines: dict[Any, list[Notification]] = {}
    for row in rows:
        if not _dropped(row) and _ready(row):
            lines.setdefault(_place(row), []).append(row)
    lanes = [rows[lane::_LANES] for lane in range(_LANES) for rows in lines.values()]
    with ThreadPoolExecutor(_MANY) as pool:
        told = list(pool.map(_try_each, lanes))
    return sum(_settle(row, error) for lane in told for row, error in lane)


def _ready(row: Notification) -> bool:
    """Read what a chat's message needs, since sending may not; False where that failed."""
    try:
        if row.channel == "slack":
            slack.prepare(row)
    except Exception as error:
        _failed(row, error)
        return False
    return True


def _place(row: Notification) -> Any:
    """Where it goes: what hangs there keeps waiting what goes to the same place alone."""
    if row.endpoint_id is not None:
        return row.endpoint_id
    return urlsplit(row.approval.callback_url).netloc if row.channel == "callback" and row.approval else row.channel


def _try_each(rows: list[Notification]) -> list[tuple[Notification, Exception | None]]:
    """One after the other to the same place; once one fails, the others are not tried now."""
    told: list[tuple[Notification, Exception | None]] = []
    for row in rows:
        failed = bool(told) and told[-1][1] is not None
        told.append((row, _Untried() if failed else _try(row)))
    return told


def _taken(channels: Iterable[str], limit: int, **where: Any) -> list[Notification]:
    related = ("approval__run__workflow", "run__workflow", "recipient__profile", "endpoint")
    due = Notification.objects.due(clock.now(), channels).filter(**where).select_related(*related)[:limit]
    first: dict[Any, Notification] = {}  # of a person's digest: it brings the others along
    for row in due:
        first.setdefault(row.recipient_id if row.channel == "digest" else row.pk, row)
    return [row for row in first.values() if _take(row)]


def _take(row: Notification) -> bool:
    """Hold the row against other deliverers; False when one was faster."""
    now = clock.now()
    row.attempts += 1
    mine = Notification.objects.filter(
        pk=row.pk, status=NotificationStatus.PENDING, next_attempt_at=row.next_attempt_at
    )
    return mine.update(attempts=F("attempts") + 1, next_attempt_at=now + _HOLD) == 1


def _one(row: Notification) -> int:
    if not row.channel:
        return _to_all(row)
    if row.channel != "digest" and _dropped(row):
        return 1
    return _digest(row) if row.channel == "digest" else _settle(row, _try(row))


def _digest(row: Notification) -> int:
    """What waits for one person, in one mail: all of it arrived, or none."""
    rows = [one for one in (row, *(one for one in list(digests.others(row)) if _take(one))) if not _dropped(one)]
    error = None
    try:
        digests.send(rows)
        crashpoint("after_send")
    except Exception as failed:
        error = failed
    return sum(_settle(one, error) for one in rows)


def _dropped(row: Notification) -> bool:
    """What asks for a decision is pointless when there is none to take; what happened stays true."""
    why = ""
    asks = not KINDS[row.kind].ends and row.channel not in ("webhook", "callback")
    if asks and (row.approval is None or row.approval.status != ApprovalStatus.PENDING):
        why = "the request is closed"
    elif row.recipient is not None:
        why = _not_to(row)
    elif row.endpoint is not None and row.endpoint.disabled_at is not None:
        why = "the endpoint is disabled"
    return bool(why) and _move(row, NotificationStatus.DROPPED, last_error=why)


def _not_to(row: Notification) -> str:
    """Why its person is not sent it, if there is a reason; what waited may have been answered meanwhile."""
    if not row.recipient.is_active:
        return "this person is deactivated"
    if not row.recipient.email:
        return "this person has no mail address"
    if is_off(row.recipient, row.kind):
        return "this person has turned it off"
    waited = row.next_attempt_at != row.created_at and KINDS[row.kind].to == "reviewers"
    return "this person has voted" if waited and has_voted(row) else ""


def _try(row: Notification) -> Exception | None:
    """Send; the error, if there was one. Programs are called by threads of their own, where nothing may ask the
    database: what their channels need is read before."""
    try:
        row.remote = CHANNELS[row.channel].send(row) or row.remote
        crashpoint("after_send")
    except Exception as error:
        return error
    return None


def _settle(row: Notification, error: Exception | None) -> int:
    """Mark what came of it."""
    if isinstance(error, _Untried):
        later = {"attempts": F("attempts") - 1, "next_attempt_at": clock.now() + _PUT_OFF}
        Notification.objects.filter(pk=row.pk).update(**later)
        return 0
    if error is not None:
        return _failed(row, error)
    if row.endpoint is not None and row.endpoint.failing_since is not None:
        WebhookEndpoint.objects.filter(pk=row.endpoint.pk).update(failing_since=None)
    return int(_move(row, NotificationStatus.SENT, sent_at=clock.now(), last_error="", remote=row.remote))


def _to_all(row: Notification) -> int:
    """Find out who is meant, and send to the people in the same pass. A name that nobody has is tried again, since it
    may be corrected."""
    if not KINDS[row.kind].ends and (row.approval is None or row.approval.status != ApprovalStatus.PENDING):
        return int(_move(row, NotificationStatus.DROPPED, last_error="the request is closed"))
    try:
        rows = spread(row)
    except HitlError as error:
        return _failed(row, error)
    for one in rows:
        if one.channel in PEOPLE and _take(one):
            _one(one)
    if any(one.channel in PROGRAMS for one in rows):
        dispatch.ring_hooks()
    return 1


def _failed(row: Notification, error: Exception) -> int:
    """Try again later, further apart each time; dead after so many attempts, or where it will never do."""
    told = f"{type(error).__name__}: {error}"[:1000]
    log.warning("notification %s failed (attempt %s): %s", row.pk, row.attempts, told)
    never = isinstance(error, Undelivered) and error.permanent
    waits = _HOOK_RETRY if row.channel in PROGRAMS else _MAIL_RETRY
    most = len(waits) + 1 if row.channel in PROGRAMS else conf.MAIL_ATTEMPTS
    if row.endpoint is not None:
        _endpoint_failed(row.endpoint, error)
    if never or row.attempts >= most:
        _bury(row, told)
        return 0
    wait = waits[min(row.attempts, len(waits)) - 1] * random.uniform(0.75, 1.25)  # noqa: S311
    if isinstance(error, Undelivered) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    Notification.objects.filter(pk=row.pk).update(
        last_error=told, next_attempt_at=clock.now() + timedelta(seconds=wait)
    )
    return 0


def _bury(row: Notification, told: str) -> None:
    """Nothing more is tried, and operators are told; not of a message that was to tell them that."""
    if not _move(row, NotificationStatus.DEAD, last_error=told) or row.kind == "dead":
        return
    payload = {"channel": row.channel, "to": str(row.endpoint or row.recipient or row.channel), "error": told}
    _tell_operators(payload, f"dead:{row.pk}:{row.attempts}", approval=row.approval, run=row.run)


def _tell_operators(payload: dict[str, Any], key: str, **about: Any) -> None:
    now = clock.now()
    row = Notification(
        kind="dead", payload=payload, dedupe_key=key, created_at=now, next_attempt_at=now, **about
    )  # fmt: skip
    Notification.objects.bulk_create([row], ignore_conflicts=True)
    dispatch.ring_delivery()


def _endpoint_failed(endpoint: WebhookEndpoint, error: Exception) -> None:
    """Remember since when it fails; one that says it is gone, or has failed for days, is turned off, and operators are
    told."""
    now = clock.now()
    WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since=None).update(failing_since=now)
    why = ""
    if isinstance(error, Undelivered) and error.gone:
        why = "it answered 410: gone"
    elif endpoint.failing_since is not None and now - endpoint.failing_since >= _PATIENCE:
        why = f"it failed for {_PATIENCE.days} days"
    if why and disable_endpoint(endpoint, actor=SYSTEM, why=why):
        payload = {"channel": "webhook", "to": str(endpoint), "error": f"the endpoint is turned off: {why}"}
        _tell_operators(payload, f"off:{endpoint.pk}:{now.isoformat()}")


def _move(row: Notification, to: NotificationStatus, **fields: Any) -> bool:
    return move_notification(row, to, **fields)
