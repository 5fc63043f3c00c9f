"""explain(): what this person can do with this request, why not, who is needed, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from hitl import clock
from hitl.audit import Actor
from hitl.models import Approval, Assignment, Decision, Delegation, people
from hitl.policies.acts import ANYTIME, PENDING, Scene, act_problem, is_operator, silence
from hitl.policies.eligibility import REASONS, gather, offered, own_people, verdict_problem
from hitl.states import Verdict

_YES = (Verdict.APPROVE, Verdict.EDIT)
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Next:
    """Something that will happen by itself: `remind`, `escalate`, `reject`, `approve` or `expire`, and when."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """What this person can do with a request, and why not. `verdicts` and `acts` map each verdict and each other act to
    the reason it is refused for, or to an empty text where it is possible; `have` and `need` count approvals of this
    stage. `can_still` are the people who can bring what is missing and `cannot` those who were asked and cannot, each
    with the reason (at most 50 of both); `next` is what comes by itself."""

    verdicts: dict[str, str]
    acts: dict[str, str]
    have: int
    need: int
    refusals: int
    refusals_need: int
    stage: int
    stages: int
    can_still: tuple[str, ...]
    cannot: tuple[tuple[str, str], ...]
    satisfiable: bool
    next: tuple[Next, ...]
    stands_for: tuple[str, ...]

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


def explain(approval: Approval, who: Any, *, fresh: bool = False, votes: list[Decision] | None = None) -> Explanation:
    """What this user or key can do with this request, from the same rules `decide` and the acts use. `fresh`: they have
    given their password within the last minutes. A program is not told the names of people, and asks often. `votes` are
    those that stand, in their order, where the caller has read them."""
    actor = Actor.of(who)
    if votes is None:
        votes = list(Decision.objects.filter(approval=approval.pk, withdrawn_at=None).order_by("decided_at"))
    scene = Scene(approval, actor, gather(approval, actor, votes), is_operator(who), clock.now())
    open_now = approval.is_pending and scene.now < approval.expires_at
    reason = scene.vote if open_now else "closed"
    stage = approval.required.stages[approval.stage]
    here = [vote for vote in votes if vote.stage == approval.stage]
    have = sum(vote.verdict in _YES for vote in here)
    named = open_now and actor.kind != "key"
    asked, out = (_asked(approval), spent(approval, votes)) if named else (([], []), set())
    left = people.reachable(*asked, out, max(_MOST_NAMES, stage.need))
    return Explanation(
        verdicts={str(v): reason or verdict_problem(approval, v, fresh=fresh) for v in offered(approval)},
        acts={act: act_problem(act, scene) for act in (PENDING | ANYTIME)},
        have=have,
        need=stage.need,
        refusals=sum(vote.verdict == Verdict.REJECT for vote in here),
        refusals_need=stage.rejections,
        stage=approval.stage + 1,
        stages=len(approval.required.stages),
        can_still=tuple(_names(_with_stand_ins(approval, left, out)[:_MOST_NAMES])),
        cannot=tuple(_cannot(approval, votes, asked, out)) if named else (),
        satisfiable=len(left) >= stage.need - have if named else not (open_now and approval.unsatisfiable),
        next=tuple(_next(approval)) if open_now else (),
        stands_for=tuple(_names([user for user, _ in scene.facts.places])) if not scene.facts.direct else (),
    )


def _with_stand_ins(approval: Approval, left: list[Any], out: set[Any]) -> list[Any]:
    """Those people, and whoever may vote in their place."""
    if not left or approval.required.by_requester:
        return left
    handed = Assignment.objects.filter(approval=approval.pk, stage=approval.stage, ended_at=None, for_user__in=left)
    period = Delegation.objects.live(clock.now()).filter(from_user__in=left)
    also = {*handed.values_list("user", flat=True), *period.values_list("to_user", flat=True)}
    return [*left, *people.reachable(also - {*left}, [], out, _MOST_NAMES)]


def _cannot(
    approval: Approval, votes: list[Decision], among: tuple[list[Any], list[Any]], out: set[Any]
) -> Iterator[tuple[str, str]]:
    """Who is asked at this stage and cannot bring an approval, with the reason."""
    users, groups = among
    model = get_user_model()
    cannot = Q(pk__in=out) | (Q(is_active=False) if _can_be_deactivated() else Q())
    asked = model.objects.filter(Q(pk__in=users) | Q(groups__in=groups)).filter(cannot).distinct()
    own = own_people(approval) if approval.prevent_self_review else set()
    voted = {vote.actor_id: vote.stage for vote in votes}
    for user in asked.order_by("pk")[:_MOST_NAMES]:
        reason = "own_edit" if user.pk == approval.edited_by_id else "inactive" if not user.is_active else "place_taken"
        if user.pk in voted:
            reason = "already_voted" if voted[user.pk] == approval.stage else "voted_earlier_stage"
        yield Actor.of(user).name, "own_request" if user.pk in own else reason


def _can_be_deactivated() -> bool:
    return any(field.name == "is_active" for field in get_user_model()._meta.concrete_fields)


def _asked(approval: Approval) -> tuple[list[Any], list[Any]]:
    rows = Assignment.objects.filter(approval=approval.pk, stage=approval.stage, ended_at=None, for_user=None)
    pairs = list(rows.values_list("user", "group"))
    return [user for user, _ in pairs if user is not None], [group for _, group in pairs if group is not None]


def spent(approval: Approval, votes: list[Decision]) -> set[Any]:
    """Those who cannot bring an approval any more: their own request or edit, or that of somebody they stand in for, or
    their vote is cast."""
    own = own_people(approval) if approval.prevent_self_review else set()
    own |= {approval.edited_by_id} - {None}
    voted = {one for vote in votes for one in (vote.actor_id, vote.for_user_id)}
    return (own | people.standing_in(own) | voted) - {None}


def _next(approval: Approval) -> Iterator[Next]:
    if approval.remind_at is not None:
        yield Next("remind", approval.remind_at)
    if approval.escalate_at is not None:
        yield Next("escalate", approval.escalate_at)
    yield Next(silence(approval), approval.expires_at)


def _names(users: Any) -> list[str]:
    if not users:
        return []
    rows = get_user_model().objects.filter(pk__in=list(users)).order_by("pk")
    return [Actor.of(user).name for user in rows]
