"""The names of everything that is recorded, each with its sentence for people. An unregistered name is an error."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

SENTENCES: dict[str, str] = {
    "hitl.run.started": _("{actor} started *{workflow}*"),
    "hitl.run.succeeded": _("The run finished"),
    "hitl.run.rejected": _("The run ended: {why}"),
    "hitl.run.failed": _("The run failed: {why}"),
    "hitl.run.cancelled": _("{actor} cancelled the run: {why}"),
    "hitl.cancel.refused": _("{actor} tried to cancel the run and was refused: {why}"),
    "hitl.step.started": _("Step *{step}* started"),
    "hitl.step.succeeded": _("Step *{step}* succeeded"),
    "hitl.step.skipped": _("Step *{step}* was skipped"),
    "hitl.step.retried": _("Step *{step}* failed and will be tried again: {why}"),
    "hitl.step.failed": _("Step *{step}* failed: {why}"),
    "hitl.step.waiting": _("Step *{step}* waits for {waiting_for}"),
    "hitl.step.resumed": _("Step *{step}* goes on: {why}"),
    "hitl.step.rescued": _("The worker of step *{step}* died; it will be tried again"),
    "hitl.step.uncertain": _("The worker of step *{step}* died and the step must not be repeated: nobody knows yet"),
    "hitl.step.continued": _("Step *{step}* goes into iteration {iteration}"),
    "hitl.step.planned": _("The plan of step *{step}* added {count} steps"),
    "hitl.step.restarted": _("The run went back to step *{step}* (revision {revision}): {why}"),
    "hitl.step.resolved": _("{actor} said what became of step *{step}*: {verdict}. {why}"),
    "hitl.people.told": _("People were told: *{title}*"),
    "hitl.freeze.set": _("{actor} froze {target}: {why}"),
    "hitl.freeze.lifted": _("{actor} lifted the freeze of {target}"),
    "hitl.step.refused": _("A late outcome of step *{step}* was refused: {why}"),
    "hitl.approval.requested": _("People were asked to decide: *{title}*"),
    "hitl.approval.voted": _("{actor} voted {verdict} on *{title}* ({have} of {need})"),
    "hitl.approval.approved": _("{actor} approved *{title}*"),
    "hitl.approval.edited": _("{actor} approved *{title}* with changes"),
    "hitl.approval.answered": _("{actor} answered *{title}*"),
    "hitl.approval.revision_requested": _("{actor} asked for a revision of *{title}*: {why}"),
    "hitl.approval.rejected": _("{actor} rejected *{title}*"),
    "hitl.approval.redrafted": _("{actor} changed *{title}*: the others decide on it as revision {revision}"),
    "hitl.approval.stage_passed": _("{actor} completed stage {stage} of {stages} of *{title}*"),
    "hitl.approval.passed": _("*{title}* was approved by nobody: {why}"),
    "hitl.approval.informed": _("People were told of *{title}*, and it goes on"),
    "hitl.approval.claimed": _("{actor} took *{title}*"),
    "hitl.approval.released": _("{actor} gave *{title}* back"),
    "hitl.approval.delegated": _("{actor} handed *{title}* over to {to}. {why}"),
    "hitl.approval.assigned": _("{actor} asked {to} to decide *{title}*: {why}"),
    "hitl.approval.escalated": _("*{title}* was escalated to {to}: {why}"),
    "hitl.approval.fell_back": _("Too few are left to decide *{title}*: {to} were asked as well"),
    "hitl.approval.unsatisfiable": _("Nobody is left who could decide *{title}*"),
    "hitl.approval.reminded": _("People were reminded of *{title}*"),
    "hitl.approval.extended": _("{actor} put the deadline of *{title}* off to {until}. {why}"),
    "hitl.approval.commented": _("{actor} said about *{title}*: {text}"),
    "hitl.approval.watched": _("{actor} watches *{title}*"),
    "hitl.approval.unwatched": _("{actor} stopped watching *{title}*"),
    "hitl.approval.withdrawn": _("{actor} took their vote on *{title}* back. {why}"),
    "hitl.approval.expired": _("*{title}* expired: {why}"),
    "hitl.approval.cancelled": _("*{title}* was cancelled: {why}"),
    "hitl.approval.superseded": _("*{title}* was replaced by revision {revision}"),
    "hitl.approval.taken": _("{actor} took the answer to *{title}*: it was {outcome}"),
    "hitl.approval.revoked": _("{actor} revoked the approval of *{title}*: {why}"),
    "hitl.decision.refused": _("{actor} tried to {verdict} *{title}* and was refused: {why}"),
    "hitl.act.refused": _("{actor} tried to {act} *{title}* and was refused: {why}"),
    "hitl.grant.consumed": _("Step *{step}* used up the approval of *{title}*"),
    "hitl.grant.refused": _("Step *{step}* did not start: {why}"),
    "hitl.signal.received": _("{actor} sent the signal *{name}*"),
    "hitl.signal.late": _("{actor} sent the signal *{name}*, after its wait had ended"),
    "hitl.signal.refused": _("{actor} sent the signal *{name}* and was refused: {why}"),
    "hitl.feedback.given": _("{actor} gave feedback ({key}): {comment}"),
    "hitl.delegation.created": _("{actor} lets {to} decide in the place of {by} until {until}. {why}"),
    "hitl.delegation.revoked": _("{actor} ended the delegation to {to}"),
    "hitl.policy.applied": _("{actor} applied version {version} of the policy"),
    "hitl.key.created": _("{actor} created the API key"),
    "hitl.key.revoked": _("{actor} revoked the API key"),
    "hitl.webhook.created": _("{actor} set up the webhook to {url}"),
    "hitl.webhook.rotated": _("{actor} changed the secret of the webhook; the old one counts until {until}"),
    "hitl.webhook.disabled": _("{actor} turned the webhook off: {why}"),
    "hitl.webhook.enabled": _("{actor} turned the webhook on"),
    "hitl.webhook.tried": _("{actor} sent a test to the webhook"),
    "hitl.webhook.replayed": _("{actor} had {count} messages sent to the webhook again"),
    "hitl.message.resent": _("{actor} had a message sent again over {channel}"),
}


def require(action: str) -> None:
    """Raise KeyError for an action that has no sentence."""
    if action not in SENTENCES:
        raise KeyError(f"{action!r} is no registered audit action; add it to hitl/audit/actions.py with its sentence")


class _Words(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def sentence(action: str, actor: str, data: dict[str, Any]) -> str:
    """What happened, for people, in the language of who reads it; a value that is not on record shows as an ellipsis.
    The record itself holds no sentence."""
    return gettext(SENTENCES.get(action, action)).format_map(_Words(data, actor=actor))
