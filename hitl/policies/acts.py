"""What else people do with a request than vote, and who may. Pure but for permissions: every door and button asks
here, and so does every act before it does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import Q

from hitl.audit import Actor
from hitl.models import ApiKey, Approval, Decision
from hitl.policies.eligibility import Facts, place_of, why_not
from hitl.policies.requirements import when
from hitl.states import ApprovalStatus

REMIND_EVERY = timedelta(minutes=15)


@dataclass(frozen=True)
class Scene:
    """One person or program before one request, at one moment."""

    approval: Approval
    actor: Actor
    facts: Facts
    operator: bool
    now: datetime

    @cached_property
    def vote(self) -> str:
        """Why they may not vote, or an empty text; most acts ask, and it may take queries."""
        return why_not(self.approval, self.actor, self.facts)

    @cached_property
    def own_side(self) -> bool:
        """Whether they belong to those who asked: in person, by their agent, or as that agent."""
        key = self.approval.agent_key_id
        if self.actor.text == f"key:{key}":
            return True
        if not self.actor.is_person:
            return False
        asked = {self.approval.requester_id, self.approval.on_behalf_of_id} - {None}
        if self.actor.id in {str(user) for user in asked}:
            return True
        team = Q(owner_user=self.actor.id) | Q(owner_group__user=self.actor.id)
        return key is not None and ApiKey.objects.filter(team, pk=key).exists()

    @property
    def own_vote(self) -> Decision | None:
        """Their vote that stands, the newest."""
        mine = [vote for vote in self.facts.votes if str(vote.actor_id) == self.actor.id]
        return max(mine, key=lambda vote: vote.stage, default=None)


def _claim(scene: Scene) -> str:
    approval = scene.approval
    held = approval.claimed_until is not None and approval.claimed_until > scene.now
    other = held and str(approval.claimed_by_id) != scene.actor.id
    return scene.vote or ("claimed" if other else "")


def _release(scene: Scene) -> str:
    mine = str(scene.approval.claimed_by_id) == scene.actor.id and scene.approval.claimed_by_id is not None
    held = scene.approval.claimed_by_id is not None and scene.operator
    return "" if mine or held else "not_claimed"


def _delegate(scene: Scene) -> str:
    if scene.approval.required.by_requester:
        return scene.vote or "only_requester"
    own_place = not scene.vote and place_of(scene.actor, scene.facts)[0] is None
    return scene.vote or ("" if own_place else "stands_in")


def _assign(scene: Scene) -> str:
    if not scene.operator:
        return "not_operator"
    if scene.vote in ("own_request", "own_edit"):  # nobody chooses who decides what is theirs
        return scene.vote
    return "only_requester" if scene.approval.required.by_requester else ""


def _escalate(scene: Scene) -> str:
    if not (scene.operator or _reviews(scene)):
        return scene.vote or "not_candidate"
    return "" if has_rung(scene.approval) else "no_rung"


def _extend(scene: Scene) -> str:
    if not (scene.operator or _reviews(scene)):
        return scene.vote or "not_candidate"
    return "" if latest_deadline(scene.approval) > scene.approval.expires_at else "at_cap"


def _remind(scene: Scene) -> str:
    if not (scene.operator or scene.own_side or _reviews(scene)):
        return scene.vote or "not_candidate"
    last = max(filter(None, (scene.approval.reminded_at, scene.approval.stage_opened_at)))
    return "too_soon" if scene.now - last < REMIND_EVERY else ""


def _cancel(scene: Scene) -> str:
    return "" if scene.operator or scene.own_side else "not_yours"


def _person(scene: Scene) -> str:
    return "agent" if not scene.actor.is_person else "" if scene.facts.active else "inactive"


def _withdraw(scene: Scene) -> str:
    vote = scene.own_vote
    return "" if vote is not None and vote.stage == scene.approval.stage else "no_vote"


def _revoke(scene: Scene) -> str:
    agreed = scene.own_vote is not None and scene.own_vote.verdict in ("approve", "edit")
    if not (agreed or scene.operator):
        return "not_voter"
    if scene.approval.consumed_at is not None:
        return "consumed"
    return "" if scene.approval.status == ApprovalStatus.APPROVED else "not_approved"


Rule = Callable[[Scene], str]
PENDING: dict[str, Rule] = {
    "claim": _claim,
    "release": _release,
    "delegate": _delegate,
    "assign": _assign,
    "escalate": _escalate,
    "extend": _extend,
    "remind": _remind,
    "withdraw": _withdraw,
    "cancel": _cancel,
}
ANYTIME: dict[str, Rule] = {"comment": _person, "watch": _person, "revoke": _revoke}
_FOR_AGENTS = {"cancel", "remind"}


def act_problem(act: str, scene: Scene) -> str:
    """The reason this act is not possible now, or an empty text."""
    if act in PENDING and not (scene.approval.is_pending and scene.now < scene.approval.expires_at):
        return "closed"
    if not scene.actor.is_person and act not in _FOR_AGENTS:
        return "agent"
    if not scene.facts.active:
        return "inactive"
    return (PENDING | ANYTIME)[act](scene)


def is_operator(who: Any) -> bool:
    """Whether a user has the permission to operate; keys and the system have none."""
    return bool(getattr(who, "is_active", False) and hasattr(who, "has_perm") and who.has_perm("hitl.operate"))


def has_rung(approval: Approval) -> bool:
    """Whether there is anybody left to escalate to at this stage."""
    stage = approval.required.stages[approval.stage]
    return approval.rung < len(stage.escalate) or bool(stage.fallback and not approval.fell_back)


def silence(approval: Approval) -> str:
    """What comes of it if nobody decides in time: `approve` (only what is harmless, and never what nobody could),
    `escalate`, `expire` where the ladder has come to its end, or `reject`."""
    meant = approval.required.on_timeout
    if meant == "escalate":
        return "escalate" if has_rung(approval) else "expire"
    harmless = approval.risk == "low" and approval.reversible and not approval.unsatisfiable
    return "approve" if meant == "approve" and harmless else "reject"


def latest_deadline(approval: Approval) -> datetime:
    """How far the deadline of this stage can be put off."""
    stage = approval.required.stages[approval.stage]
    return when(approval.stage_opened_at, stage.timeout or 0) + timedelta(seconds=approval.required.extend)


def _reviews(scene: Scene) -> bool:
    """Whether they are asked now; who voted already may still push it on."""
    return scene.vote in ("", "already_voted", "place_taken") and scene.facts.asked
