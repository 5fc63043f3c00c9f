"""Asking people: everything is looked up and checked before the run is locked, then written in one transition."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hitl import notifications
from hitl.conf import conf
from hitl.definition import Action, GateSpec, Requirement, canonical
from hitl.definition.binding import action_digest, bind, binding_digest
from hitl.exceptions import BadInput
from hitl.models import Approval, Assignment, Run, Step
from hitl.policies import Candidate, requirement_for, resolve
from hitl.states import ApprovalStatus
from hitl.transitions import Transition

RISKS = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A request that is ready to be made: the action, who must say yes, and who is asked."""

    action: Action
    gate: GateSpec
    risk: str
    requirement: Requirement
    candidates: tuple[Candidate, ...]


def prepare(gate: GateSpec, action: Action, *, risk: str | None = None) -> Proposal:
    """Find policy and reviewers and check sizes, outside any lock.

    Raises UnknownPolicy, UnknownReviewer, TooLarge, and BadInput for a risk that does not exist.
    """
    risk = risk or gate.risk
    if risk not in RISKS:
        raise BadInput(f"{risk!r} is no risk; there are {', '.join(RISKS)}")
    canonical(action.args, what=f"arguments of {action.type}", limit=conf.MAX_ACTION)
    requirement = requirement_for(gate)
    if requirement.on_timeout == "approve" and not (risk == "low" and action.reversible):
        requirement = requirement.model_copy(update={"on_timeout": "reject"})  # closed on doubt
    return Proposal(action, gate, risk, requirement, tuple(resolve(requirement.stages[0].reviewers)))


def request(t: Transition, step: Step, proposal: Proposal, *, key: str = "") -> Approval:
    """Open the request in the caller's transition: approval, assignments, outbox and audit commit together.

    A pending request of the same step and key is replaced by the next revision. The caller moves the step.
    """
    old = _newest(step, key)
    approval = _approval(t, step, proposal, key, old)
    if old is not None and old.status == ApprovalStatus.PENDING:
        t.move(old, ApprovalStatus.SUPERSEDED, decided_via="revision")
        t.write_first(old)  # one pending request a step and key
        t.record("hitl.approval.superseded", f"approval:{old.pk}", title=old.title, revision=approval.revision)
    t.add(approval)
    t.add(
        *(
            Assignment(approval=approval, user_id=candidate.user_id, group_id=candidate.group_id)
            for candidate in dict.fromkeys(proposal.candidates)
        )
    )
    notifications.tell(t, "requested", approval)
    t.record(
        "hitl.approval.requested",
        f"approval:{approval.pk}",
        title=approval.title,
        step=step.name,
        key=key,
        revision=approval.revision,
        digest=approval.digest,
        risk=approval.risk,
        reviewers=list(proposal.requirement.stages[0].reviewers),
        policy=proposal.requirement.policy,
        expires_at=approval.expires_at.isoformat(),
    )
    return approval


def _approval(t: Transition, step: Step, proposal: Proposal, key: str, old: Approval | None) -> Approval:
    action, gate, run = proposal.action, proposal.gate, t.run
    revision = old.revision + 1 if old else 1
    within = gate.execute_within or conf.EXECUTE_WITHIN.total_seconds()
    body = _bytes(t, step, action, key=key, revision=revision, within=within)
    return Approval(
        run=run,
        step=step,
        key=key,
        kind="question" if gate.question else "approval",
        question=gate.question,
        response_schema=gate.response_schema,
        revision=revision,
        supersedes=old,
        topic=gate.topic,
        title=action.title[:500],
        description=action.description or gate.description,
        impact=action.impact,
        action_type=action.type,
        action_model=action.model,
        action_bytes=body,
        digest=binding_digest(body),
        action_digest=action_digest(body),
        args_schema=action.schema(),
        editable=None if gate.editable is None else list(gate.editable),
        risk=proposal.risk,
        reversible=action.reversible,
        level=proposal.requirement.level,
        phrase=_phrase(proposal),
        requirement=proposal.requirement.model_dump(mode="json"),
        prevent_self_review=proposal.requirement.prevent_self_review,
        requester_id=run.requester_id,
        on_behalf_of_id=run.on_behalf_of_id,
        agent_key_id=_key_of(run),
        authors=run.authors,
        opened_at=t.now,
        expires_at=t.now + _timeout(proposal),
        cool_off=gate.cool_off,
        execute_within=within,
    )


def _bytes(t: Transition, step: Step, action: Action, *, key: str, revision: int, within: float) -> bytes:
    return bind(
        action,
        workflow=t.definition.name,
        run=str(t.run.pk),
        step=step.name,
        key=key,
        revision=revision,
        requester=t.run.principal,
        execute_within=within,
    )


def _newest(step: Step, key: str) -> Approval | None:
    if not key and step.revision == 1:
        return None  # a gate's step opens once; a revision is a new row of the step
    return Approval.objects.revisions(step.run_id, step.name, key).first()


def _timeout(proposal: Proposal) -> timedelta:
    if proposal.gate.timeout is not None:
        return timedelta(seconds=proposal.gate.timeout)
    critical: timedelta = conf.CRITICAL_GATE_TIMEOUT
    usual: timedelta = conf.GATE_TIMEOUT
    return critical if proposal.risk == "critical" else usual


def _phrase(proposal: Proposal) -> str:
    if proposal.requirement.level != "verify":
        return ""
    return proposal.gate.phrase or f"APPROVE {proposal.action.type}"


def _key_of(run: Run) -> Any:
    kind, _, pk = run.principal.partition(":")
    return pk if kind == "key" else None
