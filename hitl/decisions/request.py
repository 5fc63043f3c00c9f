"""Asking people: everything is looked up and checked before the run is locked, then written in one transition."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hitl import notifications
from hitl.audit import Actor
from hitl.conf import conf
from hitl.decisions.edits import changed_paths
from hitl.decisions.stages import assignment, enough_people, grant_times, times
from hitl.definition import Action, GateSpec, Requirement, canonical
from hitl.definition.binding import action_digest, bind, binding_digest
from hitl.definition.canonical import parse
from hitl.definition.values import RISKS
from hitl.exceptions import BadInput, InvalidPolicy
from hitl.models import Approval, Run, Step
from hitl.models.fields import uuid7
from hitl.policies import Asks, Candidate, requirement_for, rerun, resolve, when
from hitl.states import ApprovalStatus
from hitl.transitions import Transition


@dataclass(frozen=True, slots=True)
class Proposal:
    """A request that is ready to be made: the action, who must say yes, and who is asked at each stage."""

    action: Action
    gate: GateSpec
    risk: str
    requirement: Requirement
    candidates: tuple[tuple[Candidate, ...], ...]
    columns: dict[str, Any] = field(default_factory=dict)  # what an agent outside hands in beside it

    @property
    def passes(self) -> bool:
        """Whether nobody is waited for."""
        return self.requirement.auto or self.requirement.level == "info"


def prepare(gate: GateSpec, action: Action, *, asks: Asks, risk: str | None = None) -> Proposal:
    """Find policy, rule and reviewers and check sizes, outside any lock.

    Raises UnknownPolicy, UnknownReviewer, InvalidPolicy, TooLarge, and BadInput for a risk that does not exist.
    """
    risk = risk or gate.risk
    if risk not in RISKS:
        raise BadInput(f"{risk!r} is no risk; there are {', '.join(RISKS)}")
    risk = max(risk, asks.run.risk or risk, key=RISKS.index)
    canonical(action.args, what=f"arguments of {action.type}", limit=conf.MAX_ACTION)
    requirement = requirement_for(gate, action, risk=risk, asks=asks)
    if gate.question:
        if requirement.level == "info":
            raise InvalidPolicy("a question waits for its answer, so its level cannot be info")
        requirement = requirement.model_copy(update={"auto": False})
    return Proposal(action, gate, risk, requirement, _candidates(requirement, asks.run))


def _candidates(requirement: Requirement, run: Run) -> tuple[tuple[Candidate, ...], ...]:
    person = run.requester_id or run.on_behalf_of_id
    return tuple(tuple(resolve(stage.reviewers, requester=person)) for stage in requirement.stages)


def request(t: Transition, step: Step, proposal: Proposal, *, key: str = "", old: Approval | None = None) -> Approval:
    """Open the request in the caller's transition: approval, assignments, outbox and audit commit together.

    A pending request of the same step and key is replaced by the next revision. Where the policy lets it pass, or the
    level only informs, it is approved at once, on record, without a decision. The caller moves the step.
    """
    old = old or _newest(step, key)
    approval = _approval(t, step, proposal, key, old)
    for name, value in proposal.columns.items():
        setattr(approval, name, value)
    if old is not None and old.status == ApprovalStatus.PENDING:
        _supersede(t, old, approval, via="revision")
    _open(t, approval, proposal.candidates, step=step.name)
    return approval


def edited_terms(t: Transition, old: Approval, body: bytes) -> Requirement | None:
    """Who must agree to a reviewer's edit as the next revision; None where the edit decides by itself.

    An edit is under the policy like a proposal: it decides where one approval was enough and still is, by the same rule
    or by one that would let it pass.
    """
    content = parse(body)
    asks = Asks(t.run, t.definition.name, old.step.name, old.step.iteration)
    found = rerun(old.required, old.gate, action_of(old, content), risk=old.risk, asks=asks)
    same = found.auto or found == old.required
    if same and content["type"] == old.action_type and old.required.need == 1:
        return None
    return found.model_copy(update={"auto": False})


def redraft(
    t: Transition, old: Approval, who: Actor, body: bytes, requirement: Requirement, said: dict[str, Any]
) -> Approval:
    """A reviewer's edit as the next revision with these bytes: votes on the old one are void, and its author may not
    vote on the new one."""
    content = parse(body)
    candidates = _candidates(requirement, t.run)  # before anything is written: somebody may not exist any more
    fresh = _copy(t, old, who, body, requirement)
    changed = sorted(changed_paths(old.args, content["args"]))
    t.record(
        "hitl.approval.redrafted", f"approval:{old.pk}", actor=who, title=old.title, revision=fresh.revision,
        changed=changed, type=content["type"], digest=old.digest, **said,
    )  # fmt: skip
    _supersede(t, old, fresh, via="edit")
    _open(t, fresh, candidates, step=old.step.name)
    return fresh


def action_of(approval: Approval, content: dict[str, Any]) -> Action:
    """The action these bound values make, in the words of a request."""
    return Action(
        content["args"],
        type=content["type"],
        title=approval.title,
        impact=content["impact"],
        description=approval.description,
        target=content["target"],
        reversible=content["reversible"],
    )


def _supersede(t: Transition, old: Approval, fresh: Approval, *, via: str) -> None:
    t.move(old, ApprovalStatus.SUPERSEDED, decided_via=via)
    t.write_first(old)  # one pending request a step and key
    t.record("hitl.approval.superseded", f"approval:{old.pk}", title=old.title, revision=fresh.revision)


def _open(t: Transition, approval: Approval, candidates: tuple[tuple[Candidate, ...], ...], *, step: str) -> None:
    requirement = approval.required
    t.add(approval)
    t.record(
        "hitl.approval.requested",
        f"approval:{approval.pk}",
        title=approval.title,
        step=step,
        key=approval.key,
        revision=approval.revision,
        digest=approval.digest,
        risk=approval.risk,
        reviewers=list(requirement.stages[0].reviewers),
        policy=requirement.policy,
        rule=requirement.rule,
        expires_at=approval.expires_at.isoformat(),
    )
    if requirement.auto or approval.level == "info":
        _pass(t, approval, candidates)
        return
    source = "requester" if requirement.by_requester else "policy"
    rows = [
        assignment(approval, stage, candidate, source) for stage, asked in enumerate(candidates) for candidate in asked
    ]
    t.add(*rows)
    notifications.tell(t, "requested" if approval.revision == 1 else "revision", approval)
    enough_people(t, approval, [], asked=[row for row in rows if row.stage == 0])


def _pass(t: Transition, approval: Approval, candidates: tuple[tuple[Candidate, ...], ...]) -> None:
    """By rule or because it only informs: approved at once, and nobody decided it."""
    t.move(approval, ApprovalStatus.APPROVED, decided_via="policy", **grant_times(approval, t.now))
    subject = f"approval:{approval.pk}"
    if approval.required.auto:
        why = f"its policy says so ({approval.required.rule})"
        t.record("hitl.approval.passed", subject, why=why, title=approval.title, digest=approval.digest)
        return
    t.add(*(assignment(approval, 0, candidate, "policy") for candidate in candidates[0]))
    t.record("hitl.approval.informed", subject, title=approval.title, digest=approval.digest)
    notifications.tell(t, "info", approval)


def _copy(t: Transition, old: Approval, who: Actor, body: bytes, requirement: Requirement) -> Approval:
    """The next revision of a request, begun anew but for its words."""
    kept = {field.attname: getattr(old, field.attname) for field in Approval._meta.concrete_fields}
    content = {**parse(body), "revision": old.revision + 1}
    action_type = content["type"]
    other = action_type != old.action_type
    phrase = "" if old.phrase == _own_phrase(old.action_type) else old.phrase
    bound = canonical(content, what="action")
    return Approval(
        **kept
        | {
            "id": uuid7(),
            "revision": old.revision + 1,
            "supersedes_id": old.pk,
            "action_type": action_type,
            "action_model": "" if other else old.action_model,
            "action_bytes": bound,
            "digest": binding_digest(bound),
            "action_digest": action_digest(bound),
            "reversible": content["reversible"],
            "args_schema": (old.types or {}).get(action_type) if other else old.args_schema,
            **_terms(requirement, phrase, action_type, t.now),
            "edited_by_id": who.user_pk,
            "stage": 0,
            "rung": 0,
            "fell_back": False,
            "unsatisfiable": False,
            "reminded_at": None,
            "claimed_by_id": None,
            "claimed_until": None,
        }
    )


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
        types=dict(gate.types) or None,
        gate=gate.model_dump(mode="json", exclude_defaults=True) if gate.policy or gate.rules else None,
        max_revisions=gate.max_revisions,
        on_max_revisions=gate.on_max_revisions,
        risk=proposal.risk,
        reversible=action.reversible,
        **_terms(proposal.requirement, gate.phrase, action.type, t.now),
        requester_id=run.requester_id,
        on_behalf_of_id=run.on_behalf_of_id,
        agent_key_id=_key_of(run),
        authors=run.authors,
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


def _terms(requirement: Requirement, phrase: str, action_type: str, now: datetime) -> dict[str, Any]:
    """What a requirement makes of a request that opens now."""
    stage = requirement.stages[0]
    return {
        "requirement": requirement.model_dump(mode="json"),
        "level": requirement.level or "confirm",
        "phrase": (phrase or _own_phrase(action_type)) if requirement.level == "verify" else "",
        "prevent_self_review": requirement.prevent_self_review,
        "opened_at": now,
        "stage_opened_at": now,
        "expires_at": when(now, stage.timeout or 0),
        **times(stage, now, now),
    }


def _own_phrase(action_type: str) -> str:
    """What people type where the author named no phrase."""
    return f"APPROVE {action_type}"


def _key_of(run: Run) -> Any:
    kind, _, pk = run.principal.partition(":")
    return pk if kind == "key" else None
