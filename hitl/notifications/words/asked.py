"""What asks for a decision: what exactly, until when, what silence means, and why it came to this person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hitl.definition.text import one_line
from hitl.models import Approval, Notification
from hitl.notifications.words.common import (
    QUIET,
    RISKS,
    TAGS,
    Letter,
    moment,
    name_of,
    page_only,
    requester_name,
    short_moment,
)
from hitl.policies.acts import silence

_SILENCE = {
    "approve": gettext_lazy("If nobody answers, it is approved."),
    "reject": gettext_lazy("If nobody answers, it is refused."),
    "escalate": gettext_lazy("If nobody answers, it is passed on."),
    "expire": gettext_lazy("If nobody answers, it is refused."),
    "close": gettext_lazy("If nobody answers, it is closed; silence is never taken for an answer."),
}
_THEN = {
    "approve": gettext_lazy("approved at %(at)s if nobody answers"),
    "reject": gettext_lazy("refused at %(at)s if nobody answers"),
    "escalate": gettext_lazy("passed on at %(at)s if nobody answers"),
    "expire": gettext_lazy("refused at %(at)s if nobody answers"),
    "close": gettext_lazy("closed at %(at)s if nobody answers"),
}


def asking(row: Notification, approval: Approval) -> Letter:
    """The mail of a request that waits."""
    question, quiet = approval.kind == "question", approval.risk in QUIET
    opening = _("Nothing is answered by opening it.") if question else _("Nothing is decided by opening it.")
    return Letter(
        subject=_subject(row.kind, approval),
        head=_("The agent asks you a question") if question else approval.title,
        lead=_LEADS[row.kind](approval, row.payload or {}),
        facts=_facts(approval),
        # Pairs, since `args.items` in a template is the argument called "items" where there is one.
        args=[] if question or quiet else list(approval.args.items()),
        agent=approval.question if question and not quiet else "",
        then=_hidden(approval) if quiet else "",
        button=_("Answer") if question else _("Review"),
        note=_("The link asks you to sign in. %(opening)s") % {"opening": opening},
    )


def _subject(kind: str, approval: Approval) -> str:
    tags = [] if kind == "requested" else [str(TAGS[kind])]
    tags.append(_("Question") if approval.kind == "question" else _("Approval"))
    if approval.kind != "question" or approval.risk in QUIET:
        tags.append(str(RISKS[approval.risk]).upper())
    said = {"what": one_line(name_of(approval), 120), "at": short_moment(approval.expires_at)}
    return "".join(f"[{tag}]" for tag in tags) + " " + _("%(what)s – due %(at)s") % said


def _facts(approval: Approval) -> list[tuple[str, str]]:
    who = {"who": requester_name(approval), "workflow": approval.run.workflow.title}
    asked_by = _("%(who)s, workflow %(workflow)s") % who
    due = f"{moment(approval.expires_at)}. {_SILENCE[_meant(approval)]}"
    if approval.kind == "question":
        return [(_("Asked by"), asked_by), (_("Due"), due), (_("Digest"), approval.digest[:8])]
    lasting = "" if approval.reversible else f" ({_('cannot be undone')})"
    found = [
        (_("Consequence"), f"{approval.impact}{lasting}"),
        (_("Target"), str(approval.binding.get("target") or "")),
        (_("Risk"), str(RISKS[approval.risk])),
        (_("Asked by"), asked_by),
        (_("Due"), due),
        (_("Digest"), approval.digest[:8]),
    ]
    return [(name, value) for name, value in found if value]


def _hidden(approval: Approval) -> str:
    risk = {"risk": RISKS[approval.risk]}
    if approval.kind == "question":
        return _("The question is shown on its page only, since the risk is %(risk)s.") % risk
    return _("The arguments are shown on the request page only, since the risk is %(risk)s.") % risk


def _meant(approval: Approval) -> str:
    meant = silence(approval)
    return "close" if approval.kind == "question" and meant != "escalate" else meant


def _requested(approval: Approval, said: dict[str, Any]) -> str:
    return _("Your answer is asked for.") if approval.kind == "question" else _("Your decision is asked for.")


def _revision(approval: Approval, said: dict[str, Any]) -> str:
    words = _("Revision %(number)s replaces what was asked before; earlier votes do not count.")
    return words % {"number": approval.revision}


def _stage(approval: Approval, said: dict[str, Any]) -> str:
    words = _("The stage before agreed. Now it is yours to decide: stage %(number)s of %(of)s.")
    return words % {"number": approval.stage + 1, "of": len(approval.required.stages)}


def _escalated(approval: Approval, said: dict[str, Any]) -> str:
    who, why = {"who": str(said.get("by", ""))}, str(said.get("why") or "")
    if said.get("way") == "delegate":
        lead = _("%(who)s asks you to decide in their place.") % who
    elif said.get("way") == "assign":
        lead = _("%(who)s, an operator, asks you to decide.") % who
    else:
        lead = _("%(who)s escalated it.") % who if said.get("by") else _("It was escalated.")
    if not why:
        return lead
    if said.get("by") and approval.risk in QUIET:
        return f"{lead} {page_only(approval.risk)}"
    return f"{lead} {_('Why: %(why)s') % {'why': _(why)}}"


def _reminder(approval: Approval, said: dict[str, Any]) -> str:
    then = str(_THEN[_meant(approval)]) % {"at": short_moment(approval.expires_at)}
    if said.get("by"):
        return _("%(who)s reminds you of it; %(then)s.") % {"who": said["by"], "then": then}
    if said.get("number") and said.get("of"):
        return _("Reminder %(number)s of %(of)s; %(then)s.") % {**said, "then": then}
    return _("It still waits; %(then)s.") % {"then": then}


def _unsatisfiable(approval: Approval, said: dict[str, Any]) -> str:
    then = str(_THEN[_meant(approval)]) % {"at": short_moment(approval.expires_at)}
    return _("Too few people are left who may decide it. Ask somebody else; %(then)s.") % {"then": then}


_LEADS: dict[str, Callable[[Approval, dict[str, Any]], str]] = {
    "requested": _requested,
    "revision": _revision,
    "stage": _stage,
    "escalated": _escalated,
    "reminder": _reminder,
    "unsatisfiable": _unsatisfiable,
}
