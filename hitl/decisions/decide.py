"""decide(): one function for every door, seven checks in one order, one transaction.

Whoever loses learns it in precise words (duplicate, decided, stale, closed, not allowed), and a refusal writes nothing
but its one audit line.
"""

from __future__ import annotations

import hmac
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

from hitl.audit import Actor
from hitl.decisions.edits import changed_paths, edited_bytes, response_problems
from hitl.decisions.expire import expire_now
from hitl.decisions.inbox import as_id, find_visible, run_of
from hitl.decisions.quorum import tally
from hitl.decisions.resolve import resolve
from hitl.definition import canonical
from hitl.definition.binding import binding_digest
from hitl.definition.text import clean
from hitl.exceptions import (
    AlreadyDecided,
    ApprovalClosed,
    BadInput,
    HitlError,
    InvalidDecision,
    NotAllowed,
    StaleApproval,
    VerdictNotOffered,
)
from hitl.models import Approval, Decision, sql
from hitl.policies.eligibility import REASONS, gather, offered, why_not
from hitl.states import ApprovalStatus, Verdict
from hitl.transitions import Transition, locked

_LONGEST_COMMENT = 10_000
_YES = {Verdict.APPROVE, Verdict.EDIT}
_SENT_BACK = {ApprovalStatus.SUPERSEDED, ApprovalStatus.REVISION_REQUESTED, ApprovalStatus.CANCELLED}
_OTHERS = {
    Verdict.RESPOND: (ApprovalStatus.ANSWERED, "hitl.approval.answered"),
    Verdict.REQUEST_REVISION: (ApprovalStatus.REVISION_REQUESTED, "hitl.approval.revision_requested"),
}
_BY_PEOPLE = {
    ApprovalStatus.APPROVED,
    ApprovalStatus.REJECTED,
    ApprovalStatus.ANSWERED,
    ApprovalStatus.REVOKED,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a vote: the approval as it stands now, the recorded decision, whether it was recorded before
    (`duplicate`), and how many approvals it has of how many it needs."""

    approval: Approval
    decision: Decision
    duplicate: bool
    have: int
    need: int

    @property
    def open(self) -> bool:
        """Whether more votes are needed."""
        return self.approval.is_pending


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody says: the verdict with everything that belongs to it."""

    verdict: str
    digest: str
    revision: int | None
    comment: str
    args: Any
    response: Any
    phrase: str
    channel: str


def decide(
    approval: Approval | uuid.UUID | str,
    *,
    actor: Any,
    verdict: str,
    digest: str,
    revision: int | None = None,
    comment: str = "",
    args: Any = None,
    response: Any = None,
    phrase: str = "",
    channel: str = "api",
) -> Outcome:
    """Say what you decide about a request, bound to the `digest` you saw.

    `actor` is a user (an API key is refused); `args` are the changed arguments of an edit, `response` the answer to a
    question, `phrase` what the person typed where the level is verify. The same vote again gives the recorded answer.
    Raises UnknownApproval, AlreadyDecided, ApprovalClosed, StaleApproval, NotAllowed, VerdictNotOffered or
    InvalidDecision; of two opposing decisions at once exactly one is recorded, and the other is told what it was.
    """
    who = Actor.of(actor)
    vote = Vote(str(verdict), digest, revision, comment.strip(), args, response, phrase, channel)
    run_id = run_of(approval)
    with locked(run_id) as t:
        row = sql.lock_approval(as_id(approval))
        votes = sql.votes_of(row.pk)
        try:
            return _decide(t, row, votes, who, vote)
        except HitlError as error:
            find_visible(row, actor)  # check 1, asked only now: who may vote sees it anyway
            # An expiry that was found on the way is kept; everything else is dropped.
            late = row.status == ApprovalStatus.EXPIRED and t.knows(row)
            t.refuse(
                error,
                "hitl.decision.refused",
                f"approval:{row.pk}",
                actor=who,
                keep=late,
                title=row.title,
                verdict=clean(str(verdict))[:40],
                channel=channel,
                **({"reason": error.details["reason"]} if "reason" in error.details else {}),
            )
    raise AssertionError("a refusal is raised when the transition ends")


def _decide(t: Transition, approval: Approval, votes: list[Decision], who: Actor, vote: Vote) -> Outcome:
    own = next((old for old in votes if str(old.actor_id) == who.id and who.is_person), None)
    if own is not None and _same(own, vote):
        have = tally(approval.required.stages[own.stage], _verdicts(votes, own.stage))
        return Outcome(approval, own, True, have.have, have.need)
    _check_open(t, approval, votes)
    _check_seen(approval, vote)
    reason = why_not(approval, who, gather(approval, who, votes))
    if reason:
        raise NotAllowed(REASONS[reason], reason=reason)
    effective = _check_vote(approval, vote)
    return _record(t, approval, votes, who, vote, effective)


def _same(own: Decision, vote: Vote) -> bool:
    seen = own.digest == vote.digest and own.verdict == vote.verdict
    return seen and own.edited_args == vote.args and own.response == vote.response


def _check_open(t: Transition, approval: Approval, votes: list[Decision]) -> None:
    """Checks 2 and 3: decided, superseded, closed, or past its deadline by the database's clock."""
    status = ApprovalStatus(approval.status)
    if status in _SENT_BACK:
        newest = _newest(approval)
        if newest["revision"] > approval.revision:
            raise StaleApproval("a newer revision replaced this request", **newest)
    if status in _BY_PEOPLE and approval.decided_via == "human":
        raise AlreadyDecided(f"this was {status.label.lower()} already", **_outcome(approval, votes))
    if status != ApprovalStatus.PENDING:
        raise ApprovalClosed(f"this request was closed: {status.label.lower()}", **_outcome(approval, votes))
    if t.now >= approval.expires_at:
        expire_now(t, approval)
        raise ApprovalClosed("the time to decide is over", **_outcome(approval, votes))


def _check_seen(approval: Approval, vote: Vote) -> None:
    """Check 4: the decision is about what would be decided."""
    matches = hmac.compare_digest(approval.digest.encode(), str(vote.digest).encode(errors="replace"))
    if not matches or vote.revision not in (None, approval.revision):
        raise StaleApproval(
            "what you saw is not what would be decided; look again",
            approval=str(approval.pk),
            revision=approval.revision,
            digest=approval.digest,
        )


def _check_vote(approval: Approval, vote: Vote) -> bytes | None:
    """Check 6: is the verdict offered, and is all there that it needs? Returns the bytes of an edit."""
    if vote.verdict not in offered(approval):
        told = ", ".join(offered(approval))
        raise VerdictNotOffered(
            f"{str(vote.verdict)[:40]!r} is not offered here; there are {told}", offered=offered(approval)
        )
    fields = _comment_problem(approval, vote)
    if approval.level == "verify" and vote.verdict in _YES and not _typed(approval.phrase, vote.phrase):
        fields["phrase"] = f"type exactly: {approval.phrase}"
    effective = None
    if vote.verdict == Verdict.EDIT:
        try:
            effective = edited_bytes(approval, vote.args)
        except InvalidDecision as error:
            fields |= error.details["fields"]
    elif vote.args is not None:
        fields["args"] = "only an edit carries changed arguments"
    fields |= response_problems(approval, vote.response, answers=vote.verdict == Verdict.RESPOND)
    if fields:
        raise InvalidDecision(fields=fields)
    return effective


def _comment_problem(approval: Approval, vote: Vote) -> dict[str, str]:
    rule = approval.required.comment
    side = "on_reject" if vote.verdict == Verdict.REJECT else "on_approve"
    if not vote.comment and vote.verdict == Verdict.REQUEST_REVISION:
        return {"comment": "say what to do better: it goes to the agent as its instructions"}
    if not vote.comment and rule in ("always", side):
        return {"comment": "say why: the agent is told, and it is kept on record"}
    try:
        canonical(vote.comment, what="comment", limit=_LONGEST_COMMENT)
    except BadInput as error:
        return {"comment": error.message}
    return {}


def _record(
    t: Transition, approval: Approval, votes: list[Decision], who: Actor, vote: Vote, effective: bytes | None
) -> Outcome:
    """Check 7: write the decision, count, and resolve when the quorum is reached."""
    decision = Decision(
        approval=approval,
        stage=approval.stage,
        actor_id=int(who.id) if who.id.isdigit() else who.id,
        verdict=vote.verdict,
        comment=vote.comment,
        digest=vote.digest,
        edited_args=vote.args if vote.verdict == Verdict.EDIT else None,
        response=vote.response if vote.verdict == Verdict.RESPOND else None,
        channel=vote.channel,
        confirmation={"phrase": True} if approval.level == "verify" and vote.verdict in _YES else None,
        decided_at=t.now,
    )
    t.add(decision)
    count = tally(approval.required.stages[approval.stage], _verdicts([*votes, decision], approval.stage))
    said: dict[str, Any] = {"verdict": vote.verdict, "comment": vote.comment, "channel": vote.channel}
    if vote.verdict in _OTHERS:
        to, action = _OTHERS[Verdict(vote.verdict)]
        said |= {"response": vote.response} if vote.verdict == Verdict.RESPOND else {}
        resolve(t, approval, to, via="human", action=action, actor=who, why=vote.comment, **said)
    elif count.result == "open":
        said |= {"have": count.have, "need": count.need, "title": approval.title, "digest": approval.digest}
        t.record("hitl.approval.voted", f"approval:{approval.pk}", actor=who, **said)
    elif count.result == "rejected":
        resolve(
            t,
            approval,
            ApprovalStatus.REJECTED,
            via="human",
            action="hitl.approval.rejected",
            actor=who,
            why=vote.comment or "a reviewer said no",
            **said,
        )
    else:
        _approve(t, approval, who, vote, effective, said)
    return Outcome(approval, decision, False, count.have, count.need)


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


def _typed(phrase: str, typed: str) -> bool:
    """Whether the person typed the phrase: trimmed, in one Unicode form, compared in constant time."""
    one, other = (unicodedata.normalize("NFC", text.strip()).encode(errors="replace") for text in (phrase, str(typed)))
    return bool(one) and hmac.compare_digest(one, other)


def _verdicts(votes: list[Decision], stage: int) -> list[str]:
    return [vote.verdict for vote in votes if vote.stage == stage]


def _newest(approval: Approval) -> dict[str, Any]:
    newest = Approval.objects.revisions(approval.run_id, approval.step.name, approval.key).first() or approval
    return {"approval": str(newest.pk), "revision": newest.revision, "digest": newest.digest}


def _outcome(approval: Approval, votes: list[Decision]) -> dict[str, Any]:
    return {
        "status": str(approval.status),
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "decided_via": approval.decided_via,
        "decided_by": [str(vote.actor_id) for vote in votes],
    }
