"""Times as people read them: how long until or since, in few words, with the time itself beside it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

register = template.Library()
_MINUTE = timedelta(minutes=1)


@register.filter
def away(at: datetime, now: datetime) -> str:
    """How far a time is from now, in both directions: its two largest units at most."""
    return spell(abs(at - now))


@register.simple_tag
def moment(at: datetime, now: datetime) -> str:
    """A time as it is from now, the time itself in its title."""
    words = _("in %(time)s") if at > now else _("%(time)s ago")
    words = _("just now") if abs(at - now) < _MINUTE else words
    title = date_format(timezone.localtime(at), _("j M Y H:i"))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), title, words % {"time": away(at, now)}
    )


@register.filter
def hour(at: datetime, now: datetime) -> str:
    """The hour, with its day where that is not today."""
    local = timezone.localtime(at)
    return date_format(local, "H:i" if local.date() == timezone.localtime(now).date() else "j M H:i")


@register.filter
def seconds(value: Any) -> str:
    """A number of seconds in words."""
    return spell(timedelta(seconds=float(value)))


def spell(length: timedelta) -> str:
    """Days and hours, hours and minutes, minutes, or seconds."""
    total = int(length.total_seconds())
    days, hours, minutes = total // 86_400, total % 86_400 // 3600, total % 3600 // 60
    if days:
        return _("%(days)s d %(hours)s h") % {"days": days, "hours": hours} if hours else _("%(n)s d") % {"n": days}
    if hours:
        both = {"hours": hours, "minutes": minutes}
        return _("%(hours)s h %(minutes)s min") % both if minutes else _("%(n)s h") % {"n": hours}
    return _("%(n)s min") % {"n": minutes} if minutes else _("%(n)s s") % {"n": total}


@register.filter
def short_id(pk: Any) -> str:
    """The ends of an id, for where the whole of it stands in a title or address."""
    text = str(pk)
    return f"{text[:4]}…{text[-4:]}"
