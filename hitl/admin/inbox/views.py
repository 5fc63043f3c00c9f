"""The inbox: a page of requests at a time."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from hitl import clock
from hitl.admin.inbox.asked import COLUMNS, OPEN, VIEWS, Asked, as_text, page_after
from hitl.admin.inbox.facets import MOST, Sample, bounded, facets, sample
from hitl.admin.inbox.rows import fetched, in_order, told_rows
from hitl.admin.inbox.why import reason_for
from hitl.admin.site import render
from hitl.decisions.inbox import Cursor, Desk
from hitl.models import Approval
from hitl.policies.acts import is_operator

_PAGE = 50
# A search looks at so many rows at once, and says where it stopped.
_SCAN = 5000
COUNTED = (*OPEN, "asked")


@never_cache
def inbox_view(request: HttpRequest) -> HttpResponse:
    """One page of one view: at most 12 queries, whatever waits and whatever is asked for."""
    asked, now = Asked.read(request.GET), clock.now()
    user: Any = request.user
    desk = Desk(user, sees_all=is_operator(user) or user.has_perm("hitl.view_approval"))
    edge = desk.edge(asked.view, scan=_SCAN, after=asked.after) if asked.narrowed else None
    told = sample(
        desk.page(asked.view, limit=MOST + 1, after=asked.after, until=edge, only=asked.only(filters=False)), asked, now
    )
    found = _rows(desk, asked, edge) if told.fitting or told.cut else []
    rows, beyond = found[:_PAGE], len(found) > _PAGE
    whole = not asked.narrowed and asked.after is None
    # The sample has counted the view that is open, unless it is only a part of it.
    counts = desk.counts([view for view in COUNTED if view != asked.view or not whole], most=MOST + 1)
    counts |= {asked.view: told.fitting + told.cut} if whole and asked.view in COUNTED else {}
    number, more = max(told.fitting, len(rows)), told.cut or edge is not None
    context = {
        "title": VIEWS[asked.view][1],
        "asked": asked,
        "tabs": tabs(asked, counts),
        "summary": _summary(number, told, more=more, continued=asked.after is not None),
        "waiting": bounded(counts["me"]) if counts["me"] else "",
        "seen": counts.get(asked.view, 0),
        "facets": facets(told, asked),
        "columns": _columns(asked),
        "shown": asked.cols or (),
        "wide": asked.cols is None,
        "rows": told_rows(in_order(rows) if asked.view in OPEN else rows, desk.who.places, now) if rows else [],
        "next": asked.address(after=page_after(rows[-1])) if beyond else "",
        "further": asked.address(after=as_text(edge)) if edge is not None and not beyond else "",
        "scan": number_format(_SCAN, force_grouping=True),
        "first": asked.address(),
        "clear": Asked(asked.view, cols=asked.cols).address(),
        "why": reason_for(user) if not rows and not asked.narrowed and asked.view == "me" else None,
        "open": asked.view in OPEN,
        "now": now,
    }
    return render(request, "hitl/review/inbox.html", context, section="inbox")


def tabs(asked: Asked, counts: dict[str, int]) -> list[dict[str, Any]]:
    """The views, with how many each of those holds that can be counted at little cost."""
    return [
        {
            "view": view,
            "words": words,
            "address": Asked(view, cols=asked.cols).address(),
            "counted": view in counts,
            "count": bounded(counts[view]) if counts.get(view) else "",
            "here": view == asked.view,
        }
        for view, (words, _title) in VIEWS.items()
    ]


def _rows(desk: Desk, asked: Asked, edge: Cursor | None) -> list[Approval]:
    page = desk.page(asked.view, limit=_PAGE + 1, after=asked.after, until=edge, only=asked.only())
    return fetched(page)


def _columns(asked: Asked) -> list[tuple[Any, str, bool]]:
    """Each column of choice: its words, the address that shows or hides it, whether it is shown."""
    have = set(asked.cols or ())
    return [
        (words, asked.address(cols=",".join(one for one in COLUMNS if one in have ^ {name}) or "-"), name in have)
        for name, words in COLUMNS.items()
    ]


def _summary(number: int, told: Sample, *, more: bool, continued: bool) -> str:
    """How many there are, and how many of them are urgent."""
    count = bounded(number, more=more)
    words = ngettext("%(count)s request", "%(count)s requests", number + more) % {"count": count}
    if continued:
        words = _("continued: %(words)s from here on") % {"words": words}
    if told.soon:
        soon = ngettext("%(count)s due within 15 minutes", "%(count)s due within 15 minutes", told.soon)
        words += " · " + soon % {"count": bounded(told.soon)}
    return words
