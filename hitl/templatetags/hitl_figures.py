"""Filters for numbers that people read."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """A share of 0 to 1 in percent."""
    return f"{share * 100:.0f} %"


@register.filter
def seconds(value: float) -> str:
    """A span in its largest unit, with one digit after the point where it is small."""
    for size, unit in ((86400, gettext("d")), (3600, gettext("h")), (60, gettext("min"))):
        if value >= size:
            return f"{_number(value / size)} {unit}"
    return f"{_number(value)} {gettext('s')}"


def _number(value: float) -> str:
    return number_format(value, decimal_pos=1 if value < 10 else 0)
