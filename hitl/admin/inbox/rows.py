"""What each row of the inbox says besides the request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hitl.admin.inbox.asked import RISK
from hitl.admin.requests.shown import silence_of
from hitl.definition.values import RISKS
from hitl.models import Approval, Assignment, Decision
from hitl.models.approvals import ApprovalQuerySet
from hitl.models.people import Place
from hitl.notifications.messages import requester_name

_HEAVY = (
    "action_bytes", "effective_bytes", "args_schema", "response_schema", "context", "gate", "types", "resume_data",
    "description", "run__input", "run__output", "run__workflow__body",
)  # fmt: skip
_SEGMENTS = 6
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def fetched(rows: ApprovalQuerySet) -> list[Approval]:
    """The rows of a page with what it shows of them, and nothing that is heavy; one query."""
    related = rows.select_related("run__workflow", "requester", "on_behalf_of", "agent_key", "claimed_by")
    return list(related.defer(*_HEAVY))


def in_order(rows: list[Approval]) -> list[Approval]:
    """Those of one deadline (a batch has one) by risk and age; the walk along the index knows only their ids."""
    return sorted(rows, key=lambda row: (row.expires_at, -RISKS.index(row.risk), row.opened_at))


def told_rows(rows: list[Approval], places: Iterable[Place], now: datetime) -> list[dict[str, Any]]:
    """Two queries for all of them."""
    cast = Decision.objects.filter(approval__in=[row.pk for row in rows], withdrawn_at=None)
    agreed = Counter(cast.filter(verdict__in=("approve", "edit")).values_list("approval", "stage"))
    why = _reasons(rows, list(places))
    return [_told(row, agreed[row.pk, row.stage], why.get(row.pk, ""), now) for row in rows]


def _told(row: Approval, have: int, why: str, now: datetime) -> dict[str, Any]:
    need = row.required.stages[row.stage].need
    held = row.claimed_until is not None and row.claimed_until > now and row.is_pending
    late = row.expires_at - now
    return {
        "approval": row,
        "risk": RISK[row.risk],
        "asks": requester_name(row),
        "have": have,
        "need": need,
        "segments": [number < have for number in range(need)] if need <= _SEGMENTS else [],
        "stage": row.stage + 1,
        "stages": len(row.required.stages),
        "due": until(row.expires_at, now),
        "hurry": "bad" if late < _HOUR / 4 else "soon" if late < _HOUR else "",
        "at": _at(row.expires_at, now),
        "silence": silence_of(row),
        "age": age(now - row.opened_at),
        "claimed": row.claimed_by if held else None,
        "why": why,
    }


def until(at: datetime, now: datetime) -> str:
    """How long there is, in few words: the two largest parts of a day, then days."""
    if at <= now:
        return _("Overdue")
    if at - now < _DAY:
        return age(at - now)
    days = (timezone.localtime(at).date() - timezone.localtime(now).date()).days
    return _("Tomorrow") if days == 1 else ngettext("%(days)s day", "%(days)s days", days) % {"days": days}


def age(span: timedelta) -> str:
    """A length of time in few words."""
    minutes = max(int(span.total_seconds() // 60), 1)
    hours, rest = divmod(minutes, 60)
    if hours >= 24:
        return ngettext("%(days)s day", "%(days)s days", hours // 24) % {"days": hours // 24}
    if not hours:
        return _("%(minutes)s min") % {"minutes": rest}
    if not rest or hours >= 4:
        return _("%(hours)s h") % {"hours": hours}
    return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest}


def _at(at: datetime, now: datetime) -> str:
    """The moment itself: only the time where it is today."""
    here = timezone.localtime(at)
    today = here.date() == timezone.localtime(now).date()
    return date_format(here, "H:i" if today else _("j M H:i"))


def _reasons(rows: list[Approval], places: list[Place]) -> dict[Any, str]:
    """Why the person is asked, by request: in their own name before in that of others."""
    me, users = places[0], [place.user for place in places]
    groups = {group for place in places for group in place.groups}
    asked = Assignment.objects.filter(approval__in=[row.pk for row in rows if row.is_pending], ended_at=None)
    asked = asked.filter(Q(user__in=users) | Q(group__in=groups), due_at__isnull=False)
    found: dict[Any, tuple[int, str]] = {}
    for one in asked.select_related("user", "group", "for_user"):
        own = one.user_id == me.user or one.group_id in me.groups
        said = (0 if own and one.user_id else 1 if own else 2, _reason(one, own=own))
        found[one.approval_id] = min(found.get(one.approval_id, said), said)
    return {pk: words for pk, (_rank, words) in found.items()}


def _reason(one: Assignment, *, own: bool) -> str:
    if one.for_user is not None:
        return _("stands in for %(name)s") % {"name": one.for_user}
    who = _("group %(name)s") % {"name": one.group.name} if one.group is not None else str(one.user)
    if not own:
        return _("stands in for %(name)s") % {"name": who}
    words = {
        "requester": _("your own confirmation"),
        "assigned": _("assigned by an operator"),
        "escalation": _("escalated"),
        "fallback": _("fallback"),
    }.get(one.source, "")
    if one.group is None:
        return words or _("by name")
    return f"{who} · {words}" if words else who
