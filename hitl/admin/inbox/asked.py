"""What the address of the inbox asks for: a view, a search, filters, columns. The address is the saved view."""

from __future__ import annotations

import binascii
import json
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from hitl import clock
from hitl.decisions.inbox import Cursor, cursor_of
from hitl.definition.values import RISKS
from hitl.models import Approval
from hitl.states import ApprovalStatus

VIEWS = {
    "me": (_("Awaiting me"), _("Awaiting you")),
    "claimed": (_("Claimed by me"), _("Claimed by you")),
    "escalated": (_("Escalated to me"), _("Escalated to you")),
    "delegated": (_("Delegated to me"), _("Delegated to you")),
    "asked": (_("Asked by me"), _("Asked by you")),
    "decided": (_("Decided by me"), _("Decided by you")),
    "all": (_("Everything"), _("Everything you may see")),
}
OPEN = ("me", "claimed", "escalated", "delegated")
COLUMNS = {
    "from": _("Agent, workflow, run"),
    "state": _("State"),
    "age": _("Age"),
    "why": _("Why you"),
}
DUE = {
    "overdue": _("Overdue"),
    "hour": _("Within an hour"),
    "today": pgettext_lazy("due", "Today"),
    "week": _("Within a week"),
}
RISK = {"low": _("Low"), "medium": _("Medium"), "high": _("High"), "critical": _("Critical")}
VIA = {"human": _("By people"), "policy": _("By policy"), "timeout": _("By time"), "cancel": _("Cancelled")}
# Each filter with its column and, where there are few, the values it knows with their words.
FILTERS: dict[str, tuple[Any, str, Mapping[str, Any]]] = {
    "risk": (_("Risk"), "risk", {one: RISK[one] for one in reversed(RISKS)}),
    "due": (_("Due"), "expires_at", DUE),
    "workflow": (_("Workflow"), "run__workflow__name", {}),
    "agent": (_("Agent"), "agent_key__agent", {}),
    "type": (_("Action"), "action_type", {}),
    "status": (_("Status"), "status", dict(ApprovalStatus.choices)),
    "via": (_("Decided"), "decided_via", VIA),
}
_LONGEST = 200
_EVER = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """One saved view. What an address says that means nothing is left out."""

    view: str = "me"
    q: str = ""
    chosen: dict[str, str] = field(default_factory=dict)
    cols: tuple[str, ...] | None = None
    after: Cursor | None = None

    @classmethod
    def read(cls, given: QueryDict) -> Asked:
        """Of an address."""
        view = given.get("view", "me")
        cols = given.get("cols")
        return cls(
            view if view in VIEWS else "me",
            _text(given.get("q", "")),
            {name: value for name in FILTERS if (value := _known(name, given.get(name, "")))},
            None if cols is None else tuple(name for name in COLUMNS if name in cols.split(",")),
            _cursor(given.get("after", "")),
        )

    @property
    def narrowed(self) -> bool:
        """Whether it asks for less than the whole view."""
        return bool(self.q or self.chosen)

    def values(self, **changes: Any) -> dict[str, str]:
        """The parts of an address; a change to None or an empty text leaves one out, and every one but `after` goes
        back to the first page."""
        parts: dict[str, Any] = {} if self.view == "me" else {"view": self.view}
        parts |= {"q": self.q, **self.chosen}
        parts |= {} if self.cols is None else {"cols": ",".join(self.cols) or "-"}
        return {name: value for name, value in (parts | changes).items() if value}

    def address(self, **changes: Any) -> str:
        """The address with some parts changed."""
        query = QueryDict(mutable=True)
        query.update(self.values(**changes))
        return f"?{query.urlencode()}"

    def only(self, *, search: bool = True, filters: bool = True) -> Q | None:
        """What rows have to fit; None where any does. `payload` is given by the walk that reads them."""
        found = Q(_searched(self.q)) if search and self.q else Q()
        for name, value in self.chosen.items() if filters else ():
            found &= _due(value) if name == "due" else Q((FILTERS[name][1], value))
        return found or None


def spans(now: datetime) -> dict[str, tuple[datetime, datetime]]:
    """From when to when the deadlines of each choice are; the last is in it, the first is not."""
    midnight = timezone.make_aware(datetime.combine(timezone.localtime(now).date() + timedelta(days=1), time.min))
    return {
        "overdue": (_EVER, now),
        "hour": (now, now + timedelta(hours=1)),
        "today": (now, midnight),
        "week": (now, now + timedelta(days=7)),
    }


def page_after(row: Approval) -> str:
    """How the page behind this request is called in an address."""
    return as_text(cursor_of(row))


def as_text(cursor: Cursor) -> str:
    """A place in a view, for an address."""
    at, pk = cursor
    return urlsafe_b64encode(f"{at.isoformat()} {pk}".encode()).decode()


def _due(name: str) -> Q:
    start, end = spans(clock.now())[name]
    return Q(status=ApprovalStatus.PENDING, expires_at__gt=start, expires_at__lte=end)


def _searched(words: str) -> Q:
    """In the title and in what was proposed, by who asks, or by the id of the request or its run."""
    found = Q(title__icontains=words) | Q(payload__icontains=json.dumps(words, ensure_ascii=False)[1:-1])
    found |= Q(agent_key__agent__icontains=words) | Q(run__external_id__icontains=words)
    user: Any = get_user_model()
    names = {one.name for one in user._meta.concrete_fields} & {user.USERNAME_FIELD, "first_name", "last_name"}
    for name in sorted(names):
        found |= Q((f"requester__{name}__icontains", words))
    try:
        pk = uuid.UUID(words)
    except ValueError:
        return found
    return found | Q(pk=pk) | Q(run=pk)


def _known(name: str, value: str) -> str:
    values = FILTERS[name][2]
    return _text(value) if not values or value in values else ""


def _text(value: str) -> str:
    return value.replace("\0", "").strip()[:_LONGEST]


def _cursor(text: str) -> Cursor | None:
    """Where a page begins; None for the first one, and for what is no cursor of ours."""
    try:
        at, _, pk = urlsafe_b64decode(text.encode()).decode().partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(pk)
    except (ValueError, OverflowError, binascii.Error):
        return None
