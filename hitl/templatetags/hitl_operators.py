"""What the start page of operators tells first."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import template
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from hitl import clock
from hitl.conf import conf
from hitl.engine import last_sweep_age
from hitl.models import Approval, Freeze, Notification, Step

register = template.Library()
_MOST = 1000


class Figure(NamedTuple):
    """How much of something there is, where it is listed, and whether it needs a person."""

    words: str
    figure: str
    where: str
    bad: bool


@register.simple_tag
def review(page: str, *args: Any) -> str:
    """The address of a page of the reviewers; the url tag would stay inside the site that the reader is on."""
    return reverse(f"review:{page}", args=args)


@register.simple_tag
def attention() -> list[Figure]:
    """What waits and what is wrong: one query each, none of which counts further than a thousand."""
    now = clock.now()
    pending, late = {"status__exact": "pending"}, {"expires_at__lt": now.isoformat()}
    dead, uncertain = {"status__exact": "dead"}, {"status__exact": "uncertain"}
    return [
        _figure(_("requests wait"), Approval.objects.pending(), pending, bad=False),
        _figure(_("requests overdue"), Approval.objects.overdue(now), pending | late),
        _figure(_("messages nobody got"), Notification.objects.filter(status="dead"), dead),
        _figure(_("steps nobody knows the end of"), Step.objects.filter(status="uncertain"), uncertain),
        _figure(_("freezes"), Freeze.objects.filter(lifted_at=None), {"lifted_at__isempty": 1}),
        _sweep(),
    ]


def _figure(words: str, rows: QuerySet[Any], chosen: dict[str, Any], *, bad: bool = True) -> Figure:
    count = rows.order_by()[: _MOST + 1].count()
    where = reverse(f"admin:{rows.model._meta.label_lower.replace('.', '_')}_changelist")
    told = str(count) if count <= _MOST else _("more than %(most)d") % {"most": _MOST}
    return Figure(words, told, f"{where}?{urlencode(chosen)}", bad and count > 0)


def _sweep() -> Figure:
    age = last_sweep_age()
    if age is None:
        return Figure(_("no sweep ever came to its end"), "–", "", True)
    now = clock.now()
    told = timesince(now - age, now, depth=1) if age.total_seconds() >= 60 else _("< 1 min")
    return Figure(_("since the last sweep"), told, "", age > conf.SWEEP_OVERDUE)
