"""The checks of a decision, in their order: is it open, is it what they saw, is all there that the verdict needs?"""

from __future__ import annotations

import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from hitl.decisions.edits import edited_bytes, response_problems
from hitl.decisions.expire import expire_now
from hitl.definition import canonical
from hitl.exceptions import (
    AlreadyDecided,
    ApprovalClosed,
    BadInput,
    InvalidDecision,
    StaleApproval,
    VerdictNotOffered,
)
from hitl.models import Approval, Decision
from hitl.policies.eligibility import offered
from hitl.states import ApprovalStatus, Verdict
from hitl.transitions import Transition

YES = {Verdict.APPROVE, Verdict.EDIT}
_LONGEST_COMMENT = 10_000
_SENT_BACK = {ApprovalStatus.SUPERSEDED, ApprovalStatus.REVISION_REQUESTED, ApprovalStatus.CANCELLED}
_BY_PEOPLE = {
    ApprovalStatus.APPROVED,
    ApprovalStatus.REJECTED,
    ApprovalStatus.ANSWERED,
    ApprovalStatus.REVOKED,
    ApprovalStatus.REVISION_REQUESTED,
}


@dataclass(frozen=True, slots=True)
class Vote:
    """What somebody says: the verdict with everything that belongs to it."""

    verdict: str
    digest: str
    revision: int | None
    comment: str
    args: Any
    action_type: str
    response: Any
    phrase: str
    channel: str
    reauthenticated_at: datetime | None
    shown_at: datetime | None = None

    def repeats(self, own: Decision) -> bool:
        """Whether this is the vote that is on record already."""
        seen = own.digest == self.digest and own.verdict == self.verdict and own.edited_type == self.action_type
        return seen and own.edited_args == self.args and own.response == self.response


def check_open(t: Transition, approval: Approval, votes: list[Decision]) -> None:
    """Decided, superseded, closed, or past its deadline by the database's clock: then the expiry is done now."""
    status = ApprovalStatus(approval.status)
    if status in _SENT_BACK:
        newest = newest_of(approval)
        if newest.revision > approval.revision:
            raise StaleApproval(_("a newer revision replaced this request"), **_told(newest))
    if status in _BY_PEOPLE and approval.decided_via == "human":
        raise AlreadyDecided(f"this was {_said(status)} already", **outcome_of(approval, votes))
    if status != ApprovalStatus.PENDING:
        raise ApprovalClosed(f"this request was closed: {_said(status)}", **outcome_of(approval, votes))
    if t.now >= approval.expires_at:
        expire_now(t, approval)
        if not approval.is_pending:  # otherwise it went up the ladder, and goes on
            raise ApprovalClosed(_("the time to decide is over"), **outcome_of(approval, votes))


def _said(status: ApprovalStatus) -> str:
    """In English whoever acts: it is put on record."""
    return status.value.replace("_", " ")


def check_seen(approval: Approval, vote: Vote) -> None:
    """The decision is about what would be decided."""
    matches = hmac.compare_digest(approval.digest.encode(), str(vote.digest).encode(errors="replace"))
    if not matches or vote.revision not in (None, approval.revision):
        raise StaleApproval(_("what you saw is not what would be decided; look again"), **_told(approval))


def check_offered(approval: Approval, vote: Vote) -> None:
    """Is the verdict offered here?"""
    if vote.verdict not in offered(approval):
        told = ", ".join(offered(approval))
        raise VerdictNotOffered(
            f"{str(vote.verdict)[:40]!r} is not offered here; there are {told}", offered=offered(approval)
        )


def check_complete(approval: Approval, vote: Vote) -> bytes | None:
    """Is all there that the verdict needs? Returns the bytes of an edit."""
    fields = _comment_problem(approval, vote)
    if approval.level == "verify" and vote.verdict in YES and not _typed(approval.phrase, vote.phrase):
        fields["phrase"] = f"type exactly: {approval.phrase}"
    effective = None
    if vote.verdict == Verdict.EDIT:
        try:
            effective = edited_bytes(approval, vote.args, vote.action_type)
        except InvalidDecision as error:
            fields |= error.details["fields"]
    elif vote.args is not None or vote.action_type:
        fields["args"] = "only an edit carries changed arguments"
    fields |= response_problems(approval, vote.response, answers=vote.verdict == Verdict.RESPOND)
    if fields:
        raise InvalidDecision(fields=fields)
    return effective


def newest_of(approval: Approval) -> Approval:
    """The newest revision of a request."""
    return Approval.objects.revisions(approval.run_id, approval.step.name, approval.key).first() or approval


def outcome_of(approval: Approval, votes: list[Decision]) -> dict[str, Any]:
    """What became of a request, for whoever came too late."""
    return {
        "status": str(approval.status),
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "decided_via": approval.decided_via,
        "decided_by": [str(vote.actor_id) for vote in votes],
    }


def text_problem(text: str, name: str = "comment") -> dict[str, str]:
    """What is wrong with a text somebody wrote, by field."""
    try:
        canonical(text, what=name, limit=_LONGEST_COMMENT)
    except BadInput as error:
        return {name: error.message}
    return {}


def _comment_problem(approval: Approval, vote: Vote) -> dict[str, str]:
    rule = approval.required.comment
    side = "on_reject" if vote.verdict == Verdict.REJECT else "on_approve"
    if not vote.comment and vote.verdict == Verdict.REQUEST_REVISION:
        return {"comment": "say what to do better: it goes to the agent as its instructions"}
    if not vote.comment and rule in ("always", side):
        return {"comment": "say why: the agent is told, and it is kept on record"}
    return text_problem(vote.comment)


def _typed(phrase: str, typed: str) -> bool:
    """Whether the person typed the phrase: trimmed, in one Unicode form, compared in constant time."""
    one, other = (unicodedata.normalize("NFC", text.strip()).encode(errors="replace") for text in (phrase, str(typed)))
    return bool(one) and hmac.compare_digest(one, other)


def _told(approval: Approval) -> dict[str, Any]:
    return {"approval": str(approval.pk), "revision": approval.revision, "digest": approval.digest}
