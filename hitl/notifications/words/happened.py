"""What happened: how a request ended, what was said about it, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hitl import clock
from hitl.audit import Actor
from hitl.models import Approval, Notification, Step
from hitl.notifications.words.common import QUIET, Letter, Said, headed, moment, name_of, page_only

_MOST = 20
_ENDS = {
    "approved": gettext_lazy("It was approved."),
    "rejected": gettext_lazy("It was refused."),
    "answered": gettext_lazy("It was answered."),
    "expired": gettext_lazy("Nobody decided in time."),
    "cancelled": gettext_lazy("It was cancelled before it was decided."),
    "revoked": gettext_lazy("The approval was taken back."),
}
_THEN = {
    "approved": gettext_lazy("It goes on now."),
    "rejected": gettext_lazy("What was asked for is not done, and the agent is told why."),
    "answered": gettext_lazy("The answer is handed on, and the work goes on."),
    "expired": gettext_lazy("Silence is no yes: nothing is done."),
    "cancelled": gettext_lazy("Nothing is done, and nobody has to decide any more."),
    "revoked": gettext_lazy("What was approved may not be started any more."),
}
_VERDICTS = {
    "approve": gettext_lazy("approves"),
    "edit": gettext_lazy("approves with changes"),
    "reject": gettext_lazy("refuses"),
    "respond": gettext_lazy("answers"),
    "request_revision": gettext_lazy("asks for another version"),
}


def happened(row: Notification) -> Letter:
    """The mail of what asks nothing."""
    return _WORDS[row.kind](row)


def _ended(row: Notification) -> Letter:
    approval = _of(row)
    silent = row.kind == "approved" and approval.decided_via == "timeout"
    return Letter(
        subject=headed(row.kind, name_of(approval)),
        head=name_of(approval),
        lead=_("Nobody answered in time, and its policy approves it then.") if silent else str(_ENDS[row.kind]),
        facts=_about(row),
        said=_said(approval),
        then=_next(approval, row.kind),
        button=_("See the request"),
    )


def _closed(row: Notification) -> Letter:
    approval = _of(row)
    over = approval.status in _ENDS
    return Letter(
        subject=headed(row.kind, name_of(approval)),
        head=name_of(approval),
        lead=str(_ENDS[approval.status]) if over else _("Others are asked now."),
        facts=_about(row),
        said=_said(approval) if over else [],
        then=_("Nothing is asked of you any more."),
        button=_("See the request"),
    )


def _comment(row: Notification) -> Letter:
    approval, said = _of(row), row.payload or {}
    shown = "" if approval.risk in QUIET else str(said.get("text", ""))
    return Letter(
        subject=headed(row.kind, name_of(approval)),
        head=name_of(approval),
        lead=_("%(who)s commented on it.") % {"who": said.get("by", "")},
        facts=_about(row),
        said=[Said(str(said.get("by", "")), "", shown)] if shown else [],
        then="" if shown else page_only(approval.risk),
        button=_("See the request"),
    )


def _failed(row: Notification) -> Letter:
    name, title = _step_of(row)
    found = Step.objects.filter(run=row.run_id, name=name).order_by("-revision").first()
    code = found.failure_code if found is not None else ""
    return Letter(
        subject=headed(row.kind, f"{title}: {name}"),
        head=_("What you approved failed"),
        lead=_("The step %(step)s did not succeed with what you approved.") % {"step": name},
        facts=[*_about(row), (_("Step"), name), *([(_("Error code"), code)] if code else [])],
        button=_("See the run"),
    )


def _uncertain(row: Notification) -> Letter:
    name, title = _step_of(row)
    return Letter(
        subject=headed(row.kind, f"{title}: {name}"),
        head=_("Nobody knows whether a step happened"),
        lead=_("The step %(step)s ended without a word. Find out whether it happened, and say so.") % {"step": name},
        facts=[*_about(row), (_("Step"), name)],
        then=_("The run waits for that; it is not tried again by itself."),
        button=_("Open the run"),
    )


def _dead(row: Notification) -> Letter:
    said = row.payload or {}
    to = str(said.get("to", ""))
    return Letter(
        subject=headed(row.kind, to),
        head=_("A message could not be delivered"),
        lead=_("It is not tried again by itself. When the cause is gone, send it again from the outbox."),
        facts=[(_("Channel"), str(said.get("channel", ""))), (_("To"), to), (_("Error"), str(said.get("error", "")))],
        button=_("Open the outbox"),
    )


def _info(row: Notification) -> Letter:
    said = {name: str((row.payload or {}).get(name) or "") for name in ("title", "impact", "description")}
    quiet = row.approval is not None and row.approval.risk in QUIET
    return Letter(
        subject=headed(row.kind, said["title"]),
        head=said["title"],
        lead=_("This tells you of something that goes on by itself. Nothing is asked of you."),
        facts=[*([(_("Consequence"), said["impact"])] if said["impact"] else []), *_about(row)],
        agent="" if quiet else said["description"],
        button=_("See the request") if row.approval is not None else "",
    )


def _of(row: Notification) -> Approval:
    assert row.approval is not None
    return row.approval


def _about(row: Notification) -> list[tuple[str, str]]:
    return [(_("Workflow"), row.run.workflow.title)] if row.run is not None else []


def _step_of(row: Notification) -> tuple[str, str]:
    """The name of the step, and the workflow's title."""
    return str((row.payload or {}).get("step", "")), row.run.workflow.title if row.run is not None else ""


def _said(approval: Approval) -> list[Said]:
    votes = approval.decisions.filter(withdrawn_at=None).select_related("actor").order_by("decided_at")[:_MOST]
    hidden = approval.risk in QUIET
    return [
        Said(Actor.of(vote.actor).name, str(_VERDICTS[vote.verdict]), "" if hidden else vote.comment) for vote in votes
    ]


def _next(approval: Approval, kind: str) -> str:
    if kind == "approved" and approval.not_before is not None and approval.not_before > clock.now():
        return _("It goes on at %(at)s; until then it can be taken back.") % {"at": moment(approval.not_before)}
    return str(_THEN[kind])


_WORDS: dict[str, Callable[[Notification], Letter]] = {
    **dict.fromkeys(_ENDS, _ended),
    "closed": _closed,
    "comment": _comment,
    "failed": _failed,
    "uncertain": _uncertain,
    "dead": _dead,
    "info": _info,
}
