"""The names of everything that is recorded, each with its sentence for people. An unregistered name is an error."""

from __future__ import annotations

from typing import Any

SENTENCES: dict[str, str] = {
    "hitl.run.started": "{actor} started *{workflow}*",
    "hitl.run.succeeded": "The run finished",
    "hitl.run.rejected": "The run ended: {why}",
    "hitl.run.failed": "The run failed: {why}",
    "hitl.run.cancelled": "{actor} cancelled the run: {why}",
    "hitl.cancel.refused": "{actor} tried to cancel the run and was refused: {why}",
    "hitl.step.started": "Step *{step}* started",
    "hitl.step.succeeded": "Step *{step}* succeeded",
    "hitl.step.skipped": "Step *{step}* was skipped",
    "hitl.step.retried": "Step *{step}* failed and will be tried again: {why}",
    "hitl.step.failed": "Step *{step}* failed: {why}",
    "hitl.step.waiting": "Step *{step}* waits for {waiting_for}",
    "hitl.step.resumed": "Step *{step}* goes on: {why}",
    "hitl.step.rescued": "The worker of step *{step}* died; it will be tried again",
    "hitl.step.uncertain": "The worker of step *{step}* died and the step must not be repeated: nobody knows yet",
    "hitl.step.continued": "Step *{step}* goes into iteration {iteration}",
    "hitl.step.planned": "The plan of step *{step}* added {count} steps",
    "hitl.step.restarted": "The run went back to step *{step}* (revision {revision}): {why}",
    "hitl.step.resolved": "{actor} said what became of step *{step}*: {verdict}. {why}",
    "hitl.people.told": "People were told: *{title}*",
    "hitl.freeze.set": "{actor} froze {target}: {why}",
    "hitl.freeze.lifted": "{actor} lifted the freeze of {target}",
    "hitl.step.refused": "A late outcome of step *{step}* was refused: {why}",
    "hitl.approval.requested": "People were asked to decide: *{title}*",
    "hitl.approval.voted": "{actor} voted {verdict} on *{title}* ({have} of {need})",
    "hitl.approval.approved": "{actor} approved *{title}*",
    "hitl.approval.edited": "{actor} approved *{title}* with changes",
    "hitl.approval.answered": "{actor} answered *{title}*",
    "hitl.approval.revision_requested": "{actor} asked for a revision of *{title}*: {why}",
    "hitl.approval.rejected": "{actor} rejected *{title}*",
    "hitl.approval.redrafted": "{actor} changed *{title}*: the others decide on it as revision {revision}",
    "hitl.approval.stage_passed": "{actor} completed stage {stage} of {stages} of *{title}*",
    "hitl.approval.passed": "*{title}* was approved by nobody: {why}",
    "hitl.approval.informed": "People were told of *{title}*, and it goes on",
    "hitl.approval.claimed": "{actor} took *{title}*",
    "hitl.approval.released": "{actor} gave *{title}* back",
    "hitl.approval.delegated": "{actor} handed *{title}* over to {to}. {why}",
    "hitl.approval.assigned": "{actor} asked {to} to decide *{title}*: {why}",
    "hitl.approval.escalated": "*{title}* was escalated to {to}: {why}",
    "hitl.approval.fell_back": "Too few are left to decide *{title}*: {to} were asked as well",
    "hitl.approval.unsatisfiable": "Nobody is left who could decide *{title}*",
    "hitl.approval.reminded": "People were reminded of *{title}*",
    "hitl.approval.extended": "{actor} put the deadline of *{title}* off to {until}. {why}",
    "hitl.approval.commented": "{actor} said about *{title}*: {text}",
    "hitl.approval.watched": "{actor} watches *{title}*",
    "hitl.approval.unwatched": "{actor} stopped watching *{title}*",
    "hitl.approval.withdrawn": "{actor} took their vote on *{title}* back. {why}",
    "hitl.approval.expired": "*{title}* expired: {why}",
    "hitl.approval.cancelled": "*{title}* was cancelled: {why}",
    "hitl.approval.superseded": "*{title}* was replaced by revision {revision}",
    "hitl.approval.taken": "{actor} took the answer to *{title}*: it was {outcome}",
    "hitl.approval.revoked": "{actor} revoked the approval of *{title}*: {why}",
    "hitl.decision.refused": "{actor} tried to {verdict} *{title}* and was refused: {why}",
    "hitl.act.refused": "{actor} tried to {act} *{title}* and was refused: {why}",
    "hitl.grant.consumed": "Step *{step}* used up the approval of *{title}*",
    "hitl.grant.refused": "Step *{step}* did not start: {why}",
    "hitl.signal.received": "{actor} sent the signal *{name}*",
    "hitl.signal.late": "{actor} sent the signal *{name}*, after its wait had ended",
    "hitl.signal.refused": "{actor} sent the signal *{name}* and was refused: {why}",
    "hitl.feedback.given": "{actor} gave feedback ({key}): {comment}",
    "hitl.delegation.created": "{actor} lets {to} decide in the place of {by} until {until}. {why}",
    "hitl.delegation.revoked": "{actor} ended the delegation to {to}",
    "hitl.policy.applied": "{actor} applied version {version} of the policy",
    "hitl.key.created": "{actor} created the API key",
    "hitl.key.revoked": "{actor} revoked the API key",
}


def require(action: str) -> None:
    """Raise KeyError for an action that has no sentence."""
    if action not in SENTENCES:
        raise KeyError(f"{action!r} is no registered audit action; add it to hitl/audit/actions.py with its sentence")


class _Words(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def sentence(action: str, actor: str, data: dict[str, Any]) -> str:
    """What happened, for people; a value that is not on record shows as an ellipsis."""
    return SENTENCES.get(action, action).format_map(_Words(data, actor=actor))
