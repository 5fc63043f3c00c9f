"""What differs between two versions of a request, as lines to read."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hitl.admin.requests.shown import Change, differences
from hitl.admin.requests.values import Room, Told, characters
from hitl.models import Approval

MOST = 50
_LINES = 200  # of a text that are compared line by line
_AROUND = 60  # characters that stay in sight on both sides of a difference
SIGNS = {"+": gettext_lazy("added"), "−": gettext_lazy("removed"), "": gettext_lazy("unchanged")}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison: `+`, `−` or nothing; where it is; what stood or stands there; and what is left out."""

    sign: str
    name: str
    value: Told
    note: str = ""

    @property
    def word(self) -> Any:
        """The sign in a word."""
        return SIGNS[self.sign]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The lines, how many differences there are beyond them, and how many arguments are as before."""

    lines: list[Line]
    more: int
    same: int


def compare(before: Approval, after: Approval) -> Comparison:
    """What is bound and differs between two revisions."""
    found = list(differences(before, after))
    same = sum(1 for name, value in after.args.items() if name in before.args and _alike(before.args[name], value))
    room = Room(16_000)
    lines = [line for change in found[:MOST] for line in lines_of(change, room)]
    return Comparison(lines, max(len(found) - MOST, 0), same)


def lines_of(change: Change, room: Room) -> Iterator[Line]:
    """A difference as lines: texts of several lines are compared line by line, long ones only where they differ."""
    one, other, note = change.before, change.after, ""
    if change.sign == "±" and isinstance(one, str) and isinstance(other, str):
        if "\n" in one + other and max(one.count("\n"), other.count("\n")) < _LINES:
            yield from _by_line(change.name, one, other, room)
            return
        one, other, note = _around(one, other)
    if change.sign != "+":
        yield Line("−", change.name, room.told(_as_json(one)))
    if change.sign != "−":
        yield Line("+", change.name, room.told(_as_json(other)), note)


def _by_line(name: str, before: str, after: str, room: Room) -> Iterator[Line]:
    signs = {"+": "+", "-": "−", " ": ""}
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), n=1, lineterm="")
    for line in islice(lines, 2, 2 + 2 * _LINES):
        if not line.startswith("@@"):
            yield Line(signs[line[0]], name, room.told(line[1:]))


def _around(before: str, after: str) -> tuple[str, str, str]:
    """Both without the long parts in which they agree, and how long those are."""
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    cut, rest = max(head - _AROUND, 0), max(tail - _AROUND, 0)
    if not cut + rest:
        return before, after, ""
    words = _("left out: %(before)s before and %(after)s behind this that are the same")
    note = words % {"before": characters(cut), "after": characters(rest)}
    return before[cut : len(before) - rest], after[cut : len(after) - rest], note


def _common(one: str, other: str) -> int:
    """How many characters they begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def _alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
