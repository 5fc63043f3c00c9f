"""decide(): one function for every door, seven checks in one order, one transaction.

Whoever loses learns it in precise words (duplicate, decided, stale, closed, not allowed), and a refusal writes nothing
but its one audit line.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hitl.audit import Actor
from hitl.decisions.acts.scene import acting
from hitl.decisions.checks import YES, Vote, check_complete, check_offered, check_open, check_seen, newest_of
from hitl.decisions.edits import changed_paths
from hitl.decisions.quorum import tally
from hitl.decisions.request import edited_terms, redraft
from hitl.decisions.resolve import resolve
from hitl.decisions.stages import climb, enough_people, open_next
from hitl.definition.binding import binding_digest
from hitl.definition.text import clean
from hitl.exceptions import NotAllowed
from hitl.models import Approval, Decision
from hitl.policies.acts import has_rung
from hitl.policies.eligibility import REASONS, Facts, gather, place_of, verdict_problem, why_not
from hitl.policies.stepup import is_fresh
from hitl.states import ApprovalStatus, Verdict
from hitl.transitions import Transition

_OTHERS = {
    Verdict.RESPOND: (ApprovalStatus.ANSWERED, "hitl.approval.answered"),
    Verdict.REQUEST_REVISION: (ApprovalStatus.REVISION_REQUESTED, "hitl.approval.revision_requested"),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a vote: the approval as it stands now (the next revision, where an edit made one), the recorded
    decision, whether it was recorded before (`duplicate`), and how many approvals its stage has of how many needed."""

    approval: Approval
    decision: Decision
    duplicate: bool
    have: int
    need: int

    @property
    def open(self) -> bool:
        """Whether more votes are needed."""
        return self.approval.is_pending


def decide(
    approval: Approval | uuid.UUID | str,
    *,
    actor: Any,
    verdict: str,
    digest: str,
    revision: int | None = None,
    comment: str = "",
    args: Any = None,
    action_type: str = "",
    response: Any = None,
    phrase: str = "",
    channel: str = "api",
    reauthenticated_at: datetime | None = None,
    shown_at: datetime | None = None,
) -> Outcome:
    """Say what you decide about a request, bound to the `digest` you saw.

    `actor` is a user (an API key is refused); `args` are the changed arguments of an edit and `action_type` another
    action made of it, `response` the answer to a question, `phrase` what the person typed where the level is verify,
    `reauthenticated_at` when they last gave their password, `shown_at` when a screen first
    showed them this. The same vote again gives the recorded answer.
    Raises UnknownApproval, AlreadyDecided, ApprovalClosed, StaleApproval, NotAllowed, VerdictNotOffered or
    InvalidDecision; of two opposing decisions at once exactly one is recorded, and the other is told what it was.
    """
    vote = Vote(
        str(verdict), digest, revision, comment.strip(), args, action_type, response, phrase, channel,
        reauthenticated_at, shown_at,
    )  # fmt: skip
    said = {"verdict": clean(vote.verdict)[:40], "channel": channel}
    with acting(approval, actor=actor, refusal="hitl.decision.refused", **said) as scene:
        outcome = _decide(scene.t, scene.approval, scene.votes, scene.actor, vote)
    return outcome


def _decide(t: Transition, approval: Approval, votes: list[Decision], who: Actor, vote: Vote) -> Outcome:
    if vote.action_type == approval.action_type:  # naming what it is makes nothing else of it
        vote = replace(vote, action_type="")
    own = [old for old in votes if str(old.actor_id) == who.id and who.is_person]
    again = next((old for old in own if vote.repeats(old)), None)
    if again is not None:
        return _recorded(approval, again, votes)
    check_open(t, approval, votes)
    check_seen(approval, vote)
    facts = gather(approval, who, votes)
    _allow(why_not(approval, who, facts))
    check_offered(approval, vote)
    fresh = is_fresh(vote.reauthenticated_at, t.now)
    _allow(verdict_problem(approval, vote.verdict, fresh=fresh, revises=bool(vote.action_type)))
    effective = check_complete(approval, vote)
    terms = edited_terms(t, approval, effective) if effective else None
    if terms is not None:
        _allow(verdict_problem(approval, vote.verdict, fresh=fresh, revises=True))
    decision = _decision(t, approval, who, facts, vote)
    t.add(decision)
    if terms is not None and effective is not None:
        fresh_one = redraft(t, approval, who, effective, terms, _said(approval, decision, vote))
        return Outcome(fresh_one, decision, False, 0, fresh_one.required.stages[0].need)
    return _count(t, approval, [*votes, decision], who, vote, effective)


def _allow(reason: str) -> None:
    if reason:
        raise NotAllowed(REASONS[reason], reason=reason)


