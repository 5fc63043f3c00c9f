"""The inbox: a page of requests at a time."""

from __future__ import annotations

import binascii
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from hitl import clock, decisions
from hitl.admin.requests.shown import silence_of
from hitl.admin.site import render
from hitl.audit import Actor
from hitl.decisions.inbox import Cursor, cursor_of, view
from hitl.models import Approval, Decision
from hitl.notifications.messages import requester_name

_PAGE = 50
_VIEWS = {
    "me": "Awaiting me",
    "claimed": "Claimed by me",
    "escalated": "Escalated to me",
    "delegated": "Delegated to me",
    "asked": "Asked by me",
    "decided": "Decided by me",
    "all": "Everything",
}
_BY_DUE = ("claimed", "escalated", "delegated")


@never_cache
def inbox_view(request: HttpRequest) -> HttpResponse:
    """One page of one view; how many there are beyond it is not counted."""
    asked = request.GET.get("view", "me")
    chosen = asked if asked in _VIEWS else "me"
    after = _read_cursor(request.GET.get("after", ""))
    found = _rows(chosen, request.user, after)
    rows = found[:_PAGE]
    context = {
        "title": _VIEWS[chosen],
        "view": chosen,
        "views": _VIEWS,
        "rows": _told_rows(rows),
        "beyond": _cursor(rows[-1]) if len(found) > _PAGE else "",
        "continued": after is not None,
        "now": clock.now(),
    }
    return render(request, "hitl/review/inbox.html", context, section="inbox")


def _rows(name: str, user: Any, after: Cursor | None) -> list[Approval]:
    if name == "me":
        return decisions.inbox(user, limit=_PAGE + 1, after=after)
    rows = view(name, user).select_related("run__workflow", "step", "requester", "agent_key")
    if after is not None and name in _BY_DUE:
        rows = rows.filter(Q(expires_at__gt=after[0]) | Q(expires_at=after[0], pk__gt=after[1]))
    elif after is not None:
        rows = rows.filter(pk__lt=after[1])
    return list(rows[: _PAGE + 1])


def _told_rows(rows: list[Approval]) -> list[dict[str, Any]]:
    """What each row says besides the request; two queries for all of them."""
    now = clock.now()
    cast = Decision.objects.filter(approval__in=[row.pk for row in rows], withdrawn_at=None)
    agreed = Counter(cast.filter(verdict__in=("approve", "edit")).values_list("approval", "stage"))
    held = {row.pk: row.claimed_by_id for row in rows if row.claimed_until is not None and row.claimed_until > now}
    people = get_user_model()._default_manager.in_bulk({pk for pk in held.values() if pk is not None})
    return [
        {
            "approval": row,
            "asks": requester_name(row),
            "have": agreed[row.pk, row.stage],
            "need": row.required.stages[row.stage].need,
            "stage": row.stage + 1,
            "stages": len(row.required.stages),
            "silence": silence_of(row),
            "claimed": Actor.of(people[held[row.pk]]).name if held.get(row.pk) in people else "",
        }
        for row in rows
    ]


def _cursor(row: Approval) -> str:
    at, pk = cursor_of(row)
    return urlsafe_b64encode(f"{at.isoformat()} {pk}".encode()).decode()


def _read_cursor(text: str) -> Cursor | None:
    """Where a page begins; None for the first one, and for what is no cursor of ours."""
    try:
        at, _, pk = urlsafe_b64decode(text.encode()).decode().partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(pk)
    except (ValueError, OverflowError, binascii.Error):
        return None
