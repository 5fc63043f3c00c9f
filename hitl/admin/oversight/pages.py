"""The page of oversight, for operators."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl import clock
from hitl.admin.oversight.plots import Plot, histogram, stacked
from hitl.admin.site import render
from hitl.figures import MOST, Figures, figures
from hitl.policies.acts import is_operator
from hitl.states import ApprovalStatus

_PERIODS = {7: _("7 days"), 30: _("30 days"), 90: _("90 days")}
_TOOK = [  # the upper edge in seconds, and its name
    (60, _("1 min")), (300, _("5 min")), (1800, _("30 min")), (3600, _("1 h")), (14400, _("4 h")), (86400, _("1 day")),
    (259200, _("3 days")), (float("inf"), _("longer")),
]  # fmt: skip
_VIA = {"human": "", "policy": _("by policy"), "timeout": _("by time"), "cancel": "", "": ""}


@never_cache
@require_safe
def oversight_view(request: HttpRequest) -> HttpResponse:
    """Figures of the last days; 404 for who does not operate."""
    if not is_operator(request.user):
        raise Http404
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, _PERIODS) else 30
    found = figures(days)
    context = {
        "title": _("Oversight"),
        "figures": found,
        "days": days,
        "periods": _PERIODS,
        "per_day": _per_day(found),
        "took": _took(found),
        "outcomes": _outcomes(found),
        "waiting": sum(one.count for one in found.waiting),
        "overdue": sum(one.overdue for one in found.waiting),
        "most": MOST,
        "now": clock.now(),
    }
    return render(request, "hitl/review/oversight.html", context, section="oversight")


def _per_day(found: Figures) -> Plot | None:
    rows = [(date_format(day, str(_("j M"))), [("yes", yes), ("other", other)]) for day, yes, other in found.days()]
    return stacked(rows) if found.votes else None


def _took(found: Figures) -> Plot | None:
    counts = histogram((vote.took for vote in found.votes), [0.0, *(float(edge) for edge, _name in _TOOK)])
    rows = [(name, [("all", count)]) for (_edge, name), count in zip(_TOOK, counts, strict=True)]
    return stacked(rows, labels=len(_TOOK)) if found.votes else None


def _outcomes(found: Figures) -> list[tuple[Any, Any, int]]:
    """How requests ended, in words: the status, what ended them where it was nobody, and how many."""
    rows = sorted(found.outcomes.items(), key=lambda item: -item[1])
    split = [(*key.partition(":")[::2], count) for key, count in rows]
    return [(ApprovalStatus(status).label, _VIA.get(via, via), count) for status, via, count in split]


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [path("oversight/", wrap(oversight_view), name="oversight")]
