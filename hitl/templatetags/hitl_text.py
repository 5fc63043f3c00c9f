"""Filters for text that agents wrote."""

from __future__ import annotations

import json
from typing import Any

from django import template

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
def hidden_count(value: Any) -> int:
    """How many characters cannot be seen."""
    return text.hidden_count(plain(value))
