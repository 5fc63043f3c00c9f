"""Filters for numbers that people read."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """A share of 0 to 1 in percent."""
    return f"{share * 100:.0f} %"