def _recorded(approval: Approval, own: Decision, votes: list[Decision]) -> Outcome:
    """The recorded answer again; an edit that made a revision shows that one."""
    count = tally(approval.required.stages[own.stage], _verdicts(votes, own.stage))
    if approval.status == ApprovalStatus.SUPERSEDED and own.verdict == Verdict.EDIT:
        approval = newest_of(approval)
    return Outcome(approval, own, True, count.have, count.need)


def _decision(t: Transition, approval: Approval, who: Actor, facts: Facts, vote: Vote) -> Decision:
    evidence: dict[str, Any] = {}
    if approval.level == "verify" and vote.verdict in YES:
        evidence["phrase"] = True
    if approval.required.step_up and vote.reauthenticated_at is not None:
        evidence["password"] = vote.reauthenticated_at.isoformat()
    if vote.shown_at is not None:
        evidence["shown"] = vote.shown_at.isoformat()
    if _self_confirmed(approval, who.id):
        evidence["self"] = True
    place, assignment = place_of(who, facts)
    return Decision(
        approval=approval,
        stage=approval.stage,
        actor_id=who.user_pk,
        for_user_id=place,
        assignment_id=assignment,
        verdict=vote.verdict,
        comment=vote.comment,
        digest=vote.digest,
        edited_args=vote.args if vote.verdict == Verdict.EDIT else None,
        edited_type=vote.action_type,
        response=vote.response if vote.verdict == Verdict.RESPOND else None,
        channel=vote.channel,
        confirmation=evidence or None,
        decided_at=t.now,
    )


def _count(
    t: Transition, approval: Approval, votes: list[Decision], who: Actor, vote: Vote, effective: bytes | None
) -> Outcome:
    """Check 7: count what is written, refusals first, and do what follows."""
    decision = votes[-1]
    count = tally(approval.required.stages[approval.stage], _verdicts(votes, approval.stage))
    said = _said(approval, decision, vote)
    if vote.verdict == Verdict.REQUEST_REVISION and _instead_up(approval):
        t.record(
            "hitl.approval.voted",
            f"approval:{approval.pk}",
            actor=who,
            title=approval.title,
            have=count.have,
            need=count.need,
            **said,
        )
        climb(t, approval, votes, actor=who, why="it was revised as often as it may be")
    elif vote.verdict in _OTHERS:
        to, action = _OTHERS[Verdict(vote.verdict)]
        said |= {"response": vote.response} if vote.verdict == Verdict.RESPOND else {}
        resolve(t, approval, to, via="human", action=action, actor=who, why=vote.comment, **said)
    elif count.result == "open":
        said |= {"have": count.have, "need": count.need, "title": approval.title, "digest": approval.digest}
        t.record("hitl.approval.voted", f"approval:{approval.pk}", actor=who, **said)
        enough_people(t, approval, votes)
    elif count.result == "rejected":
        to, why = ApprovalStatus.REJECTED, vote.comment or "a reviewer said no"
        resolve(t, approval, to, via="human", action="hitl.approval.rejected", actor=who, why=why, **said)
    elif approval.stage + 1 < len(approval.required.stages):
        open_next(t, approval, votes, who, said)
    else:
        _approve(t, approval, who, vote, effective, said)
    return Outcome(approval, decision, False, count.have, count.need)


def _said(approval: Approval, decision: Decision, vote: Vote) -> dict[str, Any]:
    """What the audit keeps of a vote."""
    said: dict[str, Any] = {"verdict": vote.verdict, "comment": vote.comment, "channel": vote.channel}
    said |= {"for_user": str(decision.for_user_id)} if decision.for_user_id is not None else {}
    return said | ({"self_confirmed": True} if _self_confirmed(approval, decision.actor_id) else {})


def _self_confirmed(approval: Approval, person: Any) -> bool:
    """Whether this is the requester's own yes."""
    asked = {str(approval.requester_id), str(approval.on_behalf_of_id)}
    return approval.required.by_requester and str(person) in asked


def _approve(
    t: Transition, approval: Approval, who: Actor, vote: Vote, effective: bytes | None, said: dict[str, Any]
) -> None:
    edit: dict[str, Any] = {"changed": sorted(changed_paths(approval.args, vote.args))} if effective else {}
    resolve(
        t,
        approval,
        ApprovalStatus.APPROVED,
        via="human",
        action="hitl.approval.edited" if effective else "hitl.approval.approved",
        actor=who,
        effective=effective,
        effective_digest=binding_digest(effective) if effective else "",
        **said,
        **edit,
    )


def _instead_up(approval: Approval) -> bool:
    """Whether one more revision goes up the ladder, since there were as many as there may be."""
    ends = approval.revision > approval.max_revisions and approval.on_max_revisions == "escalate"
    return ends and has_rung(approval)


def _verdicts(votes: list[Decision], stage: int) -> list[str]:
    return [vote.verdict for vote in votes if vote.stage == stage]
