"""Values on a page: whole where they are small, else their beginning with an exact count and a page of their own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from hitl.definition.text import hidden_count
from hitl.models import Approval

_WHOLE = 6000  # bytes of HTML that one value may take
_START = 400
_LINES = 6
_MARKUP = 40  # what a chip takes
_ROWS = 100
_NAME = 200


@dataclass(frozen=True, slots=True)
class Told:
    """A value as it is shown: its text, or the beginning of it, what kind it is where that is no matter of course, and
    how much there is in all (empty where all of it is shown); `part` is where on its own page the rest is."""

    name: str
    text: str
    kind: str
    size: str
    part: str = ""
    hidden: int = 0


class Room:
    """How many bytes of a page values may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def told(self, value: Any, *, name: str = "", part: str = "") -> Told:
        """The value as far as there is room for it."""
        text = plain(value)
        weight = _weight(text) if len(text) <= _WHOLE else _WHOLE + 1
        if weight <= min(_WHOLE, self.left):
            self.left -= weight
            return Told(name, text, _kind(value), "", part, hidden_count(text))
        return self._begun(name, text, size_of(value), part)

    def beginning(self, start: str, size: int, *, name: str, part: str) -> Told:
        """JSON of which only the beginning was read."""
        return self._begun(name, start, characters(size), part)

    def _begun(self, name: str, text: str, size: str, part: str) -> Told:
        start = "\n".join(text[:_START].split("\n")[:_LINES]) if self.left > 0 else ""
        self.left -= _weight(start)
        return Told(name, start, "", size, part, hidden_count(text))

    def rows(self, values: dict[str, Any], part: str) -> tuple[list[Told], int]:
        """An object's members in their order, and how many more there are."""
        found = [
            self.told(value, name=_short(name), part=f"{part}/{number}")
            for number, (name, value) in zip(range(_ROWS), sorted(values.items()), strict=False)
        ]
        return found, len(values) - len(found)


def plain(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def size_of(value: Any) -> str:
    """How much it is, exactly and in words."""
    if isinstance(value, list):
        return ngettext("%(n)s item", "%(n)s items", len(value)) % {"n": number_format(len(value), force_grouping=True)}
    if isinstance(value, dict):
        return ngettext("%(n)s field", "%(n)s fields", len(value)) % {
            "n": number_format(len(value), force_grouping=True)
        }
    return characters(len(plain(value)))


def characters(count: int) -> str:
    """A length in words."""
    words = ngettext("%(n)s character", "%(n)s characters", count)
    return words % {"n": number_format(count, force_grouping=True)}


def whole(approval: Approval, part: str, number: int | None) -> tuple[str, Any]:
    """The name and value of a part of a request; raises KeyError where it has no such part."""
    parts = {
        "args": approval.args,
        "effective": None if approval.effective_bytes is None else approval.current_args,
        "raw": approval.binding,
        "impact": approval.impact,
        "description": approval.description,
        "question": approval.question,
        "context": approval.context,
        "task": approval.run.input,
    }
    value = parts[part]
    if number is None:
        return part, value
    members = sorted(value.items()) if part in ("args", "effective") and isinstance(value, dict) else []
    if number >= len(members):
        raise KeyError(number)
    name, member = members[number]
    return name, member


def _kind(value: Any) -> str:
    """What the text alone does not tell: that it is text where it looks like a number, a truth or nothing."""
    if not isinstance(value, str):
        return ""
    return gettext("empty text") if not value else gettext("text") if _reads_as_json(value) else ""


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text[:_NAME])
    except ValueError:
        return False
    return True


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[:_NAME]}… ({characters(len(name))})"


def _weight(text: str) -> int:
    """About how many bytes of HTML it takes."""
    return len(text.encode(errors="replace")) + 5 * sum(map(text.count, "&<>\"'")) + _MARKUP * hidden_count(text)
