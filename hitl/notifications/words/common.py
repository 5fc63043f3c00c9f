"""The parts of a mail, and the words that several of them have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hitl.audit import Actor
from hitl.definition.text import one_line
from hitl.models import Approval

QUIET = ("high", "critical")
RISKS = {
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "high": gettext_lazy("high"),
    "critical": gettext_lazy("critical"),
}


# What a kind is called where there is little room: in subjects, and where it is listed who was told.
TAGS = {
    "requested": gettext_lazy("Asked"),
    "revision": gettext_lazy("New revision"),
    "stage": gettext_lazy("Next stage"),
    "escalated": gettext_lazy("Escalated"),
    "reminder": gettext_lazy("Reminder"),
    "closed": gettext_lazy("No longer needed"),
    "approved": gettext_lazy("Approved"),
    "rejected": gettext_lazy("Refused"),
    "answered": gettext_lazy("Answered"),
    "expired": gettext_lazy("Expired"),
    "cancelled": gettext_lazy("Cancelled"),
    "revoked": gettext_lazy("Revoked"),
    "comment": gettext_lazy("Comment"),
    "failed": gettext_lazy("Failed"),
    "info": gettext_lazy("For information"),
    "unsatisfiable": gettext_lazy("Nobody left to decide"),
    "uncertain": gettext_lazy("Uncertain"),
    "dead": gettext_lazy("Not delivered"),
}


class Said(NamedTuple):
    """What a person said: their name, the verdict in words, and their comment where it may leave the house."""

    who: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is text or HTML: what it is about, the sentence that leads, facts by their names, the arguments,
    what the agent and people wrote, what comes next, the words on the one button, and a note below it."""

    subject: str
    head: str
    lead: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    args: list[tuple[str, Any]] = field(default_factory=list)
    agent: str = ""
    said: list[Said] = field(default_factory=list)
    then: str = ""
    button: str = ""
    note: str = ""


def name_of(approval: Approval) -> str:
    """What a request is called; a question of high risk is not called by its own words."""
    if approval.kind == "question" and approval.risk in QUIET:
        return _("%(workflow)s asks") % {"workflow": approval.run.workflow.title}
    return approval.title


def headed(kind: str, name: str) -> str:
    """A subject: what kind of news, and of what."""
    return f"[{TAGS[kind]}] {one_line(name, 120)}"


def page_only(risk: str) -> str:
    """In place of free words that do not leave the house."""
    return _("What was written is shown on its page only, since the risk is %(risk)s.") % {"risk": RISKS[risk]}


def moment(at: datetime) -> str:
    """A time as people read it, in their zone, which it names."""
    return date_format(timezone.localtime(at), _("j M Y H:i T"))


def short_moment(at: datetime) -> str:
    """The same for a subject."""
    return date_format(timezone.localtime(at), _("j M H:i T"))


def requester_name(approval: Approval) -> str:
    """Who asks, for people: the requester's name, the agent's, or that it was the system."""
    if approval.requester is not None:
        return Actor.of(approval.requester).name
    return approval.agent_key.agent if approval.agent_key is not None else _("the system")
