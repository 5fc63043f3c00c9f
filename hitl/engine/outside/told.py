"""What the agent that asked is told: what came of its request, and in which words its model is to hear it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hitl.audit import Actor
from hitl.decisions.edits import changed_paths
from hitl.decisions.inbox import find_visible
from hitl.engine.context.pauses import votes_on
from hitl.exceptions import UnknownApproval
from hitl.models import ApiKey, Approval, Decision
from hitl.states import ApprovalStatus, Verdict

_STOP = "Do not try this again, in this form or another; go on without it, or ask what to do instead."
_NOTICES = {
    "approve": "A person approved this call with exactly these arguments.",
    "edit": "A person changed this call before they approved it. Only the changed arguments are approved and run; do "
    "not call it again with the original ones.",
    "respond": "A person answered: {response}",
    ApprovalStatus.REJECTED: "A person said no. {comment}" + _STOP,
    ApprovalStatus.REVISION_REQUESTED: "A person wants it done differently. {comment}Propose it again with that "
    "changed; nothing was run.",
    ApprovalStatus.EXPIRED: "Nobody decided in time. This is not a person's no, and not a yes: nothing was run, and "
    "nothing may be run on it.",
    ApprovalStatus.CANCELLED: "The request was withdrawn before anybody decided. Nothing has been run.",
    ApprovalStatus.REVOKED: "A person took their approval back. Nothing has been run. " + _STOP,
}
_LAPSED = (
    "A person approved this, but it was not started in time, so that the approval is not good any more. Nothing was "
    "run; ask again if it is still wanted."
)
_POLICY = "The policy lets this call pass without asking a person."
_TIME = "Nobody objected in time, which by the policy lets this call pass."
# Whose vote made it what it is; of an end that nobody said, nobody's.
_SIDES: dict[str, tuple[str, ...]] = {
    ApprovalStatus.APPROVED: (Verdict.APPROVE, Verdict.EDIT),
    ApprovalStatus.ANSWERED: (Verdict.RESPOND,),
    ApprovalStatus.REJECTED: (Verdict.REJECT,),
    ApprovalStatus.REVISION_REQUESTED: (Verdict.REQUEST_REVISION,),
}
_VERDICTS = {
    ApprovalStatus.ANSWERED: Verdict.RESPOND,
    ApprovalStatus.REJECTED: Verdict.REJECT,
    ApprovalStatus.REVISION_REQUESTED: Verdict.REQUEST_REVISION,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a request. `verdict` is None where no person said anything: by policy, by time, or a cancel.

    `args` are those that may run, None where nothing may; `changes` are from what the agent proposed to them. `notice`
    is for the model: what was decided, and what to do now.
    """

    verdict: str | None
    approved: bool
    action_type: str
    args: dict[str, Any] | None
    changes: tuple[dict[str, Any], ...]
    comment: str
    response: Any
    by: tuple[str, ...]
    via: str
    notice: str


def tell(approval: Approval, votes: list[Decision] | None = None) -> Told | None:
    """What came of a request; None while it is open, or where a later revision replaced it. `votes` are those that
    stand, in their order, where the caller has read them."""
    status = ApprovalStatus(approval.status)
    if status in (ApprovalStatus.PENDING, ApprovalStatus.SUPERSEDED):
        return None
    cast = votes_on(approval) if votes is None else votes
    votes = [vote for vote in cast if vote.verdict in _SIDES.get(status, ())]
    approved = status == ApprovalStatus.APPROVED
    changes = tuple(_changes(approval)) if approved else ()
    human = approval.decided_via == "human" and status != ApprovalStatus.EXPIRED
    verdict = _VERDICTS.get(status) or (("edit" if changes else "approve") if approved else None)
    last = votes[-1] if votes else None
    return Told(
        verdict=str(verdict) if verdict and human else None,
        approved=approved,
        action_type=approval.action_type,
        args=approval.current_args if approved else None,
        changes=changes,
        comment=last.comment if last else "",
        response=last.response if last and status == ApprovalStatus.ANSWERED else None,
        by=tuple(Actor.of(vote.actor).name for vote in votes),
        via=approval.decided_via,
        notice=_notice(approval, status, changes, last),
    )


def own(approval: Any, actor: Any) -> Approval:
    """A request this key made itself; raises UnknownApproval alike for every other one."""
    row = find_visible(approval, actor)
    if not isinstance(actor, ApiKey) or row.agent_key_id != actor.pk:
        raise UnknownApproval(f"there is no request {row.pk} of yours")
    return row


def newest(approval: Approval) -> Approval:
    """The revision a request has come to: what people changed, or were proposed anew, has an id of its own."""
    if approval.status not in (ApprovalStatus.SUPERSEDED, ApprovalStatus.REVISION_REQUESTED):
        return approval
    rows = Approval.objects.revisions(approval.run_id, approval.step.name, approval.key)
    return rows.select_related("run__workflow", "step").first() or approval


def _notice(approval: Approval, status: ApprovalStatus, changes: Any, last: Decision | None) -> str:
    if status == ApprovalStatus.APPROVED and approval.decided_via != "human":
        return _TIME if approval.decided_via == "timeout" else _POLICY
    if status == ApprovalStatus.EXPIRED and approval.execute_by is not None:
        return _LAPSED
    word = {ApprovalStatus.APPROVED: "edit" if changes else "approve", ApprovalStatus.ANSWERED: "respond"}.get(status)
    comment = f"They said: “{last.comment}”. " if last and last.comment else ""
    text = _NOTICES[word or status].format(comment=comment, response=last.response if last else "")
    return f"{text} {comment}".strip() if word in ("approve", "edit") else text


def _changes(approval: Approval) -> Iterator[dict[str, Any]]:
    """From what the agent proposed last to what was approved: a reviewer's edit may have made a revision."""
    first = approval
    while first.edited_by_id is not None and first.supersedes is not None:
        first = first.supersedes
    before, after = first.args, approval.current_args
    if first.action_type != approval.action_type:
        yield {"path": "", "from": first.action_type, "to": approval.action_type}
    for path in sorted(changed_paths(before, after)):
        yield {"path": path, "from": _at(before, path), "to": _at(after, path)}


def _at(value: Any, path: str) -> Any:
    for part in path.replace("\\.", "\0").split("."):
        name = part.replace("\0", ".")
        value = value.get(name) if isinstance(value, dict) else None
    return value
