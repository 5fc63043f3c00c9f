"""What the pages of runs say: statuses with their signs, what is waited for, who somebody is, and values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hitl.audit import Actor
from hitl.definition.action import shown
from hitl.models import ApiKey, Approval, Run, Step

SIGNS = {
    "pending": "○",
    "ready": "○",
    "running": "▶",
    "waiting": "●",
    "succeeded": "✓",
    "rejected": "✗",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "✗",
    "uncertain": "?",
}
_CHIPS = {
    "running": "now",
    "waiting": "now",
    "succeeded": "low",
    "rejected": "medium",
    "failed": "high",
    "uncertain": "high",
}
LONGEST = 4_000  # characters of a value that stands on the page itself


@dataclass(frozen=True, slots=True)
class Status:
    """How something stands: the word, a sign that is no colour, and the class of its chip."""

    value: str
    word: str

    @property
    def sign(self) -> str:
        """A sign beside the word."""
        return SIGNS[self.value]

    @property
    def chip(self) -> str:
        """The class of its chip."""
        return _CHIPS.get(self.value, "")


def status_of(row: Run | Step) -> Status:
    """How a run or a step stands."""
    return Status(row.status, row.get_status_display())


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waits for in words, of whom, and since when; `request` is what is to be decided."""

    words: str
    since: datetime | None
    whom: str = ""
    request: Approval | None = None


def wait_of(step: Step, requests: Iterable[Approval] = ()) -> Wait:
    """What a waiting step waits for; `requests` are those pending ones that may be shown."""
    asked = next((one for one in requests if one.step_id == step.pk), None)
    if asked is None:
        return Wait(_words(step.waiting_for), step.parked_at)
    whom = ", ".join(asked.required.stages[asked.stage].reviewers)
    words = _("an answer") if asked.kind == "question" else _("a decision")
    return Wait(words, step.parked_at, whom, asked)


def _words(waiting_for: str) -> str:
    kind, _colon, name = waiting_for.partition(":")
    words = {
        "approval": _("a decision"),
        "signal": _("the signal “%(name)s”"),
        "sleep": _("its time"),
        "timer": _("its time"),
        "run": _("the run it started"),
        "any": _("whatever of several comes first"),
        "handler": _("a worker that has its code"),
        "plan": _("the steps it planned"),
        "revision": _("a new proposal"),
    }
    return words.get(kind, waiting_for) % {"name": name} if kind in words else waiting_for


def names_of(principals: Iterable[str]) -> dict[str, str]:
    """What those are called that columns keep as `user:7` or `key:…`; a query for each of the two kinds."""
    found: dict[str, str] = {}
    by_kind: dict[str, set[str]] = {"user": set(), "key": set()}
    for text in principals:
        kind, _colon, pk = text.partition(":")
        found[text] = _("the system") if kind == "system" else _("a run") if kind == "run" else text
        by_kind.get(kind, set()).add(pk)
    if by_kind["user"]:
        users = get_user_model()._default_manager.in_bulk(sorted(by_kind["user"]))
        found |= {f"user:{user.pk}": Actor.of(user).name for user in users.values()}
    if by_kind["key"]:
        found |= {f"key:{key.pk}": key.agent for key in ApiKey.objects.in_bulk(sorted(by_kind["key"])).values()}
    return found


def starter_of(run: Run, names: dict[str, str]) -> str:
    """Who started it: the person, or the agent."""
    return Actor.of(run.requester).name if run.requester is not None else names.get(run.principal, run.principal)


def span(start: datetime | None, end: datetime | None) -> str:
    """How long that was, in words; nothing where one of the two is not known."""
    if start is None or end is None:
        return ""
    if (took := end - start) < timedelta(minutes=1):
        count = round(took.total_seconds())
        if count < 1:
            return _("less than a second")
        return ngettext("%(count)d second", "%(count)d seconds", count) % {"count": count}
    return timesince(start, end)


@dataclass(frozen=True, slots=True)
class Value:
    """A JSON value for a page: its text with the number of its characters, and its members where it has names."""

    text: str
    size: int
    rows: list[tuple[str, Any]] | None

    @property
    def long(self) -> bool:
        """Whether it is too long to stand on a page beside others."""
        return self.size > LONGEST


def value_of(value: Any) -> Value | None:
    """A stored value as people read it; None where there is none."""
    if value is None:
        return None
    plain = shown(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, indent=2, sort_keys=True)
    rows = list(plain.items()) if isinstance(plain, dict) and plain else None
    return Value(text, len(text), rows)
