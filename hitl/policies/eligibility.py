"""May she? One function for every door, query and button.

Membership and activity are read live, at the vote. Being superuser or staff adds nothing; keys never decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from hitl.audit import Actor
from hitl.models import ApiKey, Approval, Decision, sql
from hitl.states import Verdict

REASONS = {
    "agent": "Programs never decide: a person has to, signed in as themselves.",
    "inactive": "This account is deactivated.",
    "own_request": "You asked for this, or it was asked for you or by your own agent; somebody else has to decide.",
    "not_candidate": "You are not among the people who were asked.",
    "already_voted": "You have voted already.",
    "closed": "This request is closed.",
    "needs_one": "Changing it is possible only where one approval is enough; reject it with what to change.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What eligibility depends on: is the account active, is it asked at this stage, and its vote so far."""

    active: bool
    candidate: bool
    vote: Decision | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What this person can do with a request, and why not. `verdicts` maps each verdict to the reason it is refused
    for, or to an empty text where it is possible; `have` and `need` count approvals."""

    verdicts: dict[str, str]
    have: int
    need: int
    refusals: int
    refusals_need: int

    @property
    def can_decide(self) -> bool:
        """Whether any verdict is possible."""
        return not all(self.verdicts.values())

    @property
    def reason(self) -> str:
        """The machine reason nothing is possible, or an empty text."""
        return "" if self.can_decide else next(iter(self.verdicts.values()), "closed")

    @property
    def sentence(self) -> str:
        """The reason for people."""
        return REASONS.get(self.reason, "")

    def sentence_for(self, verdict: str) -> str:
        """Why this verdict is refused, for people."""
        return REASONS.get(self.verdicts.get(verdict, ""), "")


def gather(approval: Approval, actor: Actor, votes: Iterable[Decision]) -> Facts:
    """Read what eligibility depends on: one query."""
    if not actor.is_person:
        return Facts(active=True, candidate=False, vote=None)
    active, candidate = sql.asked(approval.pk, approval.stage, get_user_model()._meta.pk.to_python(actor.id))
    vote = next((vote for vote in votes if str(vote.actor_id) == actor.id and vote.stage == approval.stage), None)
    return Facts(active=active, candidate=candidate, vote=vote)


def why_not(approval: Approval, actor: Actor, facts: Facts) -> str:
    """The reason this actor may not vote on this request now, or an empty text."""
    if not actor.is_person:
        return "agent"
    if not facts.active:
        return "inactive"
    if approval.prevent_self_review and own_request(approval, actor):
        return "own_request"
    if not facts.candidate:
        return "not_candidate"
    return "already_voted" if facts.vote is not None else ""


def own_request(approval: Approval, actor: Actor) -> bool:
    """Whether the actor asked, was asked for, wrote what is proposed by hand, or owns the key that asked."""
    return actor.id in {str(user) for user in own_people(approval)}


def own_people(approval: Approval) -> set[Any]:
    """The ids of those who asked, were asked for, or own the key that asked."""
    own = {approval.requester_id, approval.on_behalf_of_id}
    if approval.agent_key_id is not None:
        own |= set(ApiKey.objects.filter(pk=approval.agent_key_id).values_list("owner_user", flat=True))
    return {user for user in own if user is not None} | set(approval.authors.split(",")) - {""}


def offered(approval: Approval) -> list[str]:
    """The verdicts this request offers at all."""
    if approval.kind == "question":
        return [Verdict.RESPOND]
    if approval.editable == [] or approval.required.stages[approval.stage].approvals > 1:
        return [Verdict.APPROVE, Verdict.REQUEST_REVISION, Verdict.REJECT]
    return [Verdict.APPROVE, Verdict.EDIT, Verdict.REQUEST_REVISION, Verdict.REJECT]


def explain(approval: Approval, who: Any) -> Explanation:
    """What this user or key can do with this request, from the same rules `decide` uses."""
    actor = Actor.of(who)
    votes = list(Decision.objects.filter(approval=approval.pk, stage=approval.stage, withdrawn_at=None))
    reason = "closed"
    if approval.is_pending:
        reason = why_not(approval, actor, gather(approval, actor, votes))
    verdicts = {str(verdict): reason for verdict in offered(approval)}
    if approval.kind != "question":
        verdicts.setdefault(Verdict.EDIT.value, reason or "needs_one")
    stage = approval.required.stages[approval.stage]
    return Explanation(
        verdicts=verdicts,
        have=sum(vote.verdict in (Verdict.APPROVE, Verdict.EDIT) for vote in votes),
        need=stage.approvals,
        refusals=sum(vote.verdict == Verdict.REJECT for vote in votes),
        refusals_need=stage.rejections,
    )
