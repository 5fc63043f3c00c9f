"""What each notice says. The words are in `templates/hitl/mail/`; this module chooses what they may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition.text import one_line
from hitl.models import Approval, Notification
from hitl.notifications.kinds import KINDS
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


def message(row: Notification, *, link: str) -> Message:
    """The message of a notice to one person; at high and critical risk it carries no arguments."""
    if row.kind == "info":
        told = {name: str((row.payload or {}).get(name) or "") for name in ("title", "impact", "description")}
        return _rendered("info", {**told, "workflow": row.run.workflow.title if row.run is not None else ""})
    approval, asks = row.approval, KINDS[row.kind].to == "reviewers" or row.kind == "unsatisfiable"
    if approval is None or not asks:
        return _rendered("notice", _happened(row, link))
    return _rendered("question" if approval.kind == "question" else "requested", _asked(row.kind, approval, link))


def digest(rows: list[Notification]) -> Message:
    """Several notices of one person in one mail: those that ask for a decision first, by their deadline."""
    asking = [row for row in rows if row.approval is not None and not KINDS[row.kind].ends]
    asking.sort(key=lambda row: row.approval.expires_at)  # type: ignore[union-attr]
    seen = {id(row) for row in asking}
    news = [_happened(row, "") for row in rows if id(row) not in seen]
    inbox = str(conf.BASE_URL).rstrip("/") + "/review/"
    return _rendered("digest", {"asking": [row.approval for row in asking], "news": news, "link": inbox})


def _asked(kind: str, approval: Approval, link: str) -> dict[str, Any]:
    return {
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


def _happened(row: Notification, link: str) -> dict[str, Any]:
    payload = row.payload or {}
    return {
        "kind": row.kind,
        "words": KINDS[row.kind].words,
        "approval": row.approval,
        "run": row.run,
        "workflow": row.run.workflow.title if row.run is not None else "",
        "step": payload.get("step", ""),
        "text": payload.get("text", ""),
        "error": payload.get("error", ""),
        "to": payload.get("to", ""),
        "link": link,
    }


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
