"""The request before and the one behind, within the view of the inbox that the reader came from."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl.admin.inbox.asked import Asked
from hitl.decisions.inbox import Desk, cursor_of, find_visible
from hitl.exceptions import UnknownApproval
from hitl.models import Approval
from hitl.policies.acts import is_operator

_FAR = 200  # how far into a view one is found again
_SCAN = 5000  # how many rows are looked at for those that fit a filter
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Trail:
    """Where a reader came from: the view of the inbox, and which of how many there this was (0: unknown).

    It comes from the address, and is believed only in what it says about itself."""

    asked: Asked
    number: int = 0
    count: int = 0

    @classmethod
    def of(cls, given: QueryDict) -> Trail:
        """As the address says it."""
        number, count = _whole(given.get("n", "")), _whole(given.get("of", ""))
        asked = replace(Asked.read(given), after=None)
        return cls(asked, number, count) if 0 < number <= count else cls(asked)

    def __str__(self) -> str:
        """As it stands behind an address: empty, or from the question mark on."""
        address = self._with()
        return "" if address == "?" else address

    @property
    def record(self) -> str:
        """The same with the tab of the record."""
        return self._with(tab="record")

    @property
    def edit(self) -> str:
        """The same with long arguments put into inputs."""
        return self._with(edit="1")

    def _with(self, **more: Any) -> str:
        return self.asked.address(**({"n": self.number, "of": self.count} if self.number else {}), **more)

    @property
    def inbox(self) -> str:
        """The address of the view."""
        return reverse("review:hitl_approval_changelist") + str(Trail(self.asked))

    def to(self, pk: uuid.UUID, by: int) -> str:
        """The address of the request so many places on."""
        number = self.number + by
        trail = replace(self, number=number) if self.number and 0 < number <= self.count else Trail(self.asked)
        return reverse("review:hitl_approval_change", args=[pk]) + str(trail)


@never_cache
@require_safe
def beside_view(request: HttpRequest, object_id: uuid.UUID, way: str) -> HttpResponse:
    """Go to the next request of the view or the one before, as things are now; back to the view where there is none."""
    try:
        approval = find_visible(object_id, request.user)
    except UnknownApproval as error:
        raise Http404(error.message) from error
    user: Any = request.user
    trail = Trail.of(request.GET)
    desk = Desk(user, sees_all=is_operator(user) or user.has_perm("hitl.view_approval"))
    pk = _next(desk, trail.asked, approval) if way == "next" else _previous(desk, trail.asked, approval)
    if pk is not None:
        return HttpResponseRedirect(trail.to(pk, 1 if way == "next" else -1))
    words = _("There is no other request here.") if way == "next" else _("There is no request before this one.")
    messages.info(request, words)
    return HttpResponseRedirect(trail.inbox)


def _next(desk: Desk, asked: Asked, approval: Approval) -> uuid.UUID | None:
    """The one behind; at the end the first of all."""
    for after in (cursor_of(approval), None):
        edge = desk.edge(asked.view, scan=_SCAN, after=after) if asked.narrowed else None
        rows = desk.page(asked.view, limit=2, after=after, until=edge, only=asked.only())
        found: list[uuid.UUID] = [pk for pk in rows.values_list("pk", flat=True) if pk != approval.pk]
        if found:
            return found[0]
    return None


def _previous(desk: Desk, asked: Asked, approval: Approval) -> uuid.UUID | None:
    """The one before, if it is not too far into the view."""
    until = desk.edge(asked.view, scan=_SCAN) if asked.narrowed else cursor_of(approval)
    rows = desk.page(asked.view, limit=_FAR, until=until, only=asked.only())
    found: list[uuid.UUID] = list(rows.values_list("pk", flat=True))
    if approval.pk in found:
        found = found[: found.index(approval.pk)]
    elif asked.narrowed or len(found) == _FAR:
        return None
    last = found[-1] if found else None
    return last


def _whole(text: str) -> int:
    return min(int(text), _MOST) if text.isascii() and text.isdigit() and len(text) < 10 else 0
