"""What each notice says. The words are in `templates/hitl/mail/`; this module chooses what they may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from hitl.audit import Actor
from hitl.definition.text import one_line
from hitl.models import Approval, Notification
from hitl.policies.acts import silence

_QUIET = ("high", "critical")
LEADS = {
    "reminder": "Reminder",
    "escalated": "Escalated",
    "stage": "Next stage",
    "unsatisfiable": "Nobody left to decide",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A mail's subject and its two bodies."""

    subject: str
    text: str
    html: str


def message(kind: str, approval: Approval, *, link: str) -> Message:
    """The message of one notice kind to one person; at high and critical risk it carries no arguments."""
    context: dict[str, Any] = {
        "approval": approval,
        "link": link,
        "shown": approval.risk not in _QUIET,
        # Pairs, since `args.items` in a template is the argument called "items" where there is one.
        "args": [] if approval.risk in _QUIET else list(approval.args.items()),
        "due": timezone.localtime(approval.expires_at),
        "workflow": approval.run.workflow.title,
        "silence": silence(approval),
        "short_digest": approval.digest[:8],
        "asks": requester_name(approval),
        "lead": LEADS.get(kind, ""),
    }
    return _rendered("question" if approval.kind == "question" else "requested", context)


def info_message(row: Notification) -> Message:
    """What a notice that asks nothing says: the agent's words, marked as such, and no link to decide anything."""
    told = {name: str((row.payload or {}).get(name) or "") for name in ("title", "impact", "description")}
    return _rendered("info", {**told, "workflow": row.run.workflow.title if row.run is not None else ""})


def _rendered(name: str, context: dict[str, Any]) -> Message:
    base = f"hitl/mail/{name}"
    return Message(
        subject=one_line(render_to_string(f"{base}.subject.txt", context)),
        text=render_to_string(f"{base}.txt", context),
        html=render_to_string(f"{base}.html", context),
    )


def requester_name(approval: Approval) -> str:
    """Who asks, for people: the requester's name, the agent's, or that it was the system."""
    if approval.requester is not None:
        return Actor.of(approval.requester).name
    return approval.agent_key.agent if approval.agent_key is not None else "the system"
