"""Filters for text that agents wrote."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.urls import reverse

from hitl.audit import Actor
from hitl.definition import text

register = template.Library()


@register.filter
def reveal(value: Any) -> str:
    """Show what cannot be seen; the template escapes the result as any other text."""
    return text.reveal(str(value))


@register.filter
def plain(value: Any) -> str:
    """A JSON value as people read it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@register.filter
def who(user: Any) -> str:
    """A person's name, or else their login, with what cannot be seen."""
    return text.reveal(Actor.of(user).name) if user is not None else ""


@register.filter
def hidden_count(value: Any) -> int:
    """How many characters cannot be seen."""
    return text.hidden_count(plain(value))


@register.filter
def line(value: Any, limit: int = 200) -> str:
    """Text in one line, cut where it is long: for lists and window titles, never where it is decided upon."""
    return text.one_line(str(value), limit)


@register.filter
def last_part(value: str) -> str:
    """The name a plan gave to its step, without the planner's before it."""
    return value.rpartition("/")[2]


@register.simple_tag
def operate(page: str, *args: Any) -> str:
    """The address of a page under `/admin/`; the url tag would stay inside the site that the reader is on."""
    return reverse(f"admin:{page}", args=args)
